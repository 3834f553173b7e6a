"""Distortions: photos stay photos, and more is more."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from perceptualloss.data.distortions import BETTER, STRENGTHS, UNITS, WORSE, blur, motion, shift
from perceptualloss.data.folder import builtin_photos
from perceptualloss.pictures.images import read_image

KINDS = sorted(STRENGTHS)


@pytest.fixture(scope="module")
def photo() -> Tensor:
    """A colourful piece of 64 x 72 pixels."""
    file = next(path for path in builtin_photos() if path.stem == "astronaut")
    return read_image(file)[0, :, 40:104, 180:252]


@given(
    kind=st.sampled_from(KINDS),
    level=st.integers(0, 4),
    height=st.integers(4, 20),
    width=st.integers(4, 20),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_shape_and_range_stay(kind: str, level: int, height: int, width: int, seed: int) -> None:
    photo = torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))
    before = photo.clone()
    distort, strengths = STRENGTHS[kind]
    found = distort(photo, strengths[level])
    assert found.shape == photo.shape
    assert found.dtype == torch.float32
    assert -1e-6 <= found.min() <= found.max() <= 1 + 1e-6
    assert torch.equal(photo, before)
    assert torch.equal(found, distort(photo, strengths[level]))  # the same random numbers every time


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"pixelate"}))  # its grid moves with the factor
def test_stronger_is_further_from_the_photo(kind: str, photo: Tensor) -> None:
    distort, strengths = STRENGTHS[kind]
    errors = [(distort(photo, strength) - photo).square().mean().item() for strength in strengths]
    assert errors == sorted(errors)
    assert errors[0] > 0
    assert errors[-1] > 1.5 * errors[0]


@pytest.mark.parametrize("kind", KINDS)
def test_grey_photos_stay_grey_or_get_coloured_noise(kind: str, photo: Tensor) -> None:
    grey = photo.mean(0, keepdim=True).expand(3, -1, -1)
    distort, strengths = STRENGTHS[kind]
    found = distort(grey, strengths[2])
    assert found.shape == grey.shape
    if kind != "noise":
        assert (found - found.mean(0, keepdim=True)).abs().max() < 0.01
    if kind == "fade":
        assert torch.allclose(found, grey, atol=1e-6)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"noise", "speckle", "quantise", "brightness", "gamma", "jpeg"}))
def test_what_moves_or_mixes_pixels_leaves_a_flat_photo_flat(kind: str) -> None:
    flat = torch.tensor([0.2, 0.5, 0.5]).view(3, 1, 1).expand(3, 24, 24)
    distort, strengths = STRENGTHS[kind]
    found = distort(flat, strengths[1])
    assert (found - found[:, :1, :1]).abs().max() < 1e-5


def test_answers_known_by_construction() -> None:
    point = torch.zeros(3, 21, 21)
    point[:, 10, 10] = 1
    assert blur(point, 1.0).sum().item() == pytest.approx(3, abs=1e-4)
    spread = blur(point, 1.5)[0].sum(0) @ (torch.arange(21.0) - 10).square()
    assert spread.item() == pytest.approx(1.5**2, rel=0.05)  # the variance of the blur
    assert torch.equal(shift(point, 3)[0].nonzero(), torch.tensor([[10, 13]]))
    assert motion(point, 4)[0].nonzero().shape[0] == 4
    assert torch.equal(motion(point, 1), point)


def test_every_kind_has_a_unit_and_the_ranked_ones_exist() -> None:
    assert UNITS.keys() == STRENGTHS.keys()
    assert WORSE.keys() | BETTER.keys() < STRENGTHS.keys()
    assert not WORSE.keys() & BETTER.keys()
    for _, strengths in STRENGTHS.values():
        assert len(strengths) == 5
        assert list(strengths) == sorted(set(strengths))
