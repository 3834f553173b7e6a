"""Whole numbers of 8 and 16 bits: the one rounding to them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_VALUES = 1 << 20  # that are in 64 bits at once


def to_8_bits(images: Tensor) -> Tensor:
    """Return images in [0, 1] as uint8, clamped and rounded (half to even), of the same shape.

    The one rounding of the package: files, measures, panels and stored photos hold the same numbers.

    >>> to_8_bits(torch.tensor([-0.1, 0.5, 1.0, 1.2]))
    tensor([  0, 128, 255, 255], dtype=torch.uint8)
    """
    return _levels(images.detach(), 255).to(torch.uint8)


def as_8_bits_show(images: Tensor) -> Tensor:
    """Return images in [0, 1] as they are after they were saved with 8 bits and read again, in their own type.

    >>> 255 * as_8_bits_show(torch.tensor([0.5]))
    tensor([128.])
    """
    return rounded(images, 8)


def rounded(images: Tensor, bits: int) -> Tensor:
    """Return images in [0, 1] as they are after they were saved with 8 or 16 bits and read again, in their own type."""
    most = 2**bits - 1
    return _levels(images, most).div(most)


def _levels(values: Tensor, most: int) -> Tensor:
    return (values.clamp(0, 1) * most).round()


def whole_numbers(values: Tensor, bits: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return ``values`` (C, H, W) in [0, 1], clamped and rounded, as samples (H, W, C) of 8 or 16 bits."""
    most, kind = 2**bits - 1, np.uint8 if bits == 8 else np.uint16
    samples = np.empty((*values.shape[1:], values.shape[0]), kind)
    lines = max(1, _VALUES // (values.shape[0] * values.shape[2]))
    for top in range(0, len(samples), lines):
        strip = values[:, top : top + lines].detach().to("cpu", torch.float64, copy=True)
        samples[top : top + lines] = strip.clamp_(0, 1).mul_(most).round_().permute(1, 2, 0).numpy()
    return samples
