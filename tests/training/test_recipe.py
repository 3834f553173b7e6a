from __future__ import annotations

import json

import pytest
import torch
from jsonargparse import ArgumentParser

from perceptualloss.losses.loss import Loss
from perceptualloss.training.recipe import NAMED

WRITTEN = {
    "MSELoss": {},
    "L1Loss": {"input_range": [-1, 1]},
    "CharbonnierLoss": {"epsilon": 0.01},
    "TotalVariationLoss": {"kind": "power", "exponent": 1.5, "reduction": "sum"},
    "EdgeLoss": {"threshold": 0.2, "mask": "hard", "distance": "mse"},
    "AngularColorLoss": {"input_range": "imagenet"},
    "BlurredColorLoss": {"kernel_size": 9, "sigma": 2.0},
    "SSIMLoss": {"input_range": [0, 255]},
    "MSSSIMLoss": {"weights": [0.4, 0.6]},
}


def parsed(loss: object) -> Loss:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--loss", type=Loss)
    found = parser.instantiate(parser.parse_args(["--loss", json.dumps(loss)])).loss
    assert isinstance(found, Loss)
    return found


@pytest.mark.parametrize("name", WRITTEN)
def test_losses_are_written_in_a_recipe_as_in_python(name: str) -> None:
    loss = parsed({"class_path": name, "init_args": WRITTEN[name]})
    assert type(loss).__name__ == name
    for setting, value in WRITTEN[name].items():
        own = getattr(loss, setting)
        assert (list(own) if isinstance(value, list) else own) == value


def test_a_weighted_sum_of_them() -> None:
    losses = {"pixels": "CharbonnierLoss", "structure": "SSIMLoss", "smooth": "TotalVariationLoss"}
    loss = parsed({"class_path": "WeightedLoss", "init_args": {"losses": losses, "weights": {"smooth": 0.1}}})
    terms = loss.terms(torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16))
    assert list(terms) == list(losses)


def test_their_names_are_known_to_recipes() -> None:
    assert set(WRITTEN) <= {named.__name__ for named in NAMED}
