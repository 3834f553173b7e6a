from __future__ import annotations

import numpy as np
import piq
import pytest
import scipy.ndimage
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity as by_scikit_image
from torch import Tensor
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as by_torchmetrics

from perceptualloss.errors import InputError
from perceptualloss.losses.base import Loss
from perceptualloss.losses.ssim import MS_SSIM_WEIGHTS, MSSSIMLoss, SSIMLoss, multi_scale_structural_similarity

TWO_SCALES = (0.4, 0.6)
LOSSES = {"ssim": SSIMLoss(), "ms_ssim": MSSSIMLoss(TWO_SCALES)}


def pair(seed: int = 1, batch: int = 2, height: int = 24, width: int = 22, noise: float = 0.2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    target, random = torch.rand(2, batch, 3, height, width, dtype=torch.float64, generator=generator)
    return (1 - noise) * target + noise * random, target


def by_plain_numpy(x: np.ndarray, y: np.ndarray) -> float:
    """MS-SSIM of one channel as Wang's MATLAB code computes it."""
    result = 1.0
    for scale, weight in enumerate(MS_SSIM_WEIGHTS):
        inside = (slice(5, -5), slice(5, -5))

        def blur(values: np.ndarray, inside: tuple[slice, slice] = inside) -> np.ndarray:
            return scipy.ndimage.gaussian_filter(values, 1.5, truncate=3.5)[inside]  # 5 pixels a side

        mean_x, mean_y = blur(x), blur(y)
        covariance = blur(x * y) - mean_x * mean_y
        variances = blur(x * x) - mean_x**2 + blur(y * y) - mean_y**2
        places = (2 * covariance + 0.0009) / (variances + 0.0009)
        if scale == 4:
            places = places * (2 * mean_x * mean_y + 0.0001) / (mean_x**2 + mean_y**2 + 0.0001)
        result *= places.mean() ** weight
        x, y = (np.pad(z, (0, 1), mode="symmetric") for z in (x, y))
        x, y = ((z[:-1, :-1] + z[1:, :-1] + z[:-1, 1:] + z[1:, 1:])[::2, ::2] / 4 for z in (x, y))
    return result


def test_ssim_loss_is_1_minus_scikit_images() -> None:
    output, target = pair()
    conventions = {"channel_axis": 0, "data_range": 1.0, "gaussian_weights": True, "use_sample_covariance": False}
    values = [by_scikit_image(x.numpy(), y.numpy(), **conventions) for x, y in zip(output, target, strict=True)]
    expected = 1 - np.mean(values)
    assert SSIMLoss()(output, target).item() == pytest.approx(expected, abs=1e-9)


def test_ms_ssim_equals_piqs() -> None:
    output, target = pair(height=176, width=208)
    expected = piq.multi_scale_ssim(output, target, data_range=1.0, reduction="none")
    torch.testing.assert_close(multi_scale_structural_similarity(output, target), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(MSSSIMLoss()(output, target), 1 - expected.mean(), rtol=0, atol=1e-6)


def test_ms_ssim_of_grey_pictures_equals_torchmetrics_but_for_the_border() -> None:
    output, target = (x.mean(dim=1, keepdim=True) for x in pair(height=176, width=192))
    expected = by_torchmetrics(output, target, data_range=1.0, reduction="none")  # of a padded border too
    torch.testing.assert_close(multi_scale_structural_similarity(output, target), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize(("height", "width"), [(161, 176), (175, 189)])
def test_ms_ssim_of_any_size_equals_wangs_code(height: int, width: int) -> None:
    output, target = pair(height=height, width=width, batch=1)
    expected = np.mean([by_plain_numpy(x, y) for x, y in zip(output[0].numpy(), target[0].numpy(), strict=True)])
    assert multi_scale_structural_similarity(output, target).item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", LOSSES)
@settings(deadline=None, max_examples=5)
@given(seed=st.integers(0, 2**31), batch=st.integers(1, 3), noise=st.floats(0, 1))
def test_averages_over_images_in_any_order(name: str, seed: int, batch: int, noise: float) -> None:
    output, target = pair(seed, batch, noise=noise)
    loss = LOSSES[name]
    value = loss(output, target)
    torch.testing.assert_close(loss(output.flip(0), target.flip(0)), value)
    torch.testing.assert_close(loss(target, output), value)
    torch.testing.assert_close(loss(output.flip(3), target.flip(3)), value)
    single = torch.stack([loss(output[i : i + 1], target[i : i + 1]) for i in range(batch)])
    torch.testing.assert_close(single.mean(), value)
    assert -1e-12 <= value <= 2


@pytest.mark.parametrize("name", LOSSES)
def test_gradient(name: str) -> None:
    side = 12 if name == "ssim" else 21
    output, target = pair(4, 1, side, side)
    leaf = output[..., :3, :4].clone().requires_grad_()  # of a corner: a whole picture takes long

    def loss(corner: Tensor) -> Tensor:
        whole = output.clone()
        whole[..., :3, :4] = corner
        return LOSSES[name](whole, target)

    assert torch.autograd.gradcheck(loss, leaf)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite_for_equal_flat_and_inverted_pictures(name: str, dtype: torch.dtype) -> None:
    images = torch.rand(1, 3, 24, 24, dtype=dtype)
    flat = torch.full_like(images, 0.5)
    unrelated = torch.rand(1, 3, 24, 24, dtype=dtype)
    for output, target in ((images, images), (flat, flat), (flat, images), (1 - images, images), (unrelated, images)):
        leaf = output.clone().requires_grad_()
        value = LOSSES[name](leaf, target)
        value.backward()
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()
        if output is target:
            assert value.item() == 0
            assert leaf.grad.abs().max() < 1e-6
    assert LOSSES["ms_ssim"](1 - images, images).item() == 1  # a negative contrast term counts as 0


@pytest.mark.parametrize("name", LOSSES)
def test_ranges_and_half_precision(name: str) -> None:
    output, target = (x.float() for x in pair(height=32, width=32))
    make: dict[str, object] = {"ssim": SSIMLoss, "ms_ssim": lambda **kw: MSSSIMLoss(TWO_SCALES, **kw)}
    value = LOSSES[name](output, target)
    for low, high in ((-1, 1), (0, 255)):
        loss = make[name](input_range=(low, high))  # type: ignore[operator]
        assert isinstance(loss, Loss)
        scaled = [x * (high - low) + low for x in (output, target)]
        torch.testing.assert_close(loss(*scaled), value, rtol=1e-4, atol=0)
    with torch.autocast("cpu", torch.bfloat16):
        half = LOSSES[name](output.bfloat16(), target.bfloat16())
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, value, rtol=0.02, atol=0)


def test_a_white_and_a_black_picture_in_half_precision() -> None:
    black, white = torch.zeros(1, 3, 176, 176).half(), torch.ones(1, 3, 176, 176).half()
    assert SSIMLoss()(black, white).item() == pytest.approx(1, abs=1e-3)
    assert MSSSIMLoss()(black, white).item() == pytest.approx(1 - 1e-4**0.1333, abs=1e-3)


def test_small_pictures_and_unusable_weights_say_what_to_do() -> None:
    small = torch.rand(1, 3, 160, 200)
    with pytest.raises(InputError, match=r"at least 161 x 161 pixels .* at 5 scales, got 160 x 200.*from 21 pixels on"):
        MSSSIMLoss()(small, small)
    assert MSSSIMLoss(MS_SSIM_WEIGHTS[:4])(small, small).item() == 0
    with pytest.raises(InputError, match="at least 11 x 11 pixels"):
        SSIMLoss()(small[..., :10], small[..., :10])
    for weights in ((), (0.5, 0.0), (0.5, float("nan"))):
        with pytest.raises(InputError, match="a positive weight for every scale"):
            MSSSIMLoss(weights)
