"""A picture that is made part by part, so that no more than a band of it is in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch

from perceptualloss.pictures.box import Box, split
from perceptualloss.pictures.encode import samples_of
from perceptualloss.pictures.picture import Picture
from perceptualloss.pictures.rows import Rows, Samples

_BAND = 1 << 27  # bytes of the samples of one band of parts: 128 MiB


@dataclass(frozen=True)
class Parts:
    """A picture whose parts are made when they are asked for.

    Attributes:
        height: of the picture.
        width: of the picture.
        grey: whether its three channels are one.
        part: makes a part in floating point.
        side: longest side of a part; None for a picture that is there as a whole.
        unit: parts begin and end at multiples of it, of which the picture's sides are.
    """

    height: int
    width: int
    grey: bool
    part: Callable[[Box], Picture]
    side: int | None = None
    unit: int = 1

    @classmethod
    def of(cls, picture: Picture) -> Parts:
        """Return a picture that is there."""

        def part(box: Box) -> Picture:
            alpha = None if picture.alpha is None else box.cut(picture.alpha)
            return Picture(box.cut(picture.colours), alpha, picture.grey, picture.bits)

        return cls(picture.colours.shape[-2], picture.colours.shape[-1], picture.grey, part)

    def rows(self, bits: Literal[8, 16], clear: bool, grey: bool) -> Rows:
        """Return the picture's samples, which are made in bands, and each of these part by part.

        Args:
            bits: of the samples.
            clear: whether they have opacity, which is full where the picture has none.
            grey: whether they have one channel for the colours, if the picture is grey.

        Raises:
            InputError: when a band is asked for: values that are not finite or far beyond [0, 1].
        """
        grey = grey and self.grey
        rows = Rows(self.height, self.width, (1 if grey else 3) + clear, bits, [])
        unit, side = self.unit, self.side or max(self.height, self.width)
        most = min(side, _BAND // rows.row_size)

        def boxes(box: Box, longest: int) -> list[Box]:
            small = Box(*(end // unit for end in (box.top, box.bottom, box.left, box.right)))
            return [
                Box(*(unit * end for end in (part.top, part.bottom, part.left, part.right)))
                for part in split(small, max(1, longest // unit))
            ]

        def band(box: Box) -> Samples:
            samples: Any = np.empty((box.height, box.width, rows.channels), rows.dtype)
            for place in boxes(box, side):
                made = self.part(place)
                alpha = torch.ones_like(made.colours[:, :1]) if made.alpha is None and clear else made.alpha
                inside = place.seen_from(box)
                samples[inside.top : inside.bottom, inside.left : inside.right] = samples_of(
                    made.colours, bits, alpha, grey
                )
            return samples  # type: ignore[no-any-return]

        lines = boxes(Box(0, self.height, 0, unit), most)
        return replace(rows, bands=map(band, (Box(line.top, line.bottom, 0, self.width) for line in lines)))
