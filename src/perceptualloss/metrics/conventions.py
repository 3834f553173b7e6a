"""What the published figures were measured on: range, luminance, border."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from perceptualloss.checks import InputError, check_image_batch, check_same_shape
from perceptualloss.images import luminance


def measured_pixels(
    output: Tensor, target: Tensor, data_range: float, crop_border: int, y_channel: bool
) -> tuple[Tensor, Tensor]:
    """Return what a measure compares: values divided by ``data_range``, luminance, without the border.

    Both are float64 (float32 on Apple's GPUs, which have no other).

    Raises:
        InputError: Not two RGB batches of the same shape, a range that is no positive number, or a border
            that leaves no pixel.
    """
    check_image_batch("output", output)
    check_image_batch("target", target)
    check_same_shape("output", output, "target", target)
    if not 0 < data_range < math.inf:
        raise InputError("data_range to be a positive number", f"{data_range}", "It is 1 for images in [0, 1].")
    height, width = output.shape[-2:]
    if crop_border < 0 or 2 * crop_border >= min(height, width):
        most = (min(height, width) - 1) // 2
        raise InputError(f"crop_border from 0 to {most} for {height} x {width} pixels", f"{crop_border}")
    exact = torch.float32 if output.device.type == "mps" else torch.float64
    inside = (..., slice(crop_border, height - crop_border), slice(crop_border, width - crop_border))
    pair = output[inside].to(exact) / data_range, target[inside].to(exact) / data_range
    return (luminance(pair[0]), luminance(pair[1])) if y_channel else pair


def result_dtype(output: Tensor) -> torch.dtype:
    """Return the type of a measure's values: float64 for float64 images, else float32."""
    return torch.promote_types(output.dtype, torch.float32)
