"""Pictures in another range than was said are refused, or warned of, wherever a range matters; overshoot passes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from perceptualloss.apply.stylize import stylize
from perceptualloss.apply.upscale import upscale
from perceptualloss.errors import InputError, warn_once
from perceptualloss.features.base import LossNetwork
from perceptualloss.features.network import loss_network
from perceptualloss.losses.feature import FeatureReconstructionLoss
from perceptualloss.losses.lpips import LPIPS
from perceptualloss.losses.pixel import L1Loss, MSELoss
from perceptualloss.losses.ssim import SSIMLoss
from perceptualloss.losses.style import StyleReconstructionLoss
from perceptualloss.losses.style_objective import style_picture
from perceptualloss.metrics.embedded import perceptual_distance, structure_texture
from perceptualloss.metrics.protocol import Convention
from perceptualloss.metrics.psnr import psnr
from perceptualloss.metrics.registry import metric_function
from perceptualloss.metrics.ssim import ms_ssim, ssim
from perceptualloss.pictures.color import luminance
from perceptualloss.pictures.images import read_image, write_image
from perceptualloss.pictures.ranges import FAR, OVERSHOOT, check_values
from perceptualloss.pictures.resize import resize

Pair = tuple[Tensor, Tensor]
Compare = Callable[[Tensor, Tensor], Any]


@pytest.fixture(autouse=True)
def _warnings_come_again() -> None:
    warn_once.cache_clear()


def pair(side: int = 48) -> Pair:
    output, target = torch.rand(2, 1, 3, side, side).unbind(0)
    return output, target


COMPARE: dict[str, Callable[[], Compare]] = {
    "l1": L1Loss,
    "ssim loss": SSIMLoss,
    "features": lambda: FeatureReconstructionLoss("compact", ["relu1_2"]),
    "a sum": lambda: MSELoss() + 0.1 * FeatureReconstructionLoss("compact", ["relu1_2"]),
    "lpips": lambda: LPIPS("squeeze", weights=None),
    "lpips map": lambda: LPIPS("squeeze", weights=None, spatial=True),
    "psnr": lambda: psnr,
    "psnr of luminance": lambda: partial(psnr, y_channel=True),
    "ssim": lambda: ssim,
    "ms_ssim": lambda: partial(ms_ssim, weights=(0.4, 0.6)),
    "perceptual_distance": lambda: perceptual_distance,
    "structure_texture": lambda: structure_texture,
    "by name": lambda: partial(metric_function("psnr"), convention=Convention()),
}


@pytest.mark.parametrize("name", COMPARE)
def test_whoever_compares_refuses_8_bits_and_tanh_and_lets_overshoot_pass(name: str) -> None:
    output, target = pair()

    def compare(output: Tensor, target: Tensor) -> None:
        COMPARE[name]()(output, target)

    with pytest.raises(InputError, match=r"target.*Divide 8-bit values by 255"):
        compare(255 * output, 255 * target)
    with pytest.raises(InputError, match=r"output.*255"):
        compare(255 * output, target)
    with pytest.raises(InputError, match=r"target.*\[-1, 1\]"):
        compare(2 * output - 1, 2 * target - 1)
    with pytest.warns(UserWarning, match=r"output has values in \[-1, 1\] where \[0, 1\] is expected"):
        compare(2 * output - 1, target)
    for raw in (1.5 * output - 0.25, 6 * output - 3, target):  # a trained network's, an untrained one's, data
        compare(raw, target)


def test_a_range_of_8_bits_refuses_pictures_in_0_to_1() -> None:
    output, target = pair()
    for loss in (
        FeatureReconstructionLoss("compact", ["relu1_2"], input_range=(0, 255)),
        MSELoss((0, 255)),
        2 * L1Loss((0, 255)),
    ):
        with pytest.raises(InputError, match=r"\[0, 255\].*leave input_range away"):
            loss(output, target)
    for measure in (psnr, ssim):
        with pytest.raises(InputError, match="leave data_range away"):
            measure(output, target, data_range=255)
        measure(255 * output, 255 * target, data_range=255)
    black = (torch.rand(1, 3, 48, 48) > 0.5).float()  # nearly black, in whole numbers, as 8 bits can be
    MSELoss((0, 255))(black, black)
    with pytest.warns(UserWarning, match=r"output has all values in \[0, 1\] where \[0, 255\]"):
        MSELoss((0, 255))(output, 255 * target)


@pytest.mark.parametrize("input_range", [(-1, 1), "imagenet"])
def test_no_value_below_zero_where_the_range_has_them_is_warned_of(input_range: Any) -> None:
    output, target = pair()
    with pytest.warns(UserWarning, match="leave input_range away"):
        MSELoss(input_range)(output, target)
    MSELoss(input_range)(2 * output - 1, 2 * target - 1)
    grey = torch.zeros(1, 3, 8, 8)
    MSELoss(input_range)(grey, grey)


def test_pictures_divided_twice_are_warned_of_once() -> None:
    output, target = pair()
    with pytest.warns(UserWarning, match="divided by 255") as warned:
        values = [psnr(output / 255, target / 255) for _ in range(3)]
    assert len(warned) == 1
    assert len(values) == 3
    psnr(torch.zeros_like(target), torch.zeros_like(target))  # a black frame


@given(st.floats(0.02, 1), st.floats(-OVERSHOOT, 0), st.floats(1, 1 + OVERSHOOT))
def test_what_resampling_does_passes(value: float, least: float, most: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_values("x", torch.tensor([value, least, most, 0.5]), 0, 1)
        check_values("x", torch.tensor([value, 0.5]), 0, 1)
        check_values("x", torch.tensor([value * 8, -value * 8]) + 0.5, 0, 1, FAR)


def test_the_sharpest_resampling_overshoots_by_less_than_is_allowed() -> None:
    checks = (torch.arange(16)[:, None] // 2 + torch.arange(16) // 2) % 2
    pattern = torch.nn.functional.interpolate(checks[None, None].float().expand(1, 3, -1, -1), scale_factor=3)
    worst = max((resize(pattern, scale) - 0.5).abs().max().item() - 0.5 for scale in (0.7, 2.0, 3.3))
    assert 0.02 < worst < OVERSHOOT


@pytest.mark.parametrize(("value", "slack", "fits"), [(1.24, 0.25, True), (1.26, 0.25, False), (-9.0, FAR, True)])
def test_slack_is_a_share_of_the_range(value: float, slack: float, fits: bool) -> None:
    for low, high in ((0.0, 1.0), (0.0, 255.0)):
        values = torch.tensor([value * high])
        if fits:
            check_values("x", values, low, high, slack)
        else:
            with pytest.raises(InputError):
                check_values("x", values, low, high, slack)


def test_what_is_not_finite_is_named_by_a_loss_and_measured_as_such() -> None:
    output, target = pair()
    output[0, 0, 0, 0] = torch.nan
    with pytest.raises(InputError, match="not finite"):
        L1Loss()(output, target)
    assert psnr(output, target).isnan().all()
    with pytest.raises(InputError, match="not finite"):
        check_values("x", torch.tensor([float("inf")]), 0, 1)


def test_a_loss_network_and_style_pictures_are_checked_too() -> None:
    network = loss_network("compact", ["relu1_2"])
    with pytest.raises(InputError, match="255"):
        network(255 * pair()[0])
    assert isinstance(network, LossNetwork)
    for take in (
        lambda x: StyleReconstructionLoss("compact", ["relu1_2"], style=x),
        lambda x: style_picture(x, 24),
    ):
        with pytest.raises(InputError, match=r"style.*255"):
            take(255 * pair()[0])
        with pytest.raises(InputError, match=r"style.*\[-1, 1\]"):
            take(2 * pair()[0] - 1)
        take(pair()[0])


def test_no_white_file_is_written(tmp_path: Path) -> None:
    picture, file = pair(8)[0], tmp_path / "x.png"
    for wrong in (255 * picture, (255 * picture).to(torch.uint8), (255 * picture[0]).permute(1, 2, 0).numpy()):
        with pytest.raises(InputError, match=r"255"):
            write_image(wrong, file)  # type: ignore[arg-type]
        assert not file.exists()
    with pytest.warns(UserWarning, match=r"\(images \+ 1\) / 2"):
        write_image(2 * picture - 1, file)
    write_image(1.4 * picture - 0.2, file)
    torch.testing.assert_close(read_image(file), (1.4 * picture - 0.2).clamp(0, 1), atol=1 / 500, rtol=0)


def test_luminance_and_ready_networks_refuse_8_bits_in_floating_point() -> None:
    picture = pair(16)[0]
    with pytest.raises(InputError, match="255"):
        luminance(255 * picture)
    for use in (lambda x: upscale(x, 2), lambda x: stylize(x, "starry_night")):
        for wrong in (255 * picture, 2 * picture - 1, (255 * picture[0]).permute(1, 2, 0).numpy()):
            with pytest.raises(InputError):
                use(wrong)


def test_nothing_is_read_where_values_cannot_be() -> None:
    output, target = pair(16)
    found = torch.func.vmap(lambda o, t: psnr(o[None], t[None]))(output, target)
    torch.testing.assert_close(found[:, 0], psnr(output, target))
    with torch.device("meta"):
        assert luminance(torch.empty(1, 3, 4, 4)).shape == (1, 1, 4, 4)
