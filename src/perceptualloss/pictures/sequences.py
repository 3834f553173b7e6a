"""Animations and pages into one file, frame after frame, so that one alone is in memory."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from perceptualloss.errors import InputError
from perceptualloss.pictures.encode import as_gif, as_pillow, new_file, pillow_options, png_chunks, profile_for
from perceptualloss.pictures.kinds import AVIF, GIF, PNG, TIFF, WEBP, Kind
from perceptualloss.pictures.metadata import Metadata
from perceptualloss.pictures.png import bodies, chunk, head
from perceptualloss.pictures.rows import Rows, Samples
from perceptualloss.pictures.tiff import write_pages

_WEBP_FLAGS, _WEBP_ALPHA = 20, 0x10  # the byte in an animated WebP file, and its bit
_MOST = 65_535  # of the numerator and the denominator of a duration in PNG


@dataclass(frozen=True)
class Timing:
    """How an animation plays.

    Attributes:
        durations: of the frames, in milliseconds.
        plays: how often; 0 is for ever.
    """

    durations: list[float]
    plays: int = 0


def write_sequence(
    frames: Iterator[Rows],
    path: Path,
    kind: Kind,
    metadata: Metadata,
    timing: Timing | None = None,
    size: int = 0,
    overwrite: bool = True,
) -> None:
    """Write frames or pages, each taken when the one before is written, whole or not at all.

    Args:
        frames: of an animation all of one shape and type, of pages any.
        path: the file.
        kind: of the file, one that holds "frames", or "pages".
        metadata: what the kind can hold (``Metadata.within``).
        timing: of an animation; None for pages.
        size: bytes of the samples of all pages.
        overwrite: whether it takes the place of a file of that name.

    Raises:
        InputError: a missing or read-only folder, a full disk, or a file of that name, unless ``overwrite``.
    """
    ahead = [next(frames)]
    profile = profile_for(ahead[0].channels, metadata)
    frames = _behind(ahead, frames)
    with new_file(path, overwrite) as file:
        if kind is TIFF:
            write_pages(file, frames, size, metadata, profile)
        elif timing is None:
            raise InputError("the durations of an animation", "none")
        elif kind is PNG:
            _write_png(file, map(Rows.whole, frames), png_chunks(metadata, profile), timing)
        else:
            _write_pillow(file, map(Rows.whole, frames), kind, pillow_options(kind, metadata, profile), timing)


def _behind(ahead: list[Rows], frames: Iterator[Rows]) -> Iterator[Rows]:
    """Yield what was taken ahead, without keeping it, and then the others."""
    yield ahead.pop()
    yield from frames


def _write_png(file: BinaryIO, frames: Iterator[Samples], chunks: bytes, timing: Timing) -> None:
    """Write an animated PNG: of every frame the rectangle that differs from the frame before.

    Pillow would keep all frames, and has 8 bits.

    Source: PNG specification, third edition (W3C, 2025), section 11.3.6.
    """
    before: Samples | None = None
    sequence = 0
    for number, (samples, duration) in enumerate(zip(frames, timing.durations, strict=True)):
        top, bottom, left, right = (0, len(samples), 0, samples.shape[1])
        if before is not None:
            top, bottom, left, right = _changed(before, samples)
        part = Rows.of(samples[top:bottom, left:right])
        if number == 0:
            file.write(head(part) + chunk(b"acTL", struct.pack(">II", len(timing.durations), timing.plays)) + chunks)
        shape = (right - left, bottom - top, left, top)
        file.write(chunk(b"fcTL", struct.pack(">5I2H2B", sequence, *shape, *_fraction(duration), 0, 0)))
        sequence += 1
        for body in bodies(part):
            if number == 0:
                file.write(chunk(b"IDAT", body))
            else:
                file.write(chunk(b"fdAT", struct.pack(">I", sequence) + body))
                sequence += 1
        before = samples
    file.write(chunk(b"IEND", b""))


def _changed(before: Samples, samples: Samples) -> tuple[int, int, int, int]:
    """Return top, bottom, left and right of what changed; one pixel if nothing did."""
    differs = (before != samples).any(axis=2)
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    if not len(rows):
        return 0, 1, 0, 1
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _fraction(milliseconds: float) -> tuple[int, int]:
    """Return a duration as PNG has it: a numerator and a denominator of seconds."""
    whole = round(milliseconds)
    return (whole, 1000) if whole <= _MOST else (min(round(milliseconds / 1000), _MOST), 1)


def _write_pillow(
    file: BinaryIO, frames: Iterator[Samples], kind: Kind, options: dict[str, Any], timing: Timing
) -> None:
    """Write an animated WebP, AVIF or GIF."""
    if kind is not AVIF:  # which Pillow lets play for ever
        options["loop"] = timing.plays
    if kind is GIF:
        options |= {"disposal": 2, "loop": timing.plays - 1 if timing.plays > 1 else None if timing.plays else 0}
    durations = [max(round(duration), 1) for duration in timing.durations]
    frames_in_turn = _InTurn((as_gif(f) if kind is GIF else as_pillow(f) for f in frames), len(durations))
    frames_in_turn.save(file, kind.name.upper(), save_all=True, duration=durations, **options)
    if kind is WEBP and frames_in_turn.has_transparency_data:
        _say_clear(file)


def _say_clear(file: BinaryIO) -> None:
    """Say in a WebP file that it has opacity, also where libwebp has cut what is visible out of every frame."""
    file.seek(_WEBP_FLAGS)
    (flags,) = file.read(1)
    file.seek(_WEBP_FLAGS)
    file.write(bytes([flags | _WEBP_ALPHA]))
    file.seek(0, 2)


class _InTurn(Image.Image):
    """Pillow pictures of one size, of which Pillow sees one after the other, as it sees those in a file.

    Args:
        frames: the pictures.
        count: how many there are.
    """

    def __init__(self, frames: Iterator[Image.Image], count: int) -> None:
        super().__init__()
        self.frames, self.n_frames, self.is_animated = frames, count, count > 1
        self.at = -1
        self.seek(0)

    def seek(self, frame: int) -> None:
        """Go on to a frame; back to one before is nowhere, and Pillow looks at none again."""
        if frame >= self.n_frames:
            raise EOFError
        while self.at < frame:
            shown = next(self.frames)
            self.im, self._mode, self._size, self.palette = shown.im, shown.mode, shown.size, shown.palette
            self.info = dict(shown.info)
            self.at += 1

    def tell(self) -> int:
        """Return the number of the frame."""
        return self.at
