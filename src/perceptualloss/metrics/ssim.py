"""Structural similarity."""

from __future__ import annotations

import math

from torch import Tensor

from perceptualloss.checks import InputError
from perceptualloss.metrics.conventions import measured_pixels, result_dtype

_WINDOW, _SIGMA = 11, 1.5
_RADIUS = _WINDOW // 2
_C1, _C2 = 0.01**2, 0.03**2


def _gaussian() -> tuple[float, ...]:
    """Return the window's weights from its centre outwards."""
    weights = [math.exp(-0.5 * (offset / _SIGMA) ** 2) for offset in range(_RADIUS + 1)]
    total = weights[0] + 2 * sum(weights[1:])
    return tuple(weight / total for weight in weights)


_WEIGHTS = _gaussian()


def ssim(
    output: Tensor,
    target: Tensor,
    *,
    data_range: float = 1.0,
    crop_border: int = 0,
    y_channel: bool = False,
) -> Tensor:
    """Return the structural similarity of each picture, 1 for equal ones.

    Means, variances and the covariance under an 11 x 11 Gaussian window (sigma 1.5) at every place where it
    fits wholly into the picture, K = (0.01, 0.03), averaged over places and channels. Equal to
    scikit-image's ``structural_similarity`` with ``gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False``. Differentiable.

    Args:
        output: RGB, (N, 3, H, W), in [0, ``data_range``].
        target: As ``output``.
        data_range: Value of white.
        crop_border: Pixels to leave out at each side.
        y_channel: Compare the luminance alone (see :func:`perceptualloss.images.luminance`).

    Returns:
        (N,), in [-1, 1].

    Raises:
        InputError: Shapes that do not fit, settings out of range, or less than 11 pixels a side.

    Source: Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural
    similarity", 2004.

    >>> import torch
    >>> images = torch.rand(2, 3, 16, 16)
    >>> ssim(images, images)
    tensor([1., 1.])
    """
    x, y = measured_pixels(output, target, data_range, crop_border, y_channel)
    if min(x.shape[-2:]) < _WINDOW:
        raise InputError(
            f"at least {_WINDOW} x {_WINDOW} pixels inside the border for the window of SSIM",
            f"{x.shape[-2]} x {x.shape[-1]}",
            "Use larger pictures or a smaller crop_border.",
        )
    mean_x, mean_y = _blur(x), _blur(y)
    product, squares = mean_x * mean_y, mean_x.square() + mean_y.square()
    covariance = _blur(x * y) - product
    variances = _blur(x.square() + y.square()) - squares
    numerator = (2 * product + _C1) * (2 * covariance + _C2)
    denominator = (squares + _C1) * (variances + _C2)
    return (numerator / denominator).mean(dim=(1, 2, 3)).to(result_dtype(output))


def _blur(images: Tensor) -> Tensor:
    """Return the weighted mean under the window where it fits: (N, C, H - 10, W - 10).

    Sums of shifted pictures: on CPUs faster than a convolution of so few channels, and exact everywhere.
    """
    for axis in (-2, -1):
        length = images.shape[axis] - 2 * _RADIUS
        total = images.narrow(axis, _RADIUS, length) * _WEIGHTS[0]
        for offset in range(1, _RADIUS + 1):
            before = images.narrow(axis, _RADIUS - offset, length)
            after = images.narrow(axis, _RADIUS + offset, length)
            total = total.add_(before + after, alpha=_WEIGHTS[offset])
        images = total
    return images
