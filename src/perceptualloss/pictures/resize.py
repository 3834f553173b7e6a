"""Antialiased bicubic and bilinear resizing that agrees with MATLAB's imresize."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from perceptualloss.errors import InputError, check_choice
from perceptualloss.numerics import exact_product
from perceptualloss.pictures.box import Box
from perceptualloss.pictures.images import exact_dtype

Method = Literal["bicubic", "bilinear"]
Block = tuple[int, int, Tensor]

_SUPPORT = {"bicubic": 4.0, "bilinear": 2.0}
_BLOCK = 64
"""Output lines made by one small matrix product: 1.1x to 8x faster than one product for the whole axis."""


def resize(
    images: Tensor,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    method: Method = "bicubic",
    antialias: bool = True,
) -> Tensor:
    """Resize pictures as MATLAB's ``imresize`` does, as super-resolution papers make their low-resolution pictures.

    - **Bicubic** is Keys' kernel with a = -0.5 (PyTorch's default has a = -0.75).
    - **Bilinear** equals torchvision's antialiased bilinear, inside of the border.
    - **Shrinking**: ``antialias`` widens the kernel by 1/scale.
    - **Border**: the picture continues symmetrically beyond it.
    - **Range**: bicubic overshoots at edges, so the output can leave [0, 1] by a little. Nothing is clamped or rounded.
    - **Precision**: at least float32, whatever the autocast type, and not in TF32. Differentiable.

    Args:
        images: floating point, (N, C, H, W).
        scale: output size / input size, for both axes. The output is ceil(H scale) x ceil(W scale).
        size: output (height, width) in pixels, in place of ``scale``.
        method: "bicubic" or "bilinear".
        antialias: whether shrinking averages over the pixels that it drops.

    Returns:
        (N, C, height, width) of the type of ``images``.

    Raises:
        InputError: for something that is no floating-point batch, neither or both of ``scale`` and ``size``, or a size
            below 1.

    Source: Keys, "Cubic convolution interpolation for digital image processing", 1981; MATLAB's imresize.

    >>> resize(torch.full((1, 3, 5, 7), 0.25), scale=0.5).shape
    torch.Size([1, 3, 3, 4])
    """
    check_choice("method", method, _SUPPORT)
    if images.ndim != 4 or not images.is_floating_point() or images.numel() == 0:
        got = f"{str(images.dtype).removeprefix('torch.')} of shape {tuple(images.shape)}"
        raise InputError("images in floating point of shape (N, C, H, W)", got)
    axes = list(zip((-2, -1), images.shape[-2:], *_targets(images, scale, size), strict=True))
    work = images.to(exact_dtype(images))
    for axis, old, new, factor in sorted(axes, key=lambda a: a[3]):  # the smaller scale first: less work
        if factor != 1:
            weights = _blocks(old, (0, new), factor, method, antialias, work.dtype, work.device)
            work = _apply(work, axis, weights)
    return work.to(images.dtype)


def resize_part(cut: Callable[[Box], Tensor], old: tuple[int, int], new: tuple[int, int], part: Box) -> Tensor:
    """Return a part of what :func:`resize` makes of a picture, which is asked for what this part is made of alone.

    Args:
        cut: gives a part of the picture, floating point, (N, C, H, W).
        old: height and width of the picture.
        new: height and width of the result.
        part: of the result.

    Returns:
        (N, C, height, width) of the part, antialiased and bicubic, as of the whole picture but for rounding.

    >>> whole = torch.rand(1, 3, 20, 30)
    >>> box = Box(5, 9, 0, 10)
    >>> part = resize_part(lambda place: place.cut(whole), (20, 30), (15, 22), box)
    >>> bool(torch.allclose(part, box.cut(resize(whole, size=(15, 22))), atol=1e-6))
    True
    """
    ends = [(part.top, part.bottom), (part.left, part.right)]
    axes, places = list[tuple[int, float, tuple[Block, ...]]](), list[tuple[int, int]]()
    for axis, before, after, lines in zip((-2, -1), old, new, ends, strict=True):
        if before == after:
            places.append(lines)
            continue
        blocks = _blocks(before, lines, after / before, "bicubic", True, torch.float64, torch.device("cpu"))
        first = min(block[0] for block in blocks)
        places.append((first, max(block[1] for block in blocks)))
        axes.append((axis, after / before, tuple((start - first, stop - first, w) for start, stop, w in blocks)))
    found = cut(Box(*places[0], *places[1]))
    work = found.to(exact_dtype(found))
    for axis, _, blocks in sorted(axes, key=lambda a: a[1]):
        work = _apply(work, axis, tuple((start, stop, weights.to(work)) for start, stop, weights in blocks))
    return work.to(found.dtype)


def _targets(
    images: Tensor, scale: float | None, size: tuple[int, int] | None
) -> tuple[tuple[int, int], tuple[float, float]]:
    """Return the output size and the scale of both axes."""
    height, width = images.shape[-2:]
    if (scale is None) == (size is None):
        raise InputError("either scale or size", f"scale={scale} and size={size}")
    if scale is not None:
        if not (0 < scale < math.inf):
            raise InputError("scale to be a positive number", f"{scale}")
        # A billionth less, so that 100 * 1.1 = 110.00000000000001 does not become 111 pixels.
        sizes = max(1, math.ceil(height * scale - 1e-9)), max(1, math.ceil(width * scale - 1e-9))
        return sizes, (float(scale), float(scale))
    if size is None or len(size) != 2 or min(size) < 1:
        raise InputError("size to be (height, width), both at least 1 pixel", f"{size}")
    new_height, new_width = int(size[0]), int(size[1])
    return (new_height, new_width), (new_height / height, new_width / width)


def _apply(images: Tensor, axis: int, blocks: tuple[Block, ...]) -> Tensor:
    """Multiply one axis by its weight matrix, block by block along the matrix' diagonal."""
    if axis == -2:
        parts = [exact_product(weights, images[..., start:stop, :]) for start, stop, weights in blocks]
    else:
        parts = [exact_product(images[..., start:stop], weights.T) for start, stop, weights in blocks]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=axis)


@lru_cache(maxsize=128)
def _blocks(
    old: int,
    ends: tuple[int, int],
    scale: float,
    method: Method,
    antialias: bool,
    dtype: torch.dtype,
    device: torch.device,
) -> tuple[Block, ...]:
    """Return (first input line, end, weights) for every ``_BLOCK`` output lines between two of them."""
    taps, weights = _taps(old, np.arange(*ends), scale, method, antialias)
    blocks = []
    with torch.inference_mode(False):  # the cache outlives the mode of the first call
        for first in range(0, len(taps), _BLOCK):
            lines = slice(first, first + _BLOCK)
            start, stop = int(taps[lines].min()), int(taps[lines].max()) + 1
            dense = np.zeros((len(taps[lines]), stop - start))
            rows = np.arange(len(dense))[:, None]
            np.add.at(dense, (rows, taps[lines] - start), weights[lines])
            blocks.append((start, stop, torch.from_numpy(dense).to(device=device, dtype=dtype)))
    return tuple(blocks)


def _taps(
    old: int, lines: NDArray[np.int64], scale: float, method: Method, antialias: bool
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the input lines and their weights, (lines, taps) each, for the output lines."""
    stretch = min(scale, 1.0) if antialias else 1.0
    support = _SUPPORT[method] / stretch
    centres = (lines + 0.5) / scale - 0.5
    left = np.floor(centres - support / 2).astype(np.int64)
    taps = left[:, None] + np.arange(math.ceil(support) + 2)
    kernel = _cubic if method == "bicubic" else _triangle
    weights = kernel(stretch * (centres[:, None] - taps))
    weights /= weights.sum(axis=1, keepdims=True)
    taps %= 2 * old
    return np.where(taps < old, taps, 2 * old - 1 - taps), weights


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Keys' cubic kernel with a = -0.5, which is 0 outside (-2, 2)."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((2.5 - 0.5 * x) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


def _triangle(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the linear kernel, which is 0 outside (-1, 1)."""
    height: NDArray[np.float64] = 1 - np.abs(x)
    return np.where(height > 0, height, 0.0)
