"""What a network makes of a stored picture, part by part: network, resizing, opacity; the same as of the whole."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from perceptualloss.apply.tiles import Tiles
from perceptualloss.pictures.box import Box
from perceptualloss.pictures.parts import Parts
from perceptualloss.pictures.picture import Picture, Progress
from perceptualloss.pictures.resize import resize_part
from perceptualloss.pictures.stored import Stored

_SUPPORT = 2  # pixels to either side that the kernel of resizing looks at, of the smaller picture


@dataclass(frozen=True)
class InParts:
    """A network over a stored picture.

    Attributes:
        stored: the picture.
        tiles: the network.
        size: height and width of the result; where the network makes another size, its result is resized.
        grey: whether the result has the mean of the network's channels.
        strength: from 0, the picture as it was (of the result's size by bicubic interpolation), to 1, the network's.
        progress: called with input pixels done and all input pixels.
    """

    stored: Stored
    tiles: Tiles
    size: tuple[int, int]
    grey: bool
    strength: float = 1.0
    progress: Progress | None = None

    def parts(self) -> Parts:
        """Return the result, whose parts suit the network's tiles."""
        stored, scale = self.stored, self.tiles.scale
        if self._made == self.size or max(stored.height, stored.width) <= self.tiles.side:
            side = scale * self.tiles.side
        else:  # a part's kernels look at more
            larger = self.size[0] / stored.height
            side = max(1, int((self.tiles.side - 2 * math.ceil(_SUPPORT / min(larger, 1)) - 2) * larger))
        done = 0

        def part(box: Box) -> Picture:
            nonlocal done
            picture = self._part(box)
            done += box.height * box.width
            if self.progress is not None:
                total = self.size[0] * self.size[1]
                inputs = stored.height * stored.width
                self.progress(inputs * done // total, inputs)
            return picture

        return Parts(*self.size, self.grey, part, side, scale if self._made == self.size else 1)

    @property
    def _made(self) -> tuple[int, int]:
        """Height and width of what the network makes."""
        return self.tiles.scale * self.stored.height, self.tiles.scale * self.stored.width

    @cached_property
    def _content(self) -> Callable[[Box], Tensor]:
        return self.stored.filler()

    def _part(self, box: Box) -> Picture:
        colours = self._resized(self._by_network, self._made, box).expand(-1, 3, -1, -1)
        sides = self.stored.height, self.stored.width
        if self.strength < 1:
            before = self._resized(lambda place: self._content(place).clamp(0, 1), sides, box)
            colours = before.lerp(colours, self.strength)
        alpha = self._resized(self.stored.opacity, sides, box) if self.stored.clear else None
        return Picture(colours, alpha, self.grey, self.stored.decoded.bits)

    def _resized(self, cut: Callable[[Box], Tensor], old: tuple[int, int], box: Box) -> Tensor:
        return cut(box) if old == self.size else resize_part(cut, old, self.size, box).clamp(0, 1)

    def _by_network(self, box: Box) -> Tensor:
        """Return a part of what the network makes, in [0, 1]."""
        scale = self.tiles.scale
        inputs = Box(box.top // scale, math.ceil(box.bottom / scale), box.left // scale, math.ceil(box.right / scale))
        whole = Box(0, self.stored.height, 0, self.stored.width)
        made = self.tiles.part(inputs, lambda place: [self._content(place)], whole)
        place = box.seen_from(Box(*(scale * end for end in (inputs.top, inputs.bottom, inputs.left, inputs.right))))
        made = place.cut(made)
        return (made.mean(dim=1, keepdim=True) if self.grey else made).clamp_(0, 1)
