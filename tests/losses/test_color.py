from __future__ import annotations

import math

import kornia
import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.losses.base import Loss
from perceptualloss.losses.color import AngularColorLoss, BlurredColorLoss, angular_error, blurred_squared
from perceptualloss.losses.ssim import gaussian_weights

LOSSES = {"angle": AngularColorLoss(), "blurred": BlurredColorLoss(), "small": BlurredColorLoss(5, 1.0)}


def pair(seed: int = 1, batch: int = 2, height: int = 9, width: int = 8) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    output, target = torch.rand(2, batch, 3, height, width, dtype=torch.float64, generator=generator)
    return output, target


def test_the_angle_of_bright_colours_is_numpys() -> None:
    output, target = (x / 2 + 0.5 for x in pair())
    x, y = (np.moveaxis(t.numpy(), 1, -1) for t in (output, target))
    cosine = (x * y).sum(-1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1)
    expected = np.arccos(cosine).mean(axis=(1, 2))
    np.testing.assert_allclose(angular_error(output, target, 1e-6).numpy(), expected, rtol=1e-9)
    np.testing.assert_allclose(angular_error(output, target).numpy(), expected, rtol=1e-4)  # epsilon hardly counts


def test_known_angles() -> None:
    def colour(*rgb: float) -> Tensor:
        return torch.tensor(rgb, dtype=torch.float64).view(1, 3, 1, 1)

    assert angular_error(colour(1, 0, 0), colour(0, 0, 1)).item() == pytest.approx(math.pi / 2, abs=1e-3)
    assert angular_error(colour(1, 1, 1), colour(1, 1, 0)).item() == pytest.approx(math.acos((2 / 3) ** 0.5), abs=1e-3)
    assert angular_error(colour(0.8, 0.4, 0.2), colour(0.4, 0.2, 0.1)).item() == pytest.approx(0, abs=0.02)
    assert angular_error(colour(0, 0, 0), colour(0.001, 0, 0)).item() < 0.11  # noise in the dark
    assert angular_error(colour(-1, 0, 0), colour(1, 0, 0)).item() == pytest.approx(math.pi, abs=0.03)


def test_the_default_kernel_is_dpeds() -> None:
    bins = np.linspace(-3 - 7 / 42, 3 + 7 / 42, 22)  # as its code bins a normal distribution
    one_axis = np.diff(scipy.stats.norm.cdf(bins))
    kernel = np.sqrt(np.outer(one_axis, one_axis))
    kernel /= kernel.sum()
    weights = gaussian_weights(21, 4.7)
    whole = np.array([*reversed(weights[1:]), *weights])
    assert np.abs(np.outer(whole, whole) - kernel).max() < 0.003 * kernel.max()
    output, target = pair(height=40, width=40)
    blurred = [scipy.ndimage.convolve(c, kernel, mode="constant") for c in (output - target)[0].numpy()]
    # DPED: half the sum over 100 x 100 pixels, weight 0.5; BlurredColorLoss's docstring: 7500 times the mean.
    assert blurred_squared(output, target)[0].item() == pytest.approx(np.square(blurred).mean(), rel=5e-3)


@pytest.mark.parametrize(("size", "sigma"), [(21, 4.7), (5, 1.0), (1, 1.0)])
def test_blur_equals_kornias(size: int, sigma: float) -> None:
    output, target = pair(height=24, width=30)
    blurred = [kornia.filters.gaussian_blur2d(x, (size, size), (sigma, sigma), "constant") for x in (output, target)]
    expected = (blurred[0] - blurred[1]).square().mean(dim=(1, 2, 3))
    torch.testing.assert_close(blurred_squared(output, target, size, sigma), expected)


def test_blurring_hides_texture_and_keeps_colour() -> None:
    target = torch.full((1, 3, 64, 64), 0.5)
    checkers = ((torch.arange(64)[:, None] + torch.arange(64)) % 2) * 0.4 - 0.2
    tinted = target + torch.tensor([0.2, -0.2, 0.2]).view(1, 3, 1, 1)
    assert BlurredColorLoss()(target + checkers, target) < 0.02 * BlurredColorLoss()(tinted, target)


@pytest.mark.parametrize("name", LOSSES)
@settings(deadline=None, max_examples=5)
@given(seed=st.integers(0, 2**31), batch=st.integers(1, 4))
def test_averages_over_images_in_any_order(name: str, seed: int, batch: int) -> None:
    output, target = pair(seed, batch)
    loss = LOSSES[name]
    value = loss(output, target)
    torch.testing.assert_close(loss(output.flip(0), target.flip(0)), value)
    single = torch.stack([loss(output[i : i + 1], target[i : i + 1]) for i in range(batch)])
    torch.testing.assert_close(single.mean(), value)
    torch.testing.assert_close(loss(target, output), value)


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**31), factor=st.floats(0.2, 5))
def test_brightness_leaves_the_angle_and_scales_the_blurred_error(seed: int, factor: float) -> None:
    output, target = pair(seed)
    bright = [x / 2 + 0.5 for x in (output, target)]
    angle = AngularColorLoss(1e-4)
    torch.testing.assert_close(angle(bright[0] * factor, bright[1]), angle(*bright), rtol=1e-4, atol=1e-6)
    scaled = blurred_squared(factor * output, factor * target)
    torch.testing.assert_close(scaled, factor**2 * blurred_squared(output, target))


@pytest.mark.parametrize("name", LOSSES)
def test_gradient(name: str) -> None:
    output, target = pair(3, 1, 4, 4)
    assert torch.autograd.gradcheck(lambda x: LOSSES[name](x, target), output.requires_grad_())


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_and_black_pictures_have_a_finite_gradient(name: str, dtype: torch.dtype) -> None:
    images, black = torch.rand(1, 3, 16, 16, dtype=dtype), torch.zeros(1, 3, 16, 16, dtype=dtype)
    for output, target in ((images, images), (black, black), (black, images), (images, black), (-images, images)):
        leaf = output.clone().requires_grad_()
        value = LOSSES[name](leaf, target)
        value.backward()
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()
        if output is target:
            assert value.item() == 0
            assert leaf.grad.abs().max() == 0


@pytest.mark.parametrize("make", [AngularColorLoss, BlurredColorLoss])
def test_ranges_and_half_precision(make: type[Loss]) -> None:
    output, target = (x.float() for x in pair(height=32, width=32))
    value = make()(output, target)
    signed = make(input_range=(-1, 1))(output * 2 - 1, target * 2 - 1)
    torch.testing.assert_close(signed, value if make is AngularColorLoss else 4 * value)
    half = make()(output.half(), target.half())
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, value, rtol=0.01, atol=0)


def test_images_normalised_for_imagenet_have_the_same_angle() -> None:
    output, target = pair()
    mean, std = (torch.tensor(v).double().view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    normalised = AngularColorLoss(input_range="imagenet")((output - mean) / std, (target - mean) / std)
    torch.testing.assert_close(normalised, AngularColorLoss()(output, target), rtol=1e-5, atol=0)


def test_unusable_settings_say_what_to_do() -> None:
    with pytest.raises(InputError, match="Black has no colour"):
        AngularColorLoss(0)
    with pytest.raises(InputError, match="odd"):
        BlurredColorLoss(20)
    with pytest.raises(InputError, match="sigma"):
        BlurredColorLoss(sigma=0)
