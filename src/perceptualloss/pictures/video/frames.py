"""A decoded frame as an upright picture in the colours of BT.709."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import av
import numpy as np
import torch
from av.video.reformatter import Interpolation
from torch import Tensor

from perceptualloss.pictures.video.colour import Colours, colours_of, to_bt709
from perceptualloss.pictures.video.side_data import turn_of

# Samples are only moved and interpolated by FFmpeg; its faster ways are off by up to 4 of 255.
_EXACT = int(
    Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
)
_RGB_KINDS = ("gray", "mono", "ya", "xyz", "bayer")  # what FFmpeg turns to RGB without a matrix
_UPRIGHT = (1, 0, 0, 1)


def _unsaid(line: str) -> None:
    """Tell nobody."""


def as_picture(frame: av.VideoFrame, say: Callable[[str], None] = _unsaid) -> Tensor:
    """Return a decoded frame upright as (1, 3, H, W) in [0, 1], in the primaries of BT.709.

    Transparent parts are laid over black, as players do.

    Args:
        frame: of any kind that FFmpeg decodes.
        say: called with a line for what was guessed or changed.

    Raises:
        InputError: colours of a kind that is not known.
    """
    colours = colours_of(frame, is_rgb(frame), say)
    rgb, alpha = _samples(frame, colours)
    picture = to_bt709(rgb, colours, say)
    if alpha is not None and bool((alpha < 1).any()):
        say("transparent parts are laid over black")
        picture *= alpha
    return _turned(picture, turn_of(frame), say)[None]


def is_rgb(frame: av.VideoFrame) -> bool:
    """Return whether a frame has no luma, or no chroma, so that no matrix is needed."""
    return frame.format.is_rgb or frame.format.has_palette or frame.format.name.startswith(_RGB_KINDS)


def _samples(frame: av.VideoFrame, colours: Colours) -> tuple[Tensor, Tensor | None]:
    """Return R'G'B' (3, H, W) as it is coded, in [0, 1], and opacity (1, H, W) if there is one."""
    kind = frame.format
    seen_through = kind.has_palette or any(component.is_alpha for component in kind.components)
    bits = max(component.bits for component in kind.components)
    if colours.matrix is None:
        deep = bits > 8 and not kind.has_palette
        name = ("rgba64le" if seen_through else "rgb48le") if deep else "rgba" if seen_through else "rgb24"
        values = _planes(frame.to_ndarray(format=name, interpolation=_EXACT)) / (65535 if deep else 255)
        return values[:3], values[3:] if seen_through else None
    deep, range_ = bits > 8, 2 if colours.full else 1
    plain = frame.reformat(
        format=("yuva444p16le" if seen_through else "yuv444p16le") if deep or seen_through else "yuv444p",
        src_colorspace=1,  # the same before and after: the matrix is applied here
        dst_colorspace=1,
        src_color_range=range_,
        dst_color_range=range_,
        interpolation=_EXACT,
    )
    array = plain.to_ndarray()
    values = torch.from_numpy(array).float() if array.dtype == np.uint8 else _planes(array)
    most = float((2**bits - 1) * 2 ** (16 - bits)) if array.dtype == np.uint16 else 255.0
    unit = 256 if array.dtype == np.uint16 else 1
    zero = torch.tensor([0.0 if colours.full else 16.0 * unit, 128.0 * unit, 128.0 * unit])
    span = torch.tensor([most] * 3 if colours.full else [219.0 * unit, 224.0 * unit, 224.0 * unit])
    matrix = _to_rgb(*colours.matrix) / span
    rgb = torch.addmm(-(matrix @ zero)[:, None], matrix, values[:3].reshape(3, -1)).clamp_(0, 1)
    return rgb.view(3, *values.shape[1:]), values[3:] / most if seen_through else None


def _to_rgb(kr: float, kb: float) -> Tensor:
    """Return the matrix from Y in [0, 1], Cb and Cr in [-1/2, 1/2] to R'G'B'."""
    kg, red, blue = 1 - kr - kb, 2 * (1 - kr), 2 * (1 - kb)
    return torch.tensor([[1, 0, red], [1, -kb * blue / kg, -kr * red / kg], [1, blue, 0]])


def _planes(array: np.ndarray[Any, Any]) -> Tensor:
    return torch.from_numpy(array.astype(np.float32)).permute(2, 0, 1)


def _turned(picture: Tensor, turn: tuple[int, int, int, int], say: Callable[[str], None]) -> Tensor:
    """Return a picture (3, H, W) as the screen shows it."""
    if turn == _UPRIGHT:
        return picture
    xx, xy, yx, yy = turn
    if xy:
        picture = picture.transpose(-2, -1)
    say("its frames are turned upright" if xx * yy - xy * yx > 0 else "its frames are mirrored, as its head says")
    back = [axis for axis, sign in ((-1, xx + yx), (-2, yy + xy)) if sign < 0]
    return picture.flip(back).contiguous()
