"""From a photo's file to the 8-bit samples that trainings crop: shrunk, with its mask, or its middle alone."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from torch import Tensor

from perceptualloss.data.masks import Masks, with_mask
from perceptualloss.errors import InputError
from perceptualloss.pictures.images import read_8_bits, read_image
from perceptualloss.pictures.resize import resize
from perceptualloss.pictures.samples import to_8_bits

log = logging.getLogger(__name__)

Size = tuple[int, int]
"""Height and width."""

_MADE_BY = tuple(version(name) for name in ("perceptualloss", "pillow", "imagecodecs", "torch"))


@dataclass(frozen=True)
class Decoding:
    """What is made of a photo's file.

    Args:
        shorter_side: pixels to which the shorter side of larger photos is shrunk (bicubic); None leaves them.
        masks: masks that become a fourth channel.
        middle: the largest height and width of the piece, from the photo's middle, that is kept; None keeps the photo.
        grid: the piece begins at multiples of it.
    """

    shorter_side: int | None = None
    masks: Masks | None = None
    middle: int | None = None
    grid: int = 1

    def __call__(self, path: Path) -> Tensor | None:
        """Return the photo, uint8 (3, H, W), or (4, H, W) with a mask; if it does not decode, log why: None."""
        try:
            photo = self._read(path)
        except InputError as error:
            log.warning("skipped %s: %s", path, error)
            return None
        return photo if self.middle is None else middle(photo, self.middle, self.grid)

    def _read(self, path: Path) -> Tensor:
        if self.shorter_side is None:
            photo = read_8_bits(path)
            size = stored = (photo.shape[1], photo.shape[2])
        else:
            picture = read_image(path)
            stored = (picture.shape[2], picture.shape[3])
            size = shrunk(stored, self.shorter_side)
            photo = to_8_bits((picture if size == stored else resize(picture, size=size))[0])
        return photo if self.masks is None else with_mask(photo, self.masks.of(path, stored))

    def shape(self, size: Size) -> tuple[int, int, int]:
        """Return the channels, height and width of what is made of a photo of that size."""
        height, width = shrunk(size, self.shorter_side)
        if self.middle is not None:
            most = max(1, self.middle // self.grid) * self.grid
            height, width = min(height, most), min(width, most)
        return 3 if self.masks is None else 4, height, width

    def key(self, path: Path) -> str:
        """Return hexadecimal digits that stand for all that the samples depend on: files, settings and versions.

        Raises:
            OSError: for a file that is gone.
        """
        files = [path] if self.masks is None else [path, *self.masks.files(path)]
        stamps = [
            (str(file.absolute()), status.st_size, status.st_mtime_ns) for file in files for status in [file.stat()]
        ]
        how = (self.shorter_side, self.masks is not None, self.middle, self.grid, _MADE_BY)
        return hashlib.sha256(repr((stamps, how)).encode(errors="surrogateescape")).hexdigest()[:40]


def middle(photo: Tensor, size: int, grid: int = 1) -> Tensor:
    """Return the middle of a photo (C, H, W), at most ``size`` pixels high and wide, from a multiple of ``grid`` on."""
    cells = max(1, size // grid)
    top, left = (grid * max(0, (side // grid - cells) // 2) for side in photo.shape[-2:])
    return photo[:, top : top + grid * cells, left : left + grid * cells]


def shrunk(size: Size, shorter_side: int | None) -> Size:
    """Return height and width after the shorter one has been shrunk, if it is longer, to ``shorter_side``."""
    factor = min(1.0, (shorter_side or min(size)) / min(size))
    return round(size[0] * factor), round(size[1] * factor)
