"""Structural similarity, at one scale and at several, as a loss."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from perceptualloss.errors import InputError
from perceptualloss.losses.base import Loss, Reduction
from perceptualloss.losses.mask import Mask, Weights, weighted, weighted_mean
from perceptualloss.pictures.ranges import InputRange, to_unit_range


def gaussian_weights(size: int, sigma: float) -> tuple[float, ...]:
    """Return the weights of a window of odd ``size`` from its centre outwards; over the whole window they sum to 1.

    >>> [round(weight, 3) for weight in gaussian_weights(3, 1.0)]
    [0.452, 0.274]
    """
    weights = [math.exp(-0.5 * (offset / sigma) ** 2) for offset in range(size // 2 + 1)]
    total = weights[0] + 2 * sum(weights[1:])
    return tuple(weight / total for weight in weights)


WINDOW = 11
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_GAUSSIAN = gaussian_weights(WINDOW, 1.5)
_C1, _C2 = 0.01**2, 0.03**2
_SMALLEST_BASE = 1e-6  # below it a fractional power counts as 0: its slope grows without bound


def structural_similarity(x: Tensor, y: Tensor, mask: Mask | None = None) -> Tensor:
    r"""Return the structural similarity of pictures in [0, 1], (N,), in [-1, 1]; 1 for equal pictures.

    .. math:: \frac{2 \mu_x \mu_y + C_1}{\mu_x^2 + \mu_y^2 + C_1} \cdot
              \frac{2 \sigma_{xy} + C_2}{\sigma_x^2 + \sigma_y^2 + C_2}

    This is averaged over places and channels. Means, variances and the covariance are taken under an 11 x 11 Gaussian
    window (sigma 1.5) where it fits wholly into the picture. C is (0.01^2, 0.03^2).

    Args:
        x: (N, C, H, W), at least 11 x 11 pixels.
        y: as ``x``.
        mask: a window counts as much as the pixel in its middle; of an exact mask, if all of its pixels count.

    Raises:
        InputError: for less than 11 pixels a side.

    Source: Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural
    similarity", 2004.
    """
    check_window(x, 1)
    luminance, contrast = _similarities(x, y)
    return weighted_mean(luminance * contrast, _windows(mask))


def multi_scale_structural_similarity(
    x: Tensor, y: Tensor, weights: Sequence[float] = MS_SSIM_WEIGHTS, mask: Mask | None = None
) -> Tensor:
    r"""Return the MS-SSIM of pictures in [0, 1], (N,): :math:`l_M^{w_M} \prod_{j=1}^{M} cs_j^{w_j}` over M scales.

    :math:`cs_j` is the mean over places of SSIM's second factor (contrast and structure) at scale j, and the
    last scale's is multiplied by its first (luminance) before the mean is taken, as the authors' code does.
    From scale to scale the pictures are halved by the mean of 2 x 2 pixels; an odd last row or column is kept.
    Each channel has its own product, and their mean is the result, in [0, 1]. A negative factor counts as 0,
    with a zero gradient.

    Args:
        x: (N, C, H, W); five scales take at least 161 x 161 pixels.
        y: as ``x``.
        weights: the exponents, from the finest scale to the coarsest; their number is M.
        mask: as of :func:`structural_similarity`, halved as the pictures are.

    Raises:
        InputError: for weights that are not positive numbers, or too small a picture for so many scales.

    Source: Wang, Simoncelli and Bovik, "Multi-scale structural similarity for image quality assessment",
    2003, and their MATLAB code.
    """
    check_window(x, len(check_scale_weights(weights)))
    result = torch.ones((), dtype=x.dtype, device=x.device)
    for scale, weight in enumerate(weights, start=1):
        luminance, contrast = _similarities(x, y)
        last = scale == len(weights)
        factor = _channel_means(luminance * contrast if last else contrast, _windows(mask))
        result = result * _power(factor, weight)
        if not last:
            x, y = _halved(x), _halved(y)
            mask = None if mask is None else mask.passed(_halved, 2, 2)
    return result.mean(dim=1)


def check_window(images: Tensor, scales: int) -> None:
    """Raise InputError unless SSIM's window fits into images (N, C, H, W) at the coarsest of so many scales."""
    least = (WINDOW - 1) * 2 ** (scales - 1) + 1
    if min(images.shape[-2:]) >= least:
        return
    window, remedy = "for the window of SSIM", "Use larger pictures."
    if scales > 1:
        window += f" at {scales} scales"
        remedy = f"Use larger pictures or fewer scales, such as weights={MS_SSIM_WEIGHTS[:2]} from 21 pixels on."
    got = f"{images.shape[-2]} x {images.shape[-1]}"
    raise InputError(f"at least {least} x {least} pixels (inside the border) {window}", got, remedy)


def check_scale_weights(weights: Sequence[float]) -> tuple[float, ...]:
    """Return MS-SSIM's weights as a tuple, or raise InputError."""
    if len(weights) == 0 or not all(0 < weight < math.inf for weight in weights):
        raise InputError("a positive weight for every scale", repr(weights), f"The usual ones are {MS_SSIM_WEIGHTS}.")
    return tuple(float(weight) for weight in weights)


def _similarities(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return SSIM's two factors at every place, (N, C, H - 10, W - 10): luminance; contrast and structure."""
    mean_x, mean_y = windowed_mean(x, _GAUSSIAN), windowed_mean(y, _GAUSSIAN)
    product, squares = mean_x * mean_y, mean_x.square() + mean_y.square()
    covariance = windowed_mean(x * y, _GAUSSIAN) - product
    variances = windowed_mean(x.square() + y.square(), _GAUSSIAN) - squares
    return (2 * product + _C1) / (squares + _C1), (2 * covariance + _C2) / (variances + _C2)


def _windows(mask: Mask | None) -> Weights | None:
    return None if mask is None else mask.windows(WINDOW // 2, "a window of SSIM")


def _channel_means(values: Tensor, weights: Weights | None) -> Tensor:
    means = weighted(values, weights).mean(dim=(2, 3))
    return means if weights is None else means * weights.scale().unsqueeze(1)


def _halved(images: Tensor) -> Tensor:
    return F.avg_pool2d(images, 2, ceil_mode=True, count_include_pad=False)


def _power(base: Tensor, exponent: float) -> Tensor:
    """Return base to a fractional power; 0 with a zero gradient where it is not positive."""
    positive = base > _SMALLEST_BASE
    return torch.where(positive, torch.where(positive, base, 1).pow(exponent), 0)


class SSIMLoss(Loss):
    """1 - SSIM, the structural similarity (see :func:`structural_similarity`).

    It is in [0, 2]; equal pictures give 0. It looks at local structure and contrast more than at brightness and colour.
    A pixel loss beside it keeps those in place.

    Args:
        input_range: the range of the pictures' values, such as (0, 1) or (-1, 1) (see :class:`Loss`).
        reduction: "mean" or "sum" over the pictures of a batch, or "none" for one value each (see :class:`Loss`).

    Source: Wang et al. 2004; as a loss, Zhao et al., "Loss Functions for Image Restoration with Neural Networks", 2017.

    >>> images = torch.rand(2, 3, 16, 16)
    >>> SSIMLoss()(images, images)
    tensor(0.)
    """

    def _per_image(self, output: Tensor, target: Tensor, weight: Mask | None = None) -> dict[str, Tensor]:
        """Return 1 - SSIM of each image, (N,)."""
        output, target = to_unit_range(output, self.input_range), to_unit_range(target, self.input_range)
        return {"ssim": 1 - structural_similarity(output, target, weight)}


class MSSSIMLoss(Loss):
    """1 - MS-SSIM, the structural similarity at several scales (see :func:`multi_scale_structural_similarity`).

    It is in [0, 1]; equal pictures give 0. Where the structure of one scale is unlike the target's or opposite to it,
    the product over scales is 0, and so is the gradient. So start from a picture that resembles the target, or put a
    pixel loss beside it. Zhao et al. mix it with L1, 0.84 to 0.16.

    Args:
        weights: the exponents, from the finest scale to the coarsest. The default is Wang's five scales, which take
            pictures of at least 161 x 161 pixels; fewer weights take smaller ones.
        input_range: the range of the pictures' values, such as (0, 1) or (-1, 1) (see :class:`Loss`).
        reduction: "mean" or "sum" over the pictures of a batch, or "none" for one value each (see :class:`Loss`).

    Raises:
        InputError: for weights that are not positive numbers.

    Source: Wang et al. 2003; as a loss, Zhao et al., "Loss Functions for Image Restoration with Neural Networks", 2017.

    >>> images = torch.rand(2, 3, 48, 48)
    >>> MSSSIMLoss(weights=(0.3, 0.3, 0.4))(images, images)
    tensor(0.)
    """

    def __init__(
        self,
        weights: Sequence[float] = MS_SSIM_WEIGHTS,
        input_range: InputRange = (0.0, 1.0),
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(input_range, reduction)
        self.weights = check_scale_weights(weights)

    def _per_image(self, output: Tensor, target: Tensor, weight: Mask | None = None) -> dict[str, Tensor]:
        """Return 1 - MS-SSIM of each image, (N,)."""
        output, target = to_unit_range(output, self.input_range), to_unit_range(target, self.input_range)
        return {"ms_ssim": 1 - multi_scale_structural_similarity(output, target, self.weights, weight)}


def windowed_mean(images: Tensor, weights: tuple[float, ...]) -> Tensor:
    """Return the weighted mean under the window where it fits wholly: (N, C, H - 2 r, W - 2 r), r its radius.

    Sums of shifted pictures: on CPUs faster than a convolution of so few channels, exact everywhere, and left
    alone by autocast, which would compute a convolution in 16 bits.

    Args:
        images: (N, C, H, W) with at least 2 r + 1 pixels a side.
        weights: from the centre outwards (see :func:`gaussian_weights`).
    """
    radius = len(weights) - 1
    for axis in (-2, -1):
        length = images.shape[axis] - 2 * radius
        total = images.narrow(axis, radius, length) * weights[0]
        for offset in range(1, radius + 1):
            before = images.narrow(axis, radius - offset, length)
            after = images.narrow(axis, radius + offset, length)
            total = total.add_(before + after, alpha=weights[offset])
        images = total
    return images
