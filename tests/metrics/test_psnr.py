from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio
from torchmetrics.functional.image import peak_signal_noise_ratio as torchmetrics_psnr

from perceptualloss.errors import InputError
from perceptualloss.metrics.psnr import mse, psnr
from perceptualloss.metrics.ssim import ssim
from perceptualloss.pictures.color import luminance


def test_equals_scikit_image_and_torchmetrics() -> None:
    output, target = torch.rand(2, 4, 3, 20, 30, dtype=torch.float64)
    values = psnr(output, target)
    assert values.shape == (4,)
    for value, x, y in zip(values, output, target, strict=True):
        expected = peak_signal_noise_ratio(y.numpy(), x.numpy(), data_range=1)
        assert value.item() == pytest.approx(expected, abs=1e-9)
        assert value.item() == pytest.approx(torchmetrics_psnr(x[None], y[None], data_range=1.0).item(), abs=1e-4)


def test_known_answers() -> None:
    target = torch.full((3, 3, 8, 8), 0.5)
    output = target + torch.tensor([0.1, 0.01, 0.0]).view(3, 1, 1, 1)
    values = psnr(output, target)
    assert values.dtype == torch.float32
    assert values.tolist() == pytest.approx([20, 40, math.inf], abs=1e-4)


def test_range_border_and_luminance() -> None:
    output, target = torch.rand(2, 2, 3, 16, 18, dtype=torch.float64)
    plain = psnr(output, target)
    torch.testing.assert_close(psnr(output * 255, target * 255, data_range=255), plain)
    inside = (..., slice(3, -3), slice(3, -3))
    torch.testing.assert_close(psnr(output, target, crop_border=3), psnr(output[inside], target[inside]))
    grey = [luminance(x).expand(-1, 3, -1, -1) for x in (output, target)]
    torch.testing.assert_close(psnr(output, target, y_channel=True), psnr(*grey))
    torch.testing.assert_close(
        psnr(output * 255, target * 255, data_range=255, y_channel=True), psnr(output, target, y_channel=True)
    )


def test_half_precision_and_autocast_measure_what_is_there() -> None:
    output, target = torch.rand(2, 2, 3, 16, 16).bfloat16()
    expected = psnr(output.float(), target.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        values = psnr(output, target)
    assert values.dtype == torch.float32
    torch.testing.assert_close(values, expected)


def test_mean_squared_error_is_what_psnr_puts_in_decibels() -> None:
    output, target = torch.rand(2, 2, 3, 16, 16)
    for options in ({}, {"crop_border": 3, "y_channel": True}):
        torch.testing.assert_close(-10 * mse(output, target, **options).log10(), psnr(output, target, **options))
    torch.testing.assert_close(mse(output, target), (output - target).square().mean((1, 2, 3)))
    torch.testing.assert_close(mse(255 * output, 255 * target, data_range=255), mse(output, target))


def test_gradient_is_finite_for_unequal_pictures() -> None:
    output = torch.rand(1, 3, 12, 12, requires_grad=True)
    (psnr(output, torch.rand(1, 3, 12, 12)) + ssim(output, torch.rand(1, 3, 12, 12))).sum().backward()
    assert output.grad is not None
    assert output.grad.isfinite().all()


@pytest.mark.parametrize("measure", [psnr, ssim])
@pytest.mark.parametrize(
    ("shapes", "options", "message"),
    [
        (((1, 3, 16, 16), (1, 3, 16, 17)), {}, "same shape"),
        (((3, 16, 16), (3, 16, 16)), {}, r"output of shape \(N, 3, H, W\)"),
        (((1, 1, 16, 16), (1, 1, 16, 16)), {}, "repeat the channel"),
        (((1, 3, 16, 16), (1, 3, 16, 16)), {"crop_border": 8}, "crop_border from 0 to 7 for 16 x 16"),
        (((1, 3, 16, 16), (1, 3, 16, 16)), {"crop_border": -1}, "crop_border from 0"),
        (((1, 3, 16, 16), (1, 3, 16, 16)), {"data_range": 0}, "data_range"),
    ],
)
def test_what_cannot_be_measured_is_said(
    measure: object, shapes: tuple[tuple[int, ...], ...], options: dict[str, object], message: str
) -> None:
    assert callable(measure)
    with pytest.raises(InputError, match=message):
        measure(*(torch.rand(shape) for shape in shapes), **options)


def test_8_bit_pictures_are_refused_with_the_remedy() -> None:
    pictures = torch.from_numpy(np.zeros((1, 3, 16, 16), np.uint8))
    with pytest.raises(InputError, match="/ 255"):
        psnr(pictures, pictures)
