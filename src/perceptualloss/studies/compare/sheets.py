"""Pictures inside a page, no more of them than a page of a given size can hold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from perceptualloss.drawing.cells import to_picture
from perceptualloss.drawing.details import TRUTH, Photo
from perceptualloss.drawing.page import compressed, lossless, uri
from perceptualloss.pictures.box import Box

_MOST_SIDE, _LEAST_SIDE = 1024, 256


@dataclass(frozen=True)
class Sheet:
    """A photo as a page shows it: the window kept of a large one, and the details within that."""

    photo: Photo
    window: Box
    details: list[Box]

    @property
    def cropped(self) -> bool:
        """Whether the window is less than the photo."""
        return (self.window.height, self.window.width) != tuple(self.photo.target.shape[2:])

    def pictures(self) -> dict[str, Tensor]:
        """Cut every run's picture to the window, the ground truth last."""
        every = {**self.photo.outputs, TRUTH: self.photo.target}
        return {name: self.window.cut(picture) for name, picture in every.items()}

    def detail_uris(self) -> dict[str, list[str]]:
        """Embed the details of every picture, without loss."""
        return {
            name: [uri(lossless(to_picture(box.cut(picture)))) for box in self.details]
            for name, picture in self.pictures().items()
        }


def make_sheet(photo: Photo, details: Sequence[Box], side: int) -> Sheet:
    """Cut a large photo to ``side`` pixels around its first detail, never scaling it.

    Scaling would hide what losses differ in. A second detail that lies outside of the window is dropped.
    """
    height, width = photo.target.shape[2:]
    first = details[0]
    rows, columns = min(side, height), min(side, width)
    top = min(max(0, first.top + first.height // 2 - rows // 2), height - rows)
    left = min(max(0, first.left + first.width // 2 - columns // 2), width - columns)
    window = Box.at(top, left, rows, columns)
    inside = [
        Box.at(d.top - top, d.left - left, d.height, d.width)
        for d in details
        if d.top >= top and d.left >= left and d.bottom <= window.bottom and d.right <= window.right
    ]
    return Sheet(photo, window, inside)


def fit_sheets(
    photos: Sequence[Photo], details: Sequence[Sequence[Box]], budget: int
) -> list[tuple[Sheet, dict[str, str]]]:
    """Embed the whole pictures of every photo, in windows so small that they fit in ``budget`` characters.

    Windows of 256 pixels are the least, whatever the budget.
    """
    side = _MOST_SIDE
    while True:
        sheets = [make_sheet(photo, boxes, side) for photo, boxes in zip(photos, details, strict=True)]
        uris = [{n: uri(compressed(to_picture(p))) for n, p in sheet.pictures().items()} for sheet in sheets]
        used = sum(len(text) for each in uris for text in each.values())
        if used <= budget or side <= _LEAST_SIDE:
            return list(zip(sheets, uris, strict=True))
        shown = max(max(sheet.window.height, sheet.window.width) for sheet in sheets)
        side = max(_LEAST_SIDE, int(0.95 * shown * math.sqrt(max(0, budget) / used)))
