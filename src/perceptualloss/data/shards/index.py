"""The index of a shard: where each picture lies and how large it is, so that one is read without the others."""

from __future__ import annotations

import hashlib
import json
import logging
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from perceptualloss.errors import InputError
from perceptualloss.pictures.decode import picture_sides
from perceptualloss.pictures.images import READ_SUFFIXES
from perceptualloss.pictures.reading.decoded import MAX_PIXELS, Request
from perceptualloss.pictures.refusals import refusing

log = logging.getLogger(__name__)

ENDING = ".index.json"  # behind the shard's name
LARGEST_MEMBER = 2**28  # bytes of a picture in a shard
LARGEST_INDEX = 2**30
_VERSION = 1
_HEAD = 2**18  # bytes, in which nearly all files say how large the picture is
_LONGEST = 2**20  # bytes of a header, which may say that it is of any size
_COLUMNS = ("offsets", "lengths", "heights", "widths")

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Index:
    """Where the N pictures of a shard lie, in the order of the shard.

    It is stored beside the shard, as ``photos-000000.tar.index.json``.

    Attributes:
        size: the size of the shard in bytes.
        offsets: at which byte each picture begins, (N,).
        lengths: the size of each picture in bytes, (N,).
        heights: the height of each picture in pixels, upright, as it is read, (N,).
        widths: the width, likewise, (N,).
        names: the pictures' names in the shard, a line each.
        left_out: how many other things are in the shard, by kind.
    """

    size: int
    offsets: Numbers
    lengths: Numbers
    heights: Numbers
    widths: Numbers
    names: str
    left_out: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.offsets)

    def name(self, number: int) -> str:
        """Return the name in the shard of picture ``number``, from 0."""
        return self.names.split("\n")[number]

    def digest(self) -> str:
        """Return a hash of names and sizes, 16 hexadecimal digits."""
        told = f"{self.size}\n{self.names}\n".encode(errors="surrogateescape")
        return hashlib.sha256(told + self.lengths.tobytes()).hexdigest()[:16]

    def to_json(self) -> bytes:
        """Return the index as JSON, as it is stored."""
        columns = {name: getattr(self, name).tolist() for name in _COLUMNS}
        names = self.names.split("\n") if len(self) else []
        told = {"version": _VERSION, "bytes": self.size, "left_out": dict(self.left_out), "names": names, **columns}
        return json.dumps(told, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: bytes, where: str) -> Index:
        """Read what :meth:`to_json` wrote. All that it says is checked, because anyone may have written it.

        Args:
            data: the content of the index.
            where: where it is from, for messages.

        Raises:
            InputError: for anything else, or a picture that would end behind the shard's end.
        """
        try:
            told = json.loads(data)
            if told["version"] != _VERSION:
                raise ValueError(f"version {told['version']}")
            columns = {name: _whole_numbers(told[name]) for name in _COLUMNS}
            names = [str(name) for name in told["names"]]
            left_out = {str(kind)[:40]: int(count) for kind, count in told["left_out"].items()}
            index = cls(int(told["bytes"]), **columns, names=_lines(names), left_out=left_out)
            index._check(len(names))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            remedy = "Delete it: it is then made anew."
            raise InputError(f"the index of a shard in {where}", f"{type(error).__name__}: {error}", remedy) from error
        return index

    def _check(self, names: int) -> None:
        if not len(self.offsets) == len(self.lengths) == len(self.heights) == len(self.widths) == names:
            raise ValueError("columns of different lengths")
        pixels = self.heights.astype(np.float64) * self.widths
        inside = (self.offsets >= 0) & (self.lengths > 0) & (self.offsets <= self.size - self.lengths)
        fair = (self.lengths <= LARGEST_MEMBER) & (self.heights > 0) & (self.widths > 0) & (pixels <= MAX_PIXELS)
        if not (inside & fair).all():
            raise ValueError(f"a picture that cannot be, number {int(np.argmin(inside & fair))}")


def _whole_numbers(values: Any) -> Numbers:
    numbers = np.array(values)
    if numbers.ndim != 1 or (numbers.size and numbers.dtype != np.int64):
        raise ValueError("no list of whole numbers")
    return numbers.astype(np.int64)


def _lines(names: list[str]) -> str:
    return "\n".join(" ".join(name.splitlines()) for name in names)


def make_index(file: BinaryIO, size: int, shard: str) -> Index:
    """Make the index of a shard. Of the shard it reads the headers, and the beginning of each picture.

    Args:
        file: the shard, opened for reading bytes.
        size: its size in bytes.
        shard: its name, for messages.

    Raises:
        InputError: for a file that is no tar, or a tar that is compressed, broken or cut off.
    """
    rows, names, left_out = list[tuple[int, int, int, int]](), list[str](), Counter[str]()
    for name, offset, length in _members(file, size, shard, left_out):
        sides = _sides(file, offset, length, f"{name} in {shard}")
        if sides is None:
            left_out["no picture"] += 1
        else:
            rows.append((offset, length, *sides))
            names.append(name)
    table = np.array(rows, np.int64).reshape(-1, 4)
    columns = {name: np.ascontiguousarray(table[:, n]) for n, name in enumerate(_COLUMNS)}
    return Index(size, **columns, names=_lines(names), left_out=left_out)


class _Headers:
    """A file of which only headers are read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.tell, self.seek = file.tell, file.seek

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LONGEST:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self._file.read(size)


def _members(file: BinaryIO, size: int, shard: str, left_out: Counter[str]) -> Iterator[tuple[str, int, int]]:
    """Go through the files of a tar that may be pictures: name, first byte, and size in bytes."""
    try:
        with tarfile.open(fileobj=_Headers(file), mode="r:") as tar:  # type: ignore[call-overload]
            while (member := tar.next()) is not None:
                tar.members = []  # it would keep all of them
                end = member.offset_data + member.size
                if member.isreg() and end > size:
                    raise tarfile.ReadError(f"{member.name!r} ends at byte {end} of {size}")
                kind = _why_not(member)
                if kind:
                    left_out[kind] += 1
                else:
                    yield member.name, member.offset_data, member.size
            file.seek(tar.offset)
            end = file.read(tarfile.BLOCKSIZE)
            if any(end) or not end:
                what = "what is no header" if end else "the end, without the block that marks it,"
                raise tarfile.ReadError(f"{what} at byte {tar.offset}")
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise InputError(
            f"a whole tar file, not compressed, in {shard}", str(error), "Pack it or get it anew."
        ) from error


def _why_not(member: tarfile.TarInfo) -> str:
    """Return what a member is if it cannot be a picture, and "" if it may be one."""
    ending = PurePosixPath(member.name).suffix.lower()
    if not member.isreg():
        return "folder" if member.isdir() else "link or device"
    if member.issparse():
        return "sparse file"
    if ending not in READ_SUFFIXES:
        return ending[:20] or "without an ending"
    if PurePosixPath(member.name).name.startswith("."):
        return "hidden file"
    return "empty or too large" if not 0 < member.size <= LARGEST_MEMBER else ""


class _Silent(Request):
    """Says nothing of what is odd about a picture: that is said when the picture is read."""

    def say(self, remark: str) -> None:
        """Say nothing."""


def _sides(file: BinaryIO, offset: int, length: int, name: str) -> tuple[int, int] | None:
    """Return height and width in pixels of a picture in a shard; None, and a warning, if it is no picture."""
    for size in sorted({min(_HEAD, length), length}):
        file.seek(offset)
        data = file.read(size)
        try:
            with refusing(name):
                return picture_sides(BytesIO(data), _Silent(name))
        except InputError as error:
            why = error.got
    log.warning("left out %s: %s", name, why)
    return None
