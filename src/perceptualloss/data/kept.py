"""Where decoded pictures are: in memory that processes share, in files of a cache, or nowhere: decoded each time."""

from __future__ import annotations

import functools
import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from perceptualloss.data.decoding import Decoding, Size
from perceptualloss.data.picture_cache import PictureCache, Shape
from perceptualloss.errors import InputError

COSTLY = 2**19  # pixels of a file from which decoding takes several milliseconds, and so is worth a file of samples
_UNKNOWN, _READY, _BROKEN = 0, 1, 2


class Kept:
    """Decoded pictures by number; item i is uint8, (C, H, W), or None where the file does not decode.

    Each is decoded when it is first asked for. The first ones are kept in memory, as many as fit: one piece of it,
    which forked processes share; tensors of their own would leave holes of four times their size behind, where floats
    had been. Those after them, if they are costly to decode, are kept as files of the cache, as many as fit there; all
    others are decoded at each access. What an item is never depends on where it is kept. A copy for a process that
    shares no memory keeps nothing in it.

    Args:
        files: of the pictures.
        sizes: of the files' pictures, (height, width).
        decodings: make an item of a file, in turn: one for all, or two for inputs and targets.
        memory_limit: bytes in memory.
        cache: for what does not fit; None for no files.

    Attributes:
        held: how many pictures, the first ones, are kept in memory.
        in_memory: bytes of them when all are decoded.
        in_cache: bytes of those that are kept as files.
        anew: the numbers of those that are decoded each time.
    """

    def __init__(
        self,
        files: Sequence[Path],
        sizes: Sequence[Size],
        decodings: Sequence[Decoding],
        memory_limit: int = 0,
        cache: PictureCache | None = None,
    ) -> None:
        self.files, self.decodings, self.cache = files, decodings, cache
        shape_of = functools.cache(lambda turn, size: decodings[turn].shape(size))  # few differ
        shapes = [shape_of(index % len(decodings), size) for index, size in enumerate(sizes)]
        self._shapes = np.array(shapes, np.int32).reshape(-1, 3)
        self._costly = np.array([height * width >= COSTLY for height, width in sizes], bool)
        self._plan(memory_limit)

    def _plan(self, memory_limit: int) -> None:
        """Decide where each picture is kept, and take the memory, of which the system gives what is written to."""
        used = self._shapes.astype(np.int64).prod(axis=1)
        ends = used.cumsum()
        self.held = held = int(np.searchsorted(ends, memory_limit, side="right"))
        self._starts = ends[:held] - used[:held]
        self._as_file = self._costly.copy()
        self._as_file[:held] = False
        if self.cache is None or not self._as_file.any():
            self._as_file[:] = False
        else:
            self._as_file &= np.where(self._as_file, used, 0).cumsum() <= self.cache.room()
        self.in_memory, self.in_cache = int(used[:held].sum()), int(used[self._as_file].sum())
        self.anew = held + np.flatnonzero(~self._as_file[held:])
        try:
            memory = mmap.mmap(-1, max(1, self.in_memory))
        except OSError as error:
            raise InputError(
                f"{self.in_memory:,} bytes of memory for photos", str(error), "Lower memory_gib."
            ) from error
        self._state = np.frombuffer(mmap.mmap(-1, max(1, len(used))), np.uint8)  # of each picture, shared as well
        self._memory = torch.frombuffer(memory, dtype=torch.uint8)

    def __getstate__(self) -> dict[str, object]:
        """Return what another process needs, without the memory."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_state", "_memory")}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Become a copy that keeps nothing in memory."""
        self.__dict__.update(state)
        self._plan(0)

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor | None:
        """Return one picture, or None."""
        if self._state[index] == _BROKEN:
            return None
        if index < self.held:
            return self._from_memory(index)
        return self._from_file(index) if self._as_file[index] else self._decoded(index)

    def __iter__(self) -> Iterator[Tensor | None]:
        """Go through all."""
        return (self[index] for index in range(len(self)))

    def _from_memory(self, index: int) -> Tensor | None:
        channels, height, width = self._shape(index)
        start = int(self._starts[index])
        place = self._memory[start : start + channels * height * width].view(height, width, channels).permute(2, 0, 1)
        if self._state[index] != _READY:
            picture = self._decoded(index)
            if picture is None or picture.shape != place.shape:  # the file is another one by now
                return picture
            place.copy_(picture)  # two processes may do so at once, and write the same
            self._state[index] = _READY
        return place

    def _from_file(self, index: int) -> Tensor | None:
        assert self.cache is not None
        try:
            key = self._decoding(index).key(self.files[index])
        except OSError:  # the file is gone, which decoding says
            return self._decoded(index)
        kept = self.cache.read(key, self._shape(index), check=self._state[index] != _READY)
        if kept is not None:
            self._state[index] = _READY
            return kept
        picture = self._decoded(index)
        if picture is not None and tuple(picture.shape) == self._shape(index):
            self.cache.write(key, picture)
        return picture

    def _decoded(self, index: int) -> Tensor | None:
        picture = self._decoding(index)(self.files[index])
        if picture is None:
            self._state[index] = _BROKEN  # so that it is said once
        return picture

    def _decoding(self, index: int) -> Decoding:
        return self.decodings[index % len(self.decodings)]

    def _shape(self, index: int) -> Shape:
        channels, height, width = self._shapes[index].tolist()
        return channels, height, width
