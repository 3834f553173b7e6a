"""Peak signal-to-noise ratio."""

from __future__ import annotations

import torch
from torch import Tensor

from perceptualloss.metrics.protocol import measured_pixels, result_dtype


def psnr(
    output: Tensor,
    target: Tensor,
    *,
    data_range: float = 1.0,
    crop_border: int = 0,
    y_channel: bool = False,
) -> Tensor:
    """Return the peak signal-to-noise ratio of each picture in dB; more is better.

    10 log10(data_range^2 / mean squared error), infinity for equal pictures. Super-resolution papers measure
    the luminance of 8-bit pictures without a border of ``scale`` pixels.

    Args:
        output: RGB, (N, 3, H, W), in [0, ``data_range``].
        target: As ``output``.
        data_range: Value of white.
        crop_border: Pixels to leave out at each side.
        y_channel: Compare the luminance alone (see :func:`perceptualloss.pictures.color.luminance`).

    Returns:
        (N,), in dB.

    Raises:
        InputError: Shapes that do not fit, or settings out of range.

    >>> psnr(torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.1))
    tensor([20.])
    """
    x, y = measured_pixels(output, target, data_range, crop_border, y_channel)
    error = (x - y).square().mean(dim=(1, 2, 3))
    return (-10 * torch.log10(error)).to(result_dtype(output))
