"""EXIF data as directories of tags, whose values stay the bytes that they are.

Pillow reads and writes EXIF through Python's types, which loses the types and every letter beyond ASCII.

Source: TIFF 6.0 (1992), section 2; Exif 2.32 (CIPA DC-008).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from mmap import mmap
from typing import Literal, NamedTuple

EXIF, GPS, INTEROPERABILITY = 0x8769, 0x8825, 0xA005  # tags that point to directories
ORIENTATION, DESCRIPTION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, XMP = 0x0112, 0x010E, 0x011A, 0x011B, 0x0128, 700
IPTC = 33723
WIDTH, HEIGHT, COLOUR_SPACE = 0xA002, 0xA003, 0xA001
SHORT, LONG, RATIONAL = 3, 4, 5

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}  # bytes of a value, by type
_ENTRY = 12
_PREFIX = b"Exif\0\0"


class Value(NamedTuple):
    """What a tag holds: values of a type, as bytes in the order of the file."""

    type: int
    data: bytes


Directory = dict[int, Value]


@dataclass(frozen=True)
class Exif:
    """The tags of a file.

    Attributes:
        order: of the bytes, "<" or ">".
        main: what stands with the pixels in TIFF: camera, date, author.
        inner: the other directories, by the tag that points to each.
        damaged: how many tags were not readable.
    """

    order: Literal["<", ">"]
    main: Directory
    inner: dict[int, Directory]
    damaged: int = 0

    def number(self, tag: int, where: int | None = None) -> float | None:
        """Return the first number of a tag in the main directory, or in that which ``where`` points to."""
        value = (self.main if where is None else self.inner.get(where, {})).get(tag)
        if value is None or value.type not in (SHORT, LONG, RATIONAL):
            return None
        letters = {SHORT: "H", LONG: "I", RATIONAL: "II"}[value.type]
        if len(value.data) < struct.calcsize(f"={letters}"):
            return None
        first, *second = struct.unpack_from(f"{self.order}{letters}", value.data)
        return float(first) if not second else first / second[0] if second[0] else None

    def whole(self, type_: int, *numbers: int) -> Value:
        """Return whole numbers as the value of a tag."""
        letter = "H" if type_ == SHORT else "I"
        return Value(type_, struct.pack(f"{self.order}{len(numbers)}{letter}", *numbers))

    def of_picture(self, width: int, height: int, dpi: tuple[float, float] | None) -> Exif:
        """Return what is true of a picture that was made from the first one: upright, sRGB, of another size."""
        main = dict(self.main)
        if ORIENTATION in main:
            main[ORIENTATION] = self.whole(SHORT, 1)
        if dpi is not None:
            for tag, value in zip((X_RESOLUTION, Y_RESOLUTION), dpi, strict=True):
                main[tag] = self.whole(RATIONAL, round(value * 1000), 1000)
            main[RESOLUTION_UNIT] = self.whole(SHORT, 2)
        inner = {pointer: dict(directory) for pointer, directory in self.inner.items()}
        if EXIF in inner:
            new = {WIDTH: self.whole(LONG, width), HEIGHT: self.whole(LONG, height)}
            new[COLOUR_SPACE] = self.whole(SHORT, 1)
            inner[EXIF] |= {tag: value for tag, value in new.items() if tag in inner[EXIF]}
        return replace(self, main=main, inner=inner)

    def without(self, tag: int) -> Exif:
        """Return the tags without one of the main directory."""
        return replace(self, main={other: value for other, value in self.main.items() if other != tag})

    def encoded(self) -> bytes:
        """Return the data as they stand in files, without "Exif" before them."""
        mark = b"II*\0" if self.order == "<" else b"MM\0*"
        return mark + struct.pack(f"{self.order}I", 8) + self.directories(8, self.main, 0)

    def directories(self, start: int, main: Directory, following: int) -> bytes:
        """Return all directories as they stand from byte ``start`` of a file on.

        Args:
            start: where they begin, an even number.
            main: the main directory, in place of one's own.
            following: where the main directory after it begins; 0 if there is none.
        """
        pointers = [tag for tag in (EXIF, GPS) if self.inner.get(tag)]
        links = {tag: Value(LONG, bytes(4)) for tag in pointers}
        place = start + _length(main | links)
        after = b""
        for tag in pointers:
            directory = self.inner[tag]
            if tag == EXIF and self.inner.get(INTEROPERABILITY):
                directory = directory | {INTEROPERABILITY: Value(LONG, bytes(4))}
                where = place + len(after) + _length(directory)
                directory[INTEROPERABILITY] = self.whole(LONG, where)
                last = self._directory(self.inner[INTEROPERABILITY], where, 0)
            else:
                last = b""
            links[tag] = self.whole(LONG, place + len(after))
            after += self._directory(directory, place + len(after), 0) + last
        return self._directory(main | links, start, following) + after

    def _directory(self, directory: Directory, start: int, following: int) -> bytes:
        """Return a directory as it stands at byte ``start`` of a file, with the values that it has not room for."""
        entries, values = b"", b""
        place = start + 2 + _ENTRY * len(directory) + 4
        for tag, value in sorted(directory.items()):
            number = len(value.data) // _SIZES[value.type]
            entries += struct.pack(f"{self.order}HHI", tag, value.type, number)
            if len(value.data) <= 4:
                entries += value.data.ljust(4, b"\0")
            else:
                entries += struct.pack(f"{self.order}I", place + len(values))
                values += value.data + bytes(len(value.data) % 2)
        count = struct.pack(f"{self.order}H", len(directory))
        return count + entries + struct.pack(f"{self.order}I", following) + values


def _length(directory: Directory) -> int:
    long = sum(len(v.data) + len(v.data) % 2 for v in directory.values() if len(v.data) > 4)
    return 2 + _ENTRY * len(directory) + 4 + long


def parse(data: bytes) -> Exif:
    """Return the tags of EXIF data or of a TIFF file's first picture.

    The directory of the thumbnail is left out. A tag whose values are not there is left out and counted.

    Raises:
        ValueError: no such data, or a main directory that is not there.
    """
    data = data.removeprefix(_PREFIX)
    order: Literal["<", ">"] = "<" if data[:2] == b"II" else ">"
    if data[:4] not in (b"II*\0", b"MM\0*") or len(data) < 8:
        raise ValueError("they do not begin as EXIF data do")
    main, damaged = read_directory(data, struct.unpack_from(f"{order}I", data, 4)[0], order)
    found = Exif(order, main, {})
    for tag, holder in ((EXIF, None), (GPS, None), (INTEROPERABILITY, EXIF)):
        where = found.number(tag, holder)
        holders = found.main if holder is None else found.inner.get(holder, {})
        holders.pop(tag, None)
        if where is not None:
            try:
                found.inner[tag], more = read_directory(data, int(where), order)
            except ValueError:
                more = 1
            damaged += more
    return replace(found, damaged=damaged)


def read_directory(data: bytes | mmap, start: int, order: str) -> tuple[Directory, int]:
    """Return the directory at a byte of TIFF's structure, and how many of its tags were not readable.

    Raises:
        ValueError: a place outside the data.
    """
    if not 8 <= start <= len(data) - 2:
        raise ValueError("a directory of them lies outside")
    directory, damaged, room = Directory(), 0, 2 * len(data)
    (count,) = struct.unpack_from(f"{order}H", data, start)
    for entry in range(start + 2, start + 2 + _ENTRY * count, _ENTRY):
        if entry + _ENTRY > len(data):
            return directory, damaged + 1
        tag, kind, number = struct.unpack_from(f"{order}HHI", data, entry)
        length = _SIZES.get(kind, 0) * number
        where = entry + 8 if length <= 4 else struct.unpack_from(f"{order}I", data, entry + 8)[0]
        room -= length  # values may overlap, but not make a large file of a small one
        if not length or where + length > len(data) or room < 0:
            damaged += kind not in _SIZES or length > 0  # without values it says nothing
            continue
        directory[tag] = Value(kind, data[where : where + length])
    return directory, damaged
