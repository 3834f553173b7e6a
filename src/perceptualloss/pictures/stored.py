"""A picture as its file stores it, of which parts become colours when they are asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from perceptualloss.pictures.box import Box
from perceptualloss.pictures.picture import Picture, doubled, fill_hidden, filled, halved
from perceptualloss.pictures.profiles import Conversion, keeps_values, to_srgb
from perceptualloss.pictures.reading.decoded import Decoded, Request, Samples, as_floats
from perceptualloss.pictures.samples import to_8_bits

_STRIP = 512  # rows, an even number
_TURN = {  # EXIF orientation: how often to turn by 90 degrees anticlockwise, then whether to mirror
    2: (0, True),
    3: (2, False),
    4: (2, True),
    5: (3, True),
    6: (3, False),
    7: (1, True),
    8: (1, False),
}


@dataclass(frozen=True)
class Stored:
    """A decoded picture: its samples take a quarter of the memory, or half of it, that colours in floating point take.

    Attributes:
        decoded: the samples, and what they mean.
        conversion: from samples to sRGB.
        height: of the upright picture.
        width: of the upright picture.
    """

    decoded: Decoded
    conversion: Conversion
    height: int
    width: int

    @classmethod
    def of(cls, decoded: Decoded, request: Request) -> Stored:
        """Return a decoded picture; what is odd about its colours is said."""
        height, width = decoded.values.shape[:2]
        turned = decoded.orientation in range(5, 9)
        return cls(decoded, to_srgb(decoded, request), *((width, height) if turned else (height, width)))

    @property
    def clear(self) -> bool:
        """Whether it has opacity."""
        return self.decoded.alpha is not None

    @property
    def grey(self) -> bool:
        """Whether its three channels are one."""
        return self.decoded.space == "grey"

    def cut(self, box: Box) -> Picture:
        """Return a part of the upright picture in sRGB."""
        colours = self._upright(self.conversion(self.decoded.values[self._place(box)]))
        return Picture(colours, self.opacity(box) if self.clear else None, self.grey, self.decoded.bits)

    def opacity(self, box: Box) -> Tensor:
        """Return the opacity of a part of the upright picture, (1, 1, H, W), in [0, 1]; full where it has none."""
        if self.decoded.alpha is None:
            return torch.ones(1, 1, box.height, box.width)
        return self._upright(as_floats(self.decoded.alpha[self._place(box)]))

    def filler(self) -> Callable[[Box], Tensor]:
        """Return what cuts parts (1, 3, H, W) out of what :func:`fill_hidden` makes of the upright picture."""
        alpha = self.decoded.alpha
        if alpha is None or alpha.min() > 0 or not alpha.any() or max(self.height, self.width) == 1:
            return lambda box: self.cut(box).colours
        mean = torch.empty(1, 3, math.ceil(self.height / 2), math.ceil(self.width / 2))
        weight = torch.empty(1, 1, *mean.shape[-2:])
        for top in range(0, self.height, _STRIP):
            strip = Box(top, min(top + _STRIP, self.height), 0, self.width)
            half = slice(top // 2, math.ceil(strip.bottom / 2))
            mean[..., half, :], weight[..., half, :] = halved(self.cut(strip).colours, self.opacity(strip))
        spread = fill_hidden(mean, weight)

        def cut(box: Box) -> Tensor:
            even = Box(box.top // 2, math.ceil(box.bottom / 2), box.left // 2, math.ceil(box.right / 2))
            near = doubled(even.cut(spread), 2 * even.height, 2 * even.width)
            inside = box.seen_from(Box(2 * even.top, 2 * even.bottom, 2 * even.left, 2 * even.right))
            return filled(self.cut(box).colours, self.opacity(box), inside.cut(near))

        return cut

    def whole(self) -> Picture:
        """Return the upright picture in sRGB."""
        return self.cut(Box(0, self.height, 0, self.width))

    def eight_bits(self) -> Tensor:
        """Return the upright picture in sRGB over white with 8 bits, uint8, (3, H, W).

        The same as rounding ``whole``, but never the whole in floating point: samples of 8 bits that are sRGB stay as
        they are, all else goes strip by strip.
        """
        values = self.decoded.values
        if values.dtype == np.uint8 and not self.clear and keeps_values(self.conversion):
            return self._turned(np.require(values, requirements=("C", "W")))[0].expand(3, -1, -1)
        rounded = torch.empty(self.height, self.width, 3, dtype=torch.uint8).permute(2, 0, 1)
        for top in range(0, self.height, _STRIP):
            strip = Box(top, min(top + _STRIP, self.height), 0, self.width)
            rounded[:, strip.top : strip.bottom] = to_8_bits(self.cut(strip).over_white()[0])
        return rounded

    def _place(self, box: Box) -> tuple[slice, slice]:
        """Return where a part of the upright picture lies in the stored one."""
        quarters, mirrored = _TURN.get(self.decoded.orientation, (0, False))
        rows, columns = (box.top, box.bottom), (box.left, box.right)
        if mirrored:
            columns = _from_the_end(columns, self.width)
        height, width = self.height, self.width
        for _ in range(quarters):  # back, one quarter clockwise after the other
            rows, columns, height, width = columns, _from_the_end(rows, height), width, height
        return slice(*rows), slice(*columns)

    def _upright(self, pixels: Samples) -> Tensor:
        """Return stored pixels (H, W, C) upright, as (1, C, H, W)."""
        return self._turned(pixels).contiguous()

    def _turned(self, pixels: Samples) -> Tensor:
        """Return stored pixels upright, in the order in which they lie in memory."""
        quarters, mirrored = _TURN.get(self.decoded.orientation, (0, False))
        turned = torch.rot90(torch.from_numpy(pixels).permute(2, 0, 1)[None], quarters, dims=(-2, -1))
        return turned.flip(-1) if mirrored else turned


def _from_the_end(ends: tuple[int, int], length: int) -> tuple[int, int]:
    return length - ends[1], length - ends[0]
