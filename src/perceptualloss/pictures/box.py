"""Parts of a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor


@dataclass(frozen=True)
class Box:
    """Rows ``top`` to ``bottom`` and columns ``left`` to ``right`` of a picture, the ends left out."""

    top: int
    bottom: int
    left: int
    right: int

    @classmethod
    def at(cls, top: int, left: int, height: int, width: int) -> Box:
        """Return the box of that size whose upper left corner is there."""
        return cls(top, top + height, left, left + width)

    @property
    def height(self) -> int:
        """The number of rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """The number of columns."""
        return self.right - self.left

    @property
    def side(self) -> int:
        """The longer side."""
        return max(self.height, self.width)

    def grown(self, by: int, height: int, width: int) -> Box:
        """Return the box with ``by`` more pixels on every side, as far as the picture goes."""
        return Box(
            max(0, self.top - by), min(height, self.bottom + by), max(0, self.left - by), min(width, self.right + by)
        )

    def seen_from(self, outer: Box) -> Box:
        """Return the box in coordinates of ``outer``."""
        rows, columns = outer.top, outer.left
        return Box(self.top - rows, self.bottom - rows, self.left - columns, self.right - columns)

    def cut(self, images: Tensor, scale: int = 1) -> Tensor:
        """Return this part of ``images`` (N, C, H, W), which are ``scale`` times as large as the box says."""
        rows = slice(scale * self.top, scale * self.bottom)
        return images[..., rows, scale * self.left : scale * self.right]


def split(box: Box, side: int) -> list[Box]:
    """Return boxes of nearly equal size, no side longer than ``side``, that fill ``box``.

    >>> split(Box(0, 4, 0, 5), 4)
    [Box(top=0, bottom=4, left=0, right=2), Box(top=0, bottom=4, left=2, right=5)]
    """
    rows, columns = _ends(box.top, box.bottom, side), _ends(box.left, box.right, side)
    return [Box(a, b, c, d) for a, b in rows for c, d in columns]


def _ends(first: int, last: int, side: int) -> list[tuple[int, int]]:
    count = math.ceil((last - first) / side)
    ends = [first + (last - first) * i // count for i in range(count + 1)]
    return list(pairwise(ends))
