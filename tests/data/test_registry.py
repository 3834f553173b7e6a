"""Degradations of one's own by name."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from perceptualloss import Degradation, register_degradation
from perceptualloss.data.registry import DEGRADATIONS
from perceptualloss.errors import InputError
from perceptualloss.training.recipe_settings import build_recipe


class Darker(Degradation):
    def __init__(self, factor: float = 0.5) -> None:
        self.factor = factor

    def __call__(self, target: Tensor, random: np.random.Generator) -> Tensor:
        return self.factor * target


@pytest.fixture(autouse=True)
def _registry_as_it_was() -> Iterator[None]:
    before = dict(DEGRADATIONS)
    yield
    DEGRADATIONS.clear()
    DEGRADATIONS.update(before)


def test_a_recipe_names_it_alone_and_among_parts() -> None:
    settings = {"network": {"class_path": "ResidualUpscaler", "init_args": {"scale": 1, "width": 4}}, "loss": "L1Loss"}
    alone = {"class_path": "dark", "init_args": {"factor": 0.25}}
    with pytest.raises(InputError, match="degradation to be one of"):
        build_recipe(settings | {"degradation": alone})
    assert register_degradation(Darker, "dark") is Darker
    picture, random = torch.rand(1, 3, 4, 4), np.random.default_rng(0)
    inner = {"class_path": "InTurn", "init_args": {"parts": ["dark", alone]}}
    for degradation, factor in ((alone, 0.25), (inner, 0.125)):
        recipe = build_recipe(settings | {"degradation": degradation})
        assert recipe.degradation is not None
        torch.testing.assert_close(recipe.degradation(picture, random), factor * picture)


def test_what_cannot_be_registered_says_why() -> None:
    with pytest.raises(InputError, match="a subclass of Degradation"):
        register_degradation(torch.nn.Conv2d)  # type: ignore[type-var]
    with pytest.raises(InputError, match="Degradation with all its methods, got Half without __call__"):
        register_degradation(type("Half", (Degradation,), {}))
    with pytest.raises(InputError, match="a name that is free"):
        register_degradation(Darker, "Noise")
