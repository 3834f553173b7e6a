"""Distortions to learn from: they get stronger, and a batch is a function of (seed, n)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perceptualloss.data import distortions
from perceptualloss.data.strengths import STRENGTHS, OrderedBatches
from perceptualloss.errors import InputError


def photo(seed: int = 0, size: int = 64) -> torch.Tensor:
    coarse = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")[0]


def test_none_of_them_measures() -> None:
    assert not STRENGTHS.keys() & distortions.STRENGTHS.keys()


@pytest.mark.parametrize("kind", STRENGTHS)
def test_each_strength_is_farther_than_the_one_before(kind: str) -> None:
    distort, levels = STRENGTHS[kind]
    textured = (photo() + 0.1 * torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    errors = [
        (distort(textured, level, np.random.default_rng(0)) - textured).square().mean().item() for level in levels
    ]
    assert errors[0] > 0
    assert errors == sorted(errors)


@pytest.mark.parametrize("kind", STRENGTHS)
@settings(deadline=None, max_examples=4)
@given(size=st.integers(32, 70), level=st.integers(0, 4))
def test_size_and_photo_stay_as_they_are(kind: str, size: int, level: int) -> None:
    distort, levels = STRENGTHS[kind]
    before = photo(size=size)
    kept = before.clone()
    changed = distort(before, levels[level], np.random.default_rng(0))
    assert changed.shape == before.shape
    assert changed.isfinite().all()
    assert torch.equal(before, kept)


def test_a_batch_is_a_function_of_seed_and_number() -> None:
    photos = [(photo(seed, 96) * 255).byte() for seed in range(3)]
    first, again, other = (OrderedBatches(photos, 9, 32, seed)[5] for seed in (0, 0, 1))
    assert torch.equal(first.distorted, again.distorted)
    assert not torch.equal(first.distorted, other.distorted)
    assert first.crops.shape == first.distorted.shape == (9, 3, 32, 32)
    assert len(first.kinds.unique()) == OrderedBatches.KINDS
    assert first.distorted.min() >= 0
    assert first.distorted.max() <= 1


@pytest.mark.parametrize(("batch_size", "crop"), [(5, 32), (9, 31)])
def test_too_little_to_order_is_refused(batch_size: int, crop: int) -> None:
    with pytest.raises(InputError, match="from 32"):
        OrderedBatches([(photo() * 255).byte()], batch_size, crop)
