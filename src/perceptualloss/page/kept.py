"""Samples on the disk, of which any part can be read alone, and what a browser shows of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from PIL import Image

from perceptualloss.page.refusals import PageError
from perceptualloss.pictures.box import Box
from perceptualloss.pictures.rows import Rows, Samples

_BAND = 4_000_000  # pixels that are made smaller at once


def write_samples(rows: Rows, file: Path) -> None:
    """Write a picture's samples, (H, W, channels), band by band as they are made."""
    written: Any = open_memmap(file, "w+", rows.dtype, (rows.height, rows.width, rows.channels))
    top = 0
    for band in rows.bands:
        written[top : top + len(band)] = band
        top += len(band)


def read_samples(file: Path) -> Samples:
    """Return what :func:`write_samples` wrote; it stays on the disk until a part is used.

    Raises:
        PageError: it was deleted.
    """
    try:
        samples: Samples = np.load(file, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise PageError("gone", 404) from error
    return samples


def as_shown(samples: Samples) -> NDArray[np.uint8]:
    """Return samples as RGB, or RGB and opacity, of 8 bits.

    >>> as_shown(np.array([[[65535, 0]]], np.uint16))
    array([[[255, 255, 255,   0]]], dtype=uint8)
    """
    eight = samples if samples.dtype == np.uint8 else ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)
    channels = {1: [0, 0, 0], 2: [0, 0, 0, 1], 3: [0, 1, 2], 4: [0, 1, 2, 3]}[samples.shape[2]]
    shown: NDArray[np.uint8] = np.ascontiguousarray(eight[..., channels], np.uint8)
    return shown


def part_of(samples: Samples, box: Box, reduce: int = 1) -> Image.Image:
    """Return a part of a picture as it is shown, where ``reduce`` by ``reduce`` pixels become one, their mean."""
    width, height = -(-box.width // reduce), -(-box.height // reduce)
    rows = reduce * max(1, _BAND // (box.width * reduce))
    shown: Image.Image | None = None
    for top in range(box.top, box.bottom, rows):
        strip = as_shown(samples[top : min(top + rows, box.bottom), box.left : box.right])
        picture = Image.fromarray(strip).reduce(reduce)
        if shown is None:
            shown = picture if picture.height == height else Image.new(picture.mode, (width, height))
        shown.paste(picture, (0, (top - box.top) // reduce))
    assert shown is not None
    return shown
