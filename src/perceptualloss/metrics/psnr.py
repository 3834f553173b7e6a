"""Mean squared error, and peak signal-to-noise ratio, which is the same in decibels."""

from __future__ import annotations

import torch
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.losses.distance import squared
from perceptualloss.losses.mask import Mask, Masking, each
from perceptualloss.metrics.metric import Against, plain
from perceptualloss.metrics.protocol import measured_mask, measured_pixels, result_dtype


def mse(
    output: Tensor,
    target: Tensor,
    *,
    data_range: float = 1.0,
    crop_border: int = 0,
    y_channel: bool = False,
    weight: Tensor | None = None,
    masking: Masking = "area",
) -> Tensor:
    r"""Return the mean squared error of each picture; less is better.

    :math:`\frac{1}{CHW} \sum (\hat y - y)^2` of values divided by ``data_range``, so that it lies in [0, 1] for
    pictures in their range.

    Args:
        output: RGB, (N, 3, H, W), in [0, ``data_range``].
        target: As ``output``.
        data_range: Value of white.
        crop_border: Pixels to leave out at each side.
        y_channel: Compare the luminance alone (see :func:`perceptualloss.pictures.color.luminance`).
        weight: A mask, (N, 1, H, W) or (1, 1, H, W) in [0, 1]: how much each pixel counts.
        masking: "area", or "exact" for the pixels of weight 1 alone.

    Returns:
        (N,).

    Raises:
        InputError: Shapes that do not fit, or settings out of range.

    >>> mse(torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.1))
    tensor([0.0100])
    """
    x, y = measured_pixels(output, target, data_range, crop_border, y_channel)
    mask = measured_mask(weight, output, x, crop_border, masking)
    return squared(x, y, each(mask)).to(result_dtype(output))


def psnr(
    output: Tensor,
    target: Tensor,
    *,
    data_range: float = 1.0,
    crop_border: int = 0,
    y_channel: bool = False,
    weight: Tensor | None = None,
    masking: Masking = "area",
) -> Tensor:
    """Return the peak signal-to-noise ratio of each picture in dB; more is better.

    It is 10 log10(data_range^2 / mean squared error), and infinity for equal pictures. Super-resolution papers measure
    the luminance of 8-bit pictures without a border of ``scale`` pixels.

    Args:
        output: RGB, (N, 3, H, W), in [0, ``data_range``].
        target: as ``output``.
        data_range: the value of white.
        crop_border: pixels to leave out at each side.
        y_channel: compare the luminance alone (see :func:`perceptualloss.luminance`).
        weight: a mask, (N, 1, H, W) or (1, 1, H, W) in [0, 1]: how much each pixel counts.
        masking: "area", or "exact" for the pixels of weight 1 alone.

    Returns:
        (N,), in dB.

    Raises:
        InputError: for shapes that do not fit, or settings out of range.

    >>> psnr(torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.1))
    tensor([20.])
    """
    x, y = measured_pixels(output, target, data_range, crop_border, y_channel)
    error = squared(x, y, each(measured_mask(weight, output, x, crop_border, masking)))
    return (-10 * torch.log10(error)).to(result_dtype(output))


def build_psnr(max: float) -> Against:
    """Return 20 log10(max / sqrt(MSE)) for the registry, the mean squared error being that of values in [0, 1]."""
    if not 0 < max < float("inf"):
        raise InputError("max of psnr to be a positive number", f"{max:g}", "It is 1 for white at 1.")

    def values(output: Tensor, target: Tensor, mask: Mask | None = None) -> Tensor:
        return 20 * torch.log10(max / squared(output, target, each(mask)).sqrt())

    return plain(values)
