"""Decoded pictures as files that are mapped into memory: a crop of one reads the lines that it needs, and no more."""

from __future__ import annotations

import logging
import os
import shutil
import struct
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from perceptualloss.files import PART, part_of

log = logging.getLogger(__name__)

Shape = tuple[int, int, int]
"""Channels, height and width."""

CACHE_VARIABLE = "PERCEPTUALLOSS_CACHE"
_ENDING = ".pixels"
_TRAILER = struct.Struct("<8sIIII")  # a mark, height, width, channels, CRC-32 of the samples: behind them, for mapping
_MARK = b"PLpixel1"
_TOUCH = 600  # seconds; a file in use says so at most that often
_STALE = 3600  # seconds after which what is being written was left by a process that ended
_LOOKS = 64  # others' files are looked for whenever this part of the limit was written


def cache_folder() -> Path:
    """Return where this package keeps what it can make anew.

    The folder that the environment variable ``PERCEPTUALLOSS_CACHE`` names, or ``perceptualloss`` in
    ``XDG_CACHE_HOME``, or in ``~/.cache``.
    """
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "perceptualloss"


@dataclass
class PictureCache:
    """Keeps decoded pictures in a folder, a file each, by keys that say all that a picture depends on.

    Processes may share it. A file appears whole or not at all; one that is cut off or altered is made anew. What was
    not used for longest goes first.

    Args:
        folder: of these files alone; made when the first picture is written.
        limit: bytes of all files.
    """

    folder: Path
    limit: int

    def __post_init__(self) -> None:
        self._works = True
        self._written: int | None = None  # since the folder was looked through

    def room(self) -> int:
        """Return how many bytes can be kept: the limit, or less where the disk has less; half of what is free stays."""
        place = next((parent for parent in (self.folder, *self.folder.parents) if parent.is_dir()), None)
        if place is None:
            return 0
        return min(self.limit, sum(size for _, size, _ in self._files()) + shutil.disk_usage(place).free // 2)

    def read(self, key: str, shape: Shape, check: bool) -> Tensor | None:
        """Return the picture of a key, uint8 (C, H, W), mapped from its file, or None where there is none.

        Args:
            key: hexadecimal digits.
            shape: of the picture.
            check: whether to compare the checksum of all samples, which reads the whole file.
        """
        path, count = self._path(key), shape[0] * shape[1] * shape[2]
        try:
            found = path.stat()
            if found.st_size != count + _TRAILER.size:
                self._discard(path)
                return None
            stored = torch.from_file(str(path), shared=False, size=found.st_size, dtype=torch.uint8)
        except (OSError, RuntimeError):  # none, or one that another process has just removed
            return None
        samples = stored[:count]
        if check and stored[count:].numpy().tobytes() != _trailer(samples, shape):
            self._discard(path)
            return None
        if time.time() - found.st_mtime > _TOUCH:
            with suppress(OSError):
                os.utime(path)
        return samples.view(shape[1], shape[2], shape[0]).permute(2, 0, 1)

    def write(self, key: str, picture: Tensor) -> None:
        """Keep a picture, uint8 (C, H, W). Where that fails, the log says so once, and no more is written."""
        if not self._works:
            return
        samples = picture.permute(1, 2, 0).contiguous().view(-1)
        path = self._path(key)
        part = part_of(path)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._make_room(len(samples) + _TRAILER.size)
            with part.open("xb") as file:  # not synchronised: the checksum finds what a power failure leaves
                file.write(samples.numpy().data)
                file.write(_trailer(samples, (picture.shape[0], picture.shape[1], picture.shape[2])))
            part.replace(path)
        except OSError as error:
            self._works = False
            with suppress(OSError):
                part.unlink()
            log.warning("decoded photos cannot be kept in %s: %s; they are decoded for each crop", self.folder, error)

    def _make_room(self, size: int) -> None:
        """Remove the files that were not used for longest, until one more of this size fits."""
        if self._written is not None and self._written + size < self.limit // _LOOKS:
            self._written += size
            return
        self._written = size
        files = sorted(self._files())
        used = sum(each for _, each, _ in files)
        for _, each, path in files:
            if used + size <= self.limit:
                break
            with suppress(OSError):  # Windows removes no file that is mapped
                path.unlink(missing_ok=True)
                used -= each

    def _files(self) -> list[tuple[float, int, Path]]:
        """Return when each file was last used, its size and its path; parts that were left are removed."""
        found = []
        with suppress(OSError), os.scandir(self.folder) as entries:  # none, or none that may be looked at
            for entry in entries:
                with suppress(FileNotFoundError):
                    status = entry.stat()
                    if entry.name.endswith(PART) and time.time() - status.st_mtime > _STALE:
                        Path(entry.path).unlink()
                    elif entry.name.endswith(_ENDING):
                        found.append((status.st_mtime, status.st_size, Path(entry.path)))
        return found

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_ENDING}"

    def _discard(self, path: Path) -> None:
        log.warning("%s is cut off or altered: the photo is decoded anew", path)
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _trailer(samples: Tensor, shape: Shape) -> bytes:
    return _TRAILER.pack(_MARK, shape[1], shape[2], shape[0], zlib.crc32(samples.numpy().data))
