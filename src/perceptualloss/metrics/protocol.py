"""What the published figures were measured on: range, luminance, border, rounding."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import EllipsisType

import torch
from torch import Tensor

from perceptualloss.errors import InputError, check_choice, check_idle, check_image_batch, check_same_shape
from perceptualloss.losses.mask import Mask, Masking, check_mask_shape, checked_mask
from perceptualloss.pictures.color import luminance
from perceptualloss.pictures.ranges import check_pair
from perceptualloss.pictures.samples import as_8_bits_show

PROTOCOLS = {
    "sr": "as super-resolution papers: luminance (Y), a border of scale pixels left out, 8 bits",
    "course": "as the course: RGB in [0, 1], neither border nor rounding",
    "rgb": "RGB of the 8-bit pictures, no border",
}


@dataclass(frozen=True)
class Convention:
    """What of a picture is measured: luminance or RGB, with or without a border, rounded or not.

    Args:
        y_channel: measures of pixels see the luminance alone, rounded to 8 bits if ``eight_bits``.
        crop_border: pixels left out at each side, for every measure.
        eight_bits: values are rounded to what a file with 8 bits a channel keeps.

    >>> Convention(crop_border=2).pixels(torch.full((1, 3, 8, 8), 0.5)).shape
    torch.Size([1, 3, 4, 4])
    """

    y_channel: bool = False
    crop_border: int = 0
    eight_bits: bool = True

    def picture(self, images: Tensor) -> Tensor:
        """Return pictures as all measures see them: clamped to [0, 1], rounded, without the border."""
        check_image_batch("images", images)
        values = as_8_bits_show(images) if self.eight_bits else images.clamp(0, 1)
        return values[inside(values, self.crop_border)]

    def pixels(self, images: Tensor, grey: bool = False, y_channel: bool | None = None) -> Tensor:
        """Return what pixel measures compare, (N, 3, H, W) or (N, 1, H, W), in float64 where the device has it.

        Args:
            images: RGB, (N, 3, H, W), in [0, 1].
            grey: Whether the target is stored with one channel. Then its grey is measured as it is: the
                luminance of a grey picture spans 219 levels instead of 255, which would add 1.3 dB. So did
                the published evaluations.
            y_channel: Another choice than the convention's.
        """
        values = self.picture(images).to(exact_for(images))
        if not (self.y_channel if y_channel is None else y_channel):
            return values
        y = luminance(values)
        if grey:
            y = (255 * y - 16) / 219
        return as_8_bits_show(y) if self.eight_bits else y

    @property
    def words(self) -> str:
        """Say what is measured, such as ``luminance (Y), 8 bits, without a border of 4 px``."""
        parts = ["luminance (Y)" if self.y_channel else "RGB", "8 bits" if self.eight_bits else "not rounded"]
        if self.crop_border:
            parts.append(f"without a border of {self.crop_border} px")
        return ", ".join(parts)


def protocol(name: str, scale: int | None = None, crop_border: int | None = None) -> Convention:
    """Return the convention of a protocol: "sr", "course" or "rgb" (see ``PROTOCOLS``).

    Args:
        name: The protocol.
        scale: How much larger than their inputs the pictures are; "sr" leaves out a border of as many pixels.
        crop_border: Another border than the protocol's.

    Raises:
        InputError: An unknown protocol, or "sr" without a scale or border.
    """
    check_choice("protocol", name, PROTOCOLS)
    if name == "sr" and scale is None and crop_border is None:
        raise InputError("a scale for protocol 'sr', which leaves out a border of so many pixels", "none", "Say scale.")
    border = (scale or 0) if name == "sr" else 0
    return Convention(
        y_channel=name == "sr",
        crop_border=border if crop_border is None else crop_border,
        eight_bits=name != "course",
    )


def measured_pixels(
    output: Tensor, target: Tensor, data_range: float, crop_border: int, y_channel: bool
) -> tuple[Tensor, Tensor]:
    """Return what a measure compares: values divided by ``data_range``, luminance, without the border.

    Both are float64 (float32 on Apple's GPUs, which have no other).

    Raises:
        InputError: Not two RGB batches of the same shape, values of another range (see
            :func:`perceptualloss.pictures.ranges.check_values`), a range that is no positive number, or a border that
            leaves no pixel.
    """
    check_image_batch("output", output)
    check_image_batch("target", target)
    check_same_shape("output", output, "target", target)
    if not 0 < data_range < math.inf:
        raise InputError("data_range to be a positive number", f"{data_range}", "It is 1 for images in [0, 1].")
    check_pair(output, target, 0, data_range, "data_range")
    window, exact = inside(output, crop_border), exact_for(output)
    pair = output[window].to(exact) / data_range, target[window].to(exact) / data_range
    return (luminance(pair[0]), luminance(pair[1])) if y_channel else pair


def measured_mask(
    weight: Tensor | None, output: Tensor, pixels: Tensor, crop_border: int, masking: Masking
) -> Mask | None:
    """Return the mask of pixels that are measured, from one of the whole pictures; None without one.

    Args:
        weight: (N, 1, H, W) or (1, 1, H, W) in [0, 1].
        output: the whole pictures, (N, 3, H, W).
        pixels: what of them is measured, without the border.
        crop_border: the border, in pixels at each side.
        masking: "area" or "exact" (see :class:`perceptualloss.losses.base.Loss`).

    Raises:
        InputError: An unusable mask, one that is empty inside the border, or a meaning without a mask.
    """
    if weight is None:
        check_idle({"masking": masking}, {"masking": "area"}, "without a mask (weight)")
        return None
    check_mask_shape(weight, output)
    return checked_mask(weight[inside(weight, crop_border)], pixels, masking)


def masked(
    against: Callable[[Tensor], Callable[..., Tensor]],
    output: Tensor,
    target: Tensor,
    weight: Tensor | None,
    masking: Masking,
) -> Tensor:
    """Return the value of each output by a function of the target, under a mask of the same pictures or none."""
    mask = measured_mask(weight, output, output, 0, masking)
    if mask is None:
        return against(target)(output)
    return against(mask.shown(target, (0.0, 1.0)))(mask.shown(output, (0.0, 1.0)), mask)


def inside(images: Tensor, crop_border: int) -> tuple[EllipsisType, slice, slice]:
    """Return the index of the pixels (..., H, W) inside the border.

    Raises:
        InputError: A border that leaves no pixel.
    """
    height, width = images.shape[-2:]
    if crop_border < 0 or 2 * crop_border >= min(height, width):
        most = (min(height, width) - 1) // 2
        raise InputError(f"crop_border from 0 to {most} for {height} x {width} pixels", f"{crop_border}")
    return ..., slice(crop_border, height - crop_border), slice(crop_border, width - crop_border)


def exact_for(images: Tensor) -> torch.dtype:
    """Return the type to measure pixels in: float64 where the device has it."""
    return torch.float32 if images.device.type == "mps" else torch.float64


def result_dtype(output: Tensor) -> torch.dtype:
    """Return the type of a measure's values: float64 for float64 images, else float32."""
    return torch.promote_types(output.dtype, torch.float32)
