"""Samples of a picture from top to bottom, so that a file is written while the picture is still made."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.uint8] | NDArray[np.uint16]
_MOST = 8  # cores, each of which has a strip in memory
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Rows:
    """A picture's samples in bands, which are made when they are asked for, and once.

    Attributes:
        height: of the picture.
        width: of the picture.
        channels: 1 (grey), 2 (grey, opacity), 3 (RGB) or 4 (RGB, opacity).
        bits: of the samples.
        bands: samples (rows, width, channels) of uint8 or uint16, from top to bottom, of any number of rows each.
    """

    height: int
    width: int
    channels: int
    bits: Literal[8, 16]
    bands: Iterable[Samples]

    @classmethod
    def of(cls, samples: Samples) -> Rows:
        """Return a picture (H, W, channels) that is there as a whole."""
        height, width, channels = samples.shape
        return cls(height, width, channels, 8 if samples.dtype == np.uint8 else 16, [samples])

    @property
    def dtype(self) -> type[np.uint8] | type[np.uint16]:
        """The type of the samples."""
        return np.uint8 if self.bits == 8 else np.uint16

    @property
    def size(self) -> int:
        """The bytes of all samples."""
        return self.height * self.row_size

    @property
    def row_size(self) -> int:
        """The bytes of a row."""
        return self.width * self.channels * self.bits // 8

    def strips(self, rows: int) -> Iterator[Samples]:
        """Go through strips of so many rows each; the last one has what remains.

        >>> five = Rows.of(np.zeros((5, 2, 1), np.uint8))
        >>> [len(strip) for strip in five.strips(2)]
        [2, 2, 1]
        """
        waiting: list[Samples] = []
        have = 0
        for band in self.bands:
            top = 0
            while len(band) - top >= rows - have:
                waiting.append(band[top : top + rows - have])
                top += rows - have
                yield _joined(waiting)
                waiting, have = [], 0
            if top < len(band):
                waiting.append(band[top:])
                have += len(band) - top
        if waiting:
            yield _joined(waiting)

    def whole(self) -> Samples:
        """Return all samples, (height, width, channels), for a kind of file that cannot be written in rows."""
        bands = iter(self.bands)
        first = next(bands)
        if len(first) == self.height:
            return first
        samples: Any = np.empty((self.height, self.width, self.channels), self.dtype)
        top = 0
        for band in _chain(first, bands):
            samples[top : top + len(band)] = band
            top += len(band)
        return samples  # type: ignore[no-any-return]


def _joined(parts: list[Samples]) -> Samples:
    joined: Any = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return joined  # type: ignore[no-any-return]


def _chain(first: Samples, others: Iterator[Samples]) -> Iterator[Samples]:
    yield first
    yield from others


def on_all_cores(work: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
    """Return what ``work`` makes of the items, in their order, of up to 8 at once; for work outside Python's lock."""
    cores = min(os.cpu_count() or 1, _MOST)
    with ThreadPoolExecutor(cores) as pool:
        running = deque[Future[Result]]()
        for item in items:
            running.append(pool.submit(work, item))
            if len(running) > cores:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
