"""Distortions of known kind and strength, to find out how far a distance thinks distorted photos are.

Each takes one photo, (3, H, W) in [0, 1], and a strength in the unit of its kind (:data:`UNITS`), and returns a photo
of the same shape and range. Random ones draw the same numbers every time.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from perceptualloss.data.batched import in_groups
from perceptualloss.pictures.samples import to_8_bits

Distortion = Callable[[Tensor, float], Tensor]


def blur(photo: Tensor, sigma: float) -> Tensor:
    """Return the photo under a Gaussian blur of standard deviation ``sigma`` pixels, above 0."""
    return blurred(photo[None], [sigma])[0]


def blurred(photos: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Return photos (N, 3, H, W), each under a Gaussian blur of a standard deviation of its own; 0 leaves it."""

    def work(radius: int, group: Tensor, places: list[int]) -> Tensor:
        own = torch.tensor([sigmas[place] for place in places])[:, None]
        taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / own) ** 2)
        rows = (taps / taps.sum(1, keepdim=True)).to(group)[:, None]
        return filtered(filtered(group, rows), rows.mT)

    return in_groups(photos, [max(1, int(3 * sigma + 0.5)) if sigma > 0 else None for sigma in sigmas], work)


def filtered(photos: Tensor, kernels: Tensor) -> Tensor:
    """Return photos (N, 3, H, W) after a filter of their own, (N, h, w) of odd sides; the border is repeated."""
    height, width = kernels.shape[1:]
    wide = F.pad(photos, (width // 2, width // 2, height // 2, height // 2), mode="replicate")
    each = kernels.repeat_interleave(3, 0)[:, None]
    return F.conv2d(wide.flatten(0, 1)[None], each, groups=len(each))[0].view_as(photos)


def motion(photo: Tensor, length: float) -> Tensor:
    """Return the photo with every pixel drawn out to a horizontal streak of ``length`` pixels, from 1."""
    whole, rest = int(length), length % 1
    taps = torch.tensor([1.0] * whole + [rest])  # the fractional end keeps the strength continuous
    wide = F.pad(photo[None], (0, len(taps) - 1, 0, 0), mode="replicate")
    return F.conv2d(wide, (taps / taps.sum()).expand(3, 1, 1, -1), groups=3)[0]


def noise(photo: Tensor, sigma: float) -> Tensor:
    """Return the photo with Gaussian noise of standard deviation ``sigma`` (1: from black to white), clipped."""
    generator = torch.Generator().manual_seed(1)
    return (photo + sigma * torch.randn(photo.shape, generator=generator)).clamp(0, 1)


def speckle(photo: Tensor, share: float) -> Tensor:
    """Return the photo with a ``share`` of its pixels (0 to 1) turned black or white."""
    generator = torch.Generator().manual_seed(2)
    hit, value = torch.rand(2, *photo.shape[1:], generator=generator)
    return torch.where(hit < share, value.round(), photo)


def jpeg(photo: Tensor, strength: float) -> Tensor:
    """Return the photo saved as JPEG at quality 100 - ``strength``, 0 to 99, and read again."""
    buffer = io.BytesIO()
    array = to_8_bits(photo).permute(1, 2, 0).numpy()
    Image.fromarray(array).save(buffer, "JPEG", quality=max(1, round(100 - strength)))
    return torch.from_numpy(np.array(Image.open(buffer))).permute(2, 0, 1).float() / 255


def down_up(photo: Tensor, factor: float) -> Tensor:
    """Return the photo shrunk by ``factor``, from 1, and enlarged again, both bicubic: a blurry enlargement."""
    return through(photo[None], smaller(photo.shape[1:], factor))[0]


def through(photos: Tensor, small: tuple[int, int]) -> Tensor:
    """Return photos (N, 3, H, W) shrunk to a size and enlarged again, both bicubic."""
    shrunk = F.interpolate(photos, small, mode="bicubic", antialias=True)
    return F.interpolate(shrunk, photos.shape[2:], mode="bicubic", antialias=True).clamp(0, 1)


def pixelate(photo: Tensor, factor: float) -> Tensor:
    """Return the photo in square pixels ``factor`` times as large, from 1."""
    return in_squares(photo[None], smaller(photo.shape[1:], factor))[0]


def in_squares(photos: Tensor, small: tuple[int, int]) -> Tensor:
    """Return photos (N, 3, H, W) of which each square, of as many as ``small`` says, has its mean."""
    return F.interpolate(F.interpolate(photos, small, mode="area"), photos.shape[2:], mode="nearest")


def smaller(size: Sequence[int], factor: float) -> tuple[int, int]:
    """Return a size (height, width) that is ``factor`` times as small, at least one pixel."""
    height, width = (max(1, round(side / factor)) for side in size)
    return height, width


def quantise(photo: Tensor, step: float) -> Tensor:
    """Return the photo with values that are multiples of ``step``, above 0 (1: from black to white)."""
    return ((photo / step).round() * step).clamp(0, 1)


def brightness(photo: Tensor, offset: float) -> Tensor:
    """Return the photo with ``offset`` added to every value (1: from black to white), clipped."""
    return (photo + offset).clamp(0, 1)


def contrast(photo: Tensor, loss: float) -> Tensor:
    """Return the photo drawn towards its mean; ``loss`` 0 leaves it, 1 leaves nothing but the mean."""
    return photo.mean() + (photo - photo.mean()) * (1 - loss)


def gamma(photo: Tensor, change: float) -> Tensor:
    """Return the photo to the power 1 + ``change``; above 0 it gets darker."""
    return photo.clamp(min=1e-4) ** (1 + change)


def fade(photo: Tensor, loss: float) -> Tensor:
    """Return the photo drawn towards the mean of its channels; ``loss`` 0 leaves it, 1 leaves no colour."""
    return torch.lerp(photo, photo.mean(0, keepdim=True), loss)


def shift(photo: Tensor, pixels: float) -> Tensor:
    """Return the photo moved to the right by ``pixels``, rounded; the left border is repeated."""
    return F.pad(photo[None], (round(pixels), 0, 0, 0), mode="replicate")[0, :, :, : photo.shape[2]]


def wave(photo: Tensor, pixels: float) -> Tensor:
    """Return the photo with waves of an amplitude of ``pixels`` across it, as seen through rippled glass."""
    height, width = photo.shape[1:]
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    grid = torch.stack([x + 2 * pixels / width * torch.sin(20 * y), y + 2 * pixels / height * torch.sin(20 * x)], -1)
    moved = F.grid_sample(photo[None], grid[None], mode="bicubic", padding_mode="border", align_corners=True)
    return moved[0].clamp(0, 1)


STRENGTHS: Mapping[str, tuple[Distortion, Sequence[float]]] = {
    "blur": (blur, (0.5, 0.8, 1.3, 2.1, 3.4)),
    "motion": (motion, (2, 3, 5, 8, 13)),
    "noise": (noise, (0.01, 0.02, 0.04, 0.08, 0.16)),
    "speckle": (speckle, (0.002, 0.005, 0.012, 0.03, 0.07)),
    "jpeg": (jpeg, (20, 50, 70, 85, 93)),
    "down-up": (down_up, (1.5, 2, 3, 4, 6)),
    "pixelate": (pixelate, (1.5, 2, 3, 4, 6)),
    "quantise": (quantise, (0.03, 0.06, 0.12, 0.2, 0.33)),
    "brightness": (brightness, (0.02, 0.04, 0.08, 0.16, 0.3)),
    "contrast": (contrast, (0.05, 0.1, 0.2, 0.4, 0.7)),
    "gamma": (gamma, (0.05, 0.1, 0.2, 0.4, 0.8)),
    "fade": (fade, (0.1, 0.2, 0.4, 0.7, 1.0)),
    "shift": (shift, (1, 2, 3, 5, 8)),
    "wave": (wave, (0.3, 0.7, 1.5, 3, 6)),
}
"""Every kind of distortion, and five strengths of it from hardly visible to strong."""

UNITS: Mapping[str, str] = {
    "blur": "sigma, pixels",
    "motion": "length, pixels",
    "noise": "sigma",
    "speckle": "share of pixels",
    "jpeg": "100 - quality",
    "down-up": "factor",
    "pixelate": "factor",
    "quantise": "step",
    "brightness": "offset",
    "contrast": "share lost",
    "gamma": "exponent - 1",
    "fade": "share lost",
    "shift": "pixels",
    "wave": "amplitude, pixels",
}
"""What the strength of each kind means, in a few words for a plot."""

WORSE: Mapping[str, float] = {"blur": 8.0, "jpeg": 99.0, "pixelate": 16.0, "down-up": 16.0}
"""What people mind more than a shift or :data:`BETTER` at the same PSNR, with the strongest setting to look for."""

BETTER: Mapping[str, float] = {"brightness": 0.5, "contrast": 0.95, "gamma": 2.0, "noise": 0.5}
"""What people mind less than :data:`WORSE` at the same PSNR, with the strongest setting to look for."""
