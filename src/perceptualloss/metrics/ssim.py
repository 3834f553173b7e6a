"""Structural similarity, at one scale and at several."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.losses.mask import Masking
from perceptualloss.losses.ssim import (
    MS_SSIM_WEIGHTS,
    multi_scale_structural_similarity,
    structural_similarity,
)
from perceptualloss.metrics.metric import Against, plain
from perceptualloss.metrics.protocol import measured_mask, measured_pixels, result_dtype


def ssim(
    output: Tensor,
    target: Tensor,
    *,
    data_range: float = 1.0,
    crop_border: int = 0,
    y_channel: bool = False,
    weight: Tensor | None = None,
    masking: Masking = "area",
) -> Tensor:
    """Return the structural similarity of each picture, in [-1, 1]; 1 for equal ones, more is better.

    Means, variances and the covariance are taken under an 11 x 11 Gaussian window (sigma 1.5), K = (0.01, 0.03), at
    every place where it fits wholly into the picture. The result is the mean over places and channels. It equals
    scikit-image's ``structural_similarity`` with ``gaussian_weights=True, sigma=1.5, use_sample_covariance=False``.
    Differentiable.

    Args:
        output: RGB, (N, 3, H, W), in [0, ``data_range``].
        target: as ``output``.
        data_range: the value of white.
        crop_border: pixels to leave out at each side.
        y_channel: compare the luminance alone (see :func:`perceptualloss.luminance`).
        weight: a mask, (N, 1, H, W) or (1, 1, H, W) in [0, 1]: a window counts as much as the pixel in its middle.
        masking: "area", or "exact" for windows that see pixels of weight 1 alone.

    Returns:
        (N,), in [-1, 1].

    Raises:
        InputError: for shapes that do not fit, settings out of range, or less than 11 pixels a side.

    Source: Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural
    similarity", 2004.

    >>> import torch
    >>> images = torch.rand(2, 3, 16, 16)
    >>> ssim(images, images)
    tensor([1., 1.])
    """
    x, y = measured_pixels(output, target, data_range, crop_border, y_channel)
    mask = measured_mask(weight, output, x, crop_border, masking)
    return structural_similarity(x, y, mask).to(result_dtype(output))


def ms_ssim(
    output: Tensor,
    target: Tensor,
    *,
    data_range: float = 1.0,
    crop_border: int = 0,
    y_channel: bool = False,
    weights: Sequence[float] = MS_SSIM_WEIGHTS,
    weight: Tensor | None = None,
    masking: Masking = "area",
) -> Tensor:
    """Return the multi-scale structural similarity of each picture, in [0, 1]; 1 for equal ones, more is better.

    It is the product of contrast-and-structure at every scale and luminance at the coarsest, each to a power; see
    :func:`perceptualloss.losses.ssim.multi_scale_structural_similarity`. Differentiable.

    Args:
        output: RGB, (N, 3, H, W), in [0, ``data_range``].
        target: as ``output``.
        data_range: the value of white.
        crop_border: pixels to leave out at each side.
        y_channel: compare the luminance alone (see :func:`perceptualloss.luminance`).
        weights: the powers, from the finest scale to the coarsest. Wang's five take 161 pixels a side.
        weight: a mask, as of :func:`ssim`, halved as the pictures are.
        masking: "area" or "exact".

    Returns:
        (N,), in [0, 1].

    Raises:
        InputError: for shapes that do not fit, settings out of range, or too small a picture for so many scales.

    Source: Wang, Simoncelli and Bovik, "Multi-scale structural similarity for image quality assessment", 2003.

    >>> import torch
    >>> images = torch.rand(2, 3, 176, 161)
    >>> ms_ssim(images, images)
    tensor([1., 1.])
    """
    x, y = measured_pixels(output, target, data_range, crop_border, y_channel)
    mask = measured_mask(weight, output, x, crop_border, masking)
    return multi_scale_structural_similarity(x, y, weights, mask).to(result_dtype(output))


def build_ms_ssim(scales: int) -> Against:
    """Return MS-SSIM for the registry, at the finest ``scales`` of Wang's five, with his powers for them."""
    if not 1 <= scales <= len(MS_SSIM_WEIGHTS):
        raise InputError(f"scales of ms_ssim from 1 to {len(MS_SSIM_WEIGHTS)}", f"{scales}")
    weights = MS_SSIM_WEIGHTS[:scales]
    return plain(lambda output, target, mask=None: multi_scale_structural_similarity(output, target, weights, mask))
