"""The raster of benchmarks/lattice.py over textures with a known answer: dots in rows count, other texture does not."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from perceptualloss.data.folder import builtin_photos
from perceptualloss.errors import InputError
from perceptualloss.pictures.images import read_image

SIDE, STRENGTH = 256, 0.06


@pytest.fixture(scope="module", name="module")
def _module() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).resolve().parents[1] / "benchmarks"))
        yield importlib.import_module("lattice")


def grain(seed: int = 0) -> Tensor:
    return torch.randn(1, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def texture(pattern: Tensor) -> Tensor:
    """Give a pattern the usual strength around grey."""
    return (0.5 + STRENGTH * pattern / pattern.std()).expand(1, 3, SIDE, SIDE).contiguous()


def grainy(seed: int = 0) -> Tensor:
    return texture(grain(seed))


def fur(seed: int = 0) -> Tensor:
    """Grain drawn out to hairs of 15 pixels along a diagonal, over a coarser pattern."""
    hairs = F.conv2d(grain(seed), torch.eye(15)[None, None], padding=7)
    coarse = F.interpolate(grain(seed + 100)[..., : SIDE // 8, : SIDE // 8], (SIDE, SIDE), mode="bicubic")
    return texture(hairs / hairs.std() + coarse / coarse.std())


def blurred(picture: Tensor, side: int = 3) -> Tensor:
    return F.avg_pool2d(F.pad(picture, (side // 2,) * 4, mode="reflect"), side, 1)


def sharpened(picture: Tensor) -> Tensor:
    return (2 * picture - blurred(picture)).clamp(0, 1)


def dots(pitch: int, share: float, strength: float) -> Tensor:
    """Round dots in rows in the upper part of a picture, so many times as strong as the texture."""
    rows = torch.cos(2 * torch.pi * torch.arange(SIDE) / pitch)
    pattern = (rows[:, None] + rows).clamp(min=0).square()
    pattern = strength * STRENGTH * (pattern - pattern.mean()) / pattern.std()
    pattern[round(SIDE * share) :] = 0
    return pattern.expand(1, 3, SIDE, SIDE)


def share_of(module: ModuleType, output: Tensor, truth: Tensor) -> float:
    return float(module.rasters(output, truth).double().mean())


@pytest.mark.parametrize("pitch", [2, 3, 4, 5])
def test_dots_in_rows_count_in_the_windows_that_have_them(module: ModuleType, pitch: int) -> None:
    for truth in (grainy(), fur()):
        for made in (truth, blurred(truth)):
            assert share_of(module, made + dots(pitch, 0.25, 1), truth) == pytest.approx(0.25, abs=0.03)


def test_a_photos_fur_and_rows_of_dots_in_it(module: ModuleType) -> None:
    (cat,) = (read_image(file) for file in builtin_photos("validation") if file.stem == "chelsea")
    cat = cat[..., :192, :256]
    for made in (cat, blurred(cat), sharpened(cat)):
        assert share_of(module, made, cat) < 0.02
    weak = 0.3 * dots(4, 1, 1)[..., :192, :]  # at most 5 of 255 beside the mean
    assert share_of(module, blurred(cat) + weak, cat) > 0.7


def test_texture_of_the_same_kind_does_not_count(module: ModuleType) -> None:
    for truth, other in ((grainy(), grainy(1)), (fur(), fur(1))):
        assert share_of(module, truth, truth) == 0
        for made in (blurred(truth), sharpened(truth), other, blurred(other), truth + other - 0.5):
            assert share_of(module, made, truth) < 0.02


def test_grain_and_hairs_where_the_photo_is_even_hardly_count(module: ModuleType) -> None:
    even = torch.full((1, 3, SIDE, SIDE), 0.5)
    noise, hairs = (sum(share_of(module, make(seed), even) for seed in range(10)) / 10 for make in (grainy, fur))
    assert noise < 0.01
    assert hairs < 0.06
    assert share_of(module, even + dots(4, 0.5, 0.5), even) == pytest.approx(0.5, abs=0.03)


def test_a_pattern_of_the_photo_does_not_count_and_its_alias_does(module: ModuleType) -> None:
    truth = fur() + dots(3, 1, 0.7)
    assert share_of(module, 0.5 + 1.5 * (truth - 0.5), truth) == 0
    assert share_of(module, fur() + dots(4, 1, 0.7), truth) > 0.9


def test_pictures_without_a_window_are_refused(module: ModuleType) -> None:
    with pytest.raises(InputError, match="at least 32 x 32"):
        module.rasters(*torch.rand(2, 1, 3, 31, 40))
