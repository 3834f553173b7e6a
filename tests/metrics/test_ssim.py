from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import structural_similarity_index_measure

from perceptualloss.data.folder import builtin_photos
from perceptualloss.errors import InputError
from perceptualloss.metrics.ssim import ssim
from perceptualloss.pictures.color import luminance
from perceptualloss.pictures.images import read_image


def by_scikit_image(output: torch.Tensor, target: torch.Tensor, data_range: float = 1.0) -> float:
    return float(
        structural_similarity(
            output.numpy(),
            target.numpy(),
            channel_axis=0,
            data_range=data_range,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


@settings(deadline=None, max_examples=25)
@given(st.integers(11, 40), st.integers(11, 40), st.floats(0, 1), st.integers(0, 99))
def test_equals_scikit_image(height: int, width: int, noise: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    target = torch.rand(2, 3, height, width, dtype=torch.float64, generator=generator)
    output = (target + noise * torch.randn(target.shape, dtype=torch.float64, generator=generator)).clamp(0, 1)
    values = ssim(output, target)
    expected = [by_scikit_image(x, y) for x, y in zip(output, target, strict=True)]
    assert values.tolist() == pytest.approx(expected, abs=1e-9)


def test_equals_scikit_image_and_torchmetrics_on_a_photo() -> None:
    target = read_image(builtin_photos("validation")[0])
    output = (target + 0.05 * torch.randn_like(target)).clamp(0, 1)
    value = ssim(output, target)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(by_scikit_image(output[0].double(), target[0].double()), abs=1e-6)
    _, places = structural_similarity_index_measure(
        output.double(), target.double(), data_range=1.0, return_full_image=True
    )
    inside = places[..., 5:-5, 5:-5]  # torchmetrics averages over a padded border too
    assert value.item() == pytest.approx(inside.mean().item(), abs=1e-6)


def test_equal_pictures_have_1_and_inverted_ones_less_than_0() -> None:
    images = torch.rand(2, 3, 24, 24)
    assert ssim(images, images).tolist() == [1, 1]
    assert (ssim(1 - images, images) < 0).all()


def test_range_border_and_luminance() -> None:
    output, target = torch.rand(2, 2, 3, 30, 26, dtype=torch.float64)
    torch.testing.assert_close(ssim(output * 255, target * 255, data_range=255), ssim(output, target))
    inside = (..., slice(4, -4), slice(4, -4))
    torch.testing.assert_close(ssim(output, target, crop_border=4), ssim(output[inside], target[inside]))
    grey = [luminance(x).expand(-1, 3, -1, -1) for x in (output, target)]
    torch.testing.assert_close(ssim(output, target, y_channel=True), ssim(*grey))


def test_symmetric_in_its_arguments() -> None:
    output, target = torch.rand(2, 3, 3, 15, 15, dtype=torch.float64)
    torch.testing.assert_close(ssim(output, target), ssim(target, output))


def test_gradient() -> None:
    output, target = torch.rand(2, 1, 3, 11, 12, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: ssim(x, target, y_channel=True), output.requires_grad_())


@pytest.mark.parametrize(("side", "border"), [(10, 0), (14, 2)])
def test_pictures_below_the_window_are_refused(side: int, border: int) -> None:
    images = torch.rand(1, 3, side, 20)
    with pytest.raises(InputError, match="at least 11 x 11 pixels"):
        ssim(images, images, crop_border=border)
