from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.losses.base import Loss
from perceptualloss.losses.feature import FeatureReconstructionLoss
from perceptualloss.losses.pixel import CharbonnierLoss, L1Loss, MSELoss
from perceptualloss.losses.presets import PRESETS
from perceptualloss.losses.registry import LOSSES, SUMS
from perceptualloss.losses.settings import loss_from_settings
from perceptualloss.losses.wrapped import WrappedLoss


def pair() -> tuple[Tensor, Tensor]:
    output, target = torch.rand(2, 1, 3, 24, 24).unbind(0)
    return output, target


def same(settings: Any, loss: Loss) -> None:
    output, target = pair()
    terms, expected = loss_from_settings(settings).terms(output, target), loss.terms(output, target)
    assert list(terms) == list(expected)
    torch.testing.assert_close(terms, expected)


def test_a_sum_is_written_as_plainly_as_in_python() -> None:
    settings = {
        "FeatureReconstructionLoss": {
            "weight": 0.5,
            "network": "compact",
            "layers": {"relu1_1": 1.0, "relu2_1": 1.0},
            "distance": "unit",
            "input_range": [0, 1],
        },
        "L1Loss": 1.0,
        "CharbonnierLoss": {"epsilon": 0.01},
    }
    features = FeatureReconstructionLoss("compact", {"relu1_1": 1.0, "relu2_1": 1.0}, "unit")
    same(settings, 0.5 * features + L1Loss() + CharbonnierLoss(0.01))


def test_names_presets_lists_and_losses() -> None:
    same("MSELoss", MSELoss())
    same("mse", MSELoss())
    same({"l1": 2.0, "MSELoss": None}, 2 * L1Loss() + MSELoss())
    same([{"L1Loss": 1.0}, {"L1Loss": {"weight": 2}}], L1Loss() + 2 * L1Loss())
    same({"johnson": {"weight": 3.0, "network": "compact"}}, 3 * FeatureReconstructionLoss("compact"))
    same({"class_path": "perceptualloss.CharbonnierLoss", "init_args": {"epsilon": 0.1}}, CharbonnierLoss(0.1))
    loss = L1Loss()
    assert loss_from_settings(loss) is loss


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("L1Los", "Did you mean 'L1Loss'"),
        ("perceptial", "Did you mean 'perceptual'"),
        ({"FeatureReconstrucionLoss": 1.0}, "Did you mean 'FeatureReconstructionLoss'"),
        ({"CharbonnierLoss": {"epsilom": 0.1}}, "Did you mean 'epsilon'"),
        ({"FeatureReconstructionLoss": {"network": "compact", "layers": {"relu21": 1.0}}}, "Did you mean 'relu2_1'"),
        ({"L1Loss": "much"}, "weight of L1Loss to be a number"),
        ({"L1Loss": {"weight": None}}, "weight of L1Loss to be a number"),
        ({"perceptual": {"network": "compct"}}, "Did you mean 'compact'"),
        ({"class_path": "MSELos"}, "Did you mean 'MSELoss'"),
        ({}, "a loss"),
        (1.0, "names with weights"),
    ],
)
def test_mistakes_are_named(settings: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        loss_from_settings(settings)


def test_every_loss_of_the_package_has_its_name_here() -> None:
    import perceptualloss  # noqa: PLC0415

    public = {name for name in perceptualloss.__all__ if isinstance(getattr(perceptualloss, name), type)}
    losses = {n for n in public if issubclass(getattr(perceptualloss, n), Loss)} - {"Loss", *SUMS}
    # Those that show clips, volumes or grey pictures to another loss: recipes train networks of RGB pictures.
    losses -= {n for n in losses if issubclass(getattr(perceptualloss, n), WrappedLoss)}
    assert losses == set(LOSSES) - set(PRESETS)
