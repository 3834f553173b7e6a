"""``stylize(..., method="optimize")``: the painting alone, for every kind of picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import perceptualloss
from perceptualloss.apply.optimize_style import StyleOptimization, optimize_style
from perceptualloss.apply.style_optimizer import style_optimizer
from perceptualloss.errors import InputError
from perceptualloss.pictures.images import read_image, write_image

QUICK: dict[str, Any] = {"method": "optimize", "steps": 2, "scales": 1, "device": "cpu"}


def stylize(image: Any, style: Any, **options: Any) -> Any:
    return perceptualloss.stylize(image, style, **QUICK | options)


@pytest.fixture(name="content")
def _content() -> Tensor:
    return torch.randint(0, 256, (3, 30, 24)) / 255


@pytest.fixture(name="style")
def _style() -> Tensor:
    return torch.randint(0, 256, (3, 20, 28)) / 255


def test_it_is_optimize_style(content: Tensor, style: Tensor) -> None:
    expected = optimize_style(content[None], style[None], StyleOptimization(steps=2, scales=1)).picture[0]
    painted = stylize(content, style)
    torch.testing.assert_close(painted, expected)
    assert not torch.equal(painted, content)


def test_every_kind_of_picture_and_of_style_gets_the_same_pixels(
    content: Tensor, style: Tensor, tmp_path: Path
) -> None:
    expected = (stylize(content, style) * 255).permute(1, 2, 0).numpy()

    def kinds(picture: Tensor, name: str) -> list[Any]:
        array = (picture * 255).round().byte().permute(1, 2, 0).numpy()
        write_image(picture, tmp_path / name)
        return [picture, picture[None], array, Image.fromarray(array), tmp_path / name, str(tmp_path / name)]

    for manner in kinds(style, "style.png"):
        np.testing.assert_allclose(stylize(content, manner).permute(1, 2, 0) * 255, expected, atol=0.1)
    for like in kinds(content, "content.png")[2:]:
        painted = stylize(like, style)
        assert isinstance(painted, np.ndarray if isinstance(like, np.ndarray) else Image.Image)
        np.testing.assert_allclose(np.asarray(painted), expected, atol=0.6)


def test_options_of_both_methods(content: Tensor, style: Tensor) -> None:
    rgba = torch.cat([content, torch.rand(1, 30, 24)])
    painted = stylize(rgba, style, size=15)
    assert painted.shape == (4, 15, 12)
    assert stylize(rgba, style)[3].equal(rgba[3])
    whole = stylize(content, style)
    torch.testing.assert_close(stylize(content, style, strength=0.25), 0.75 * content + 0.25 * whole)
    torch.testing.assert_close(stylize(content, style, strength=0), content)
    grey = content[:1]
    assert stylize(grey, style).shape == (3, 30, 24)
    assert stylize(grey, style, keep_colors=True).shape == (1, 30, 24)


def test_options_of_its_own_do_something(content: Tensor, style: Tensor) -> None:
    usual = stylize(content, style)
    wide = torch.rand(3, 128, 128)
    for options in ({"steps": 3}, {"start": "noise"}, {"style_size": 64}):
        assert not torch.equal(stylize(content, style, **options), usual), options
    assert not torch.equal(stylize(wide, style, scales=2), stylize(wide, style))
    with pytest.raises(InputError, match="nothing"):
        stylize(content, style, loss_network="nothing")


def test_a_batch_is_painted_one_by_one(content: Tensor, style: Tensor) -> None:
    steps: list[tuple[int, int]] = []
    batch = torch.stack([content, content.flip(-1)])
    painted = stylize(batch, style, progress=lambda done, total: steps.append((done, total)))
    torch.testing.assert_close(painted[1], stylize(batch[1], style))
    assert steps == [(0, 4), (1, 4), (2, 4), (2, 4), (3, 4), (4, 4)]


def test_files_keep_16_bits(content: Tensor, style: Tensor, tmp_path: Path) -> None:
    write_image(content, tmp_path / "deep.png", bits=16)
    tool = style_optimizer(style, steps=2, scales=1, device="cpu")
    tool.file(tmp_path / "deep.png", tmp_path / "painted.png", every=1)
    names = {"painted-scale1-step0001.png", "painted-scale1-step0002.png", "painted.png", "deep.png"}
    assert {file.name for file in tmp_path.iterdir()} == names
    with Image.open(tmp_path / "painted.png") as image:
        assert image.size == (24, 30)
    torch.testing.assert_close(read_image(tmp_path / "painted.png")[0], stylize(content, style), atol=1e-4, rtol=0)
    with pytest.raises(InputError, match="a video"):
        tool.file(tmp_path / "clip.mp4", tmp_path / "painted.png")


WRONG: dict[str, Callable[[Tensor], object]] = {
    "a picture as style, for the method optimize.*got none": lambda x: stylize(x, None),
    "a picture as style.*got int": lambda x: stylize(x, 1),
    "one style picture, got a batch of 2": lambda x: stylize(x, torch.rand(2, 3, 8, 8)),
    "no such file|to be a picture|wave": lambda x: stylize(x, "wave"),
    "strength from 0 to 1": lambda x: stylize(x, x, strength=2),
    "start to be one of": lambda x: stylize(x, x, start="middle"),
    "style_size to be at least 64": lambda x: stylize(x, x, style_size=8),
    "method to be one of network, optimize": lambda x: stylize(x, x, method="optimise"),
    "a device: auto": lambda x: stylize(x, x, device="gpus"),
    "options of StyleOptimization": lambda x: style_optimizer(x, step=3),
    "got Tensor. Name a network": lambda x: stylize(x, x, method="network", steps=None, scales=None),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_cannot_be_used_is_said(message: str, content: Tensor) -> None:
    with pytest.raises(InputError, match=message):
        WRONG[message](content)
