"""The sizes of very many pictures: from the first bytes of their files, and next time from an index in the cache."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from perceptualloss.data.decoding import Size
from perceptualloss.data.picture_cache import cache_folder
from perceptualloss.errors import InputError
from perceptualloss.files import whole_file
from perceptualloss.pictures.heads import HEAD, plain_size
from perceptualloss.pictures.images import picture_size

log = logging.getLogger(__name__)

MANY = 5000  # files from which an index saves seconds
_THREADS, _PART = 8, 500  # disks answer several questions at once
_LINES = 20  # of the log, for what is skipped
_FORMAT = 1  # of the index

Entry = tuple[int, int, int, int]
"""Bytes of a file, when it was changed in nanoseconds, and height and width of its picture, 0 where not known."""
_UNKNOWN: Entry = (0, 0, 0, 0)


class Skipped:
    """Says of the first files that are skipped why, and of the others how many they are."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, file: Path, why: str) -> None:
        """Skip one."""
        self.count += 1
        if self.count <= _LINES:
            log.warning("skipped %s: %s", file, why)

    def close(self) -> None:
        """Say how many more there were."""
        if self.count > _LINES:
            log.warning("skipped %d more, for such reasons", self.count - _LINES)


def picture_sizes(files: Sequence[Path]) -> list[Size | None]:
    """Return (height, width) of each picture as reading it gives them; None for what is none, and the log says why.

    Of ``MANY`` files or more they are kept in the cache folder; a file whose length or time of change is another one is
    looked into again.
    """
    paths = [os.fspath(file) for file in files]
    place = _place(paths) if len(paths) >= MANY else None
    known = {} if place is None else _read(place)
    with ThreadPoolExecutor(_THREADS) as threads:
        parts = (paths[start : start + _PART] for start in range(0, len(paths), _PART))
        entries = [
            entry for part in threads.map(lambda part: [_entry(path, known) for path in part], parts) for entry in part
        ]
    skipped = Skipped()
    for i, entry in enumerate(entries):
        if not entry[2]:  # in this thread alone, because Python's warnings, which Pillow's are, know no threads
            try:
                entries[i] = (*entry[:2], *picture_size(paths[i]))
            except InputError as error:
                skipped.add(files[i], str(error))
    skipped.close()
    if place is not None and any(known.get(path) != entry for path, entry in zip(paths, entries, strict=True)):
        _write(place, paths, entries)
    shared: dict[Size, Size] = {}  # of a million photos few are of different sizes
    return [shared.setdefault(entry[2:], entry[2:]) if entry[2] else None for entry in entries]


def _entry(path: str, known: dict[str, Entry]) -> Entry:
    """Return what is known of a file, or what its first bytes say."""
    try:
        status = os.stat(path)  # noqa: PTH116  a million times
        before = known.get(path, _UNKNOWN)
        if before[:2] == (status.st_size, status.st_mtime_ns) or not stat.S_ISREG(status.st_mode):
            return before
        number = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            head = os.read(number, HEAD)
        finally:
            os.close(number)
    except OSError:  # reading the picture will say it
        return _UNKNOWN
    return status.st_size, status.st_mtime_ns, *(plain_size(head) or (0, 0))


def _place(paths: Sequence[str]) -> Path:
    """Return where the index of these files is: one for what all of their paths begin with."""
    common = os.path.commonprefix([str(Path(path).absolute()) for path in (min(paths), max(paths))])  # noqa: RUF071
    digest = hashlib.sha256(common.encode(errors="surrogateescape")).hexdigest()[:16]
    return cache_folder() / "sizes" / f"{digest}.npz"


def _read(place: Path) -> dict[str, Entry]:
    """Return the index, or an empty one where there is none that can be read."""
    try:
        with place.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            if stored["format"].tolist() != _FORMAT:
                return {}
            names = stored["names"].tobytes().decode(errors="surrogateescape").split("\0")
            rows = stored["entries"].tolist()
        return dict(zip(names, map(tuple, rows), strict=True))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        log.info("the index %s is made anew: %s", place, error)
        return {}


def _write(place: Path, paths: Sequence[str], entries: Sequence[Entry]) -> None:
    names = "\0".join(paths).encode(errors="surrogateescape")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(place) as file:
            np.savez(
                file,
                format=np.int64(_FORMAT),
                names=np.frombuffer(names, np.uint8),
                entries=np.array(entries, np.int64).reshape(-1, 4),
            )
    except OSError as error:
        log.info("the sizes of the photos cannot be kept in %s: %s", place, error)
