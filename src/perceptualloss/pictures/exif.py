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
SHORT, LONG, RATIONAL, LONG8 = 3, 4, 5, 16

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}  # bytes of a value, by type
_SIZES |= {LONG8: 8, 17: 8, 18: 8}  # in BigTIFF
_STRUCTURE = (273, 279, 324, 325, 330)  # where the strips, tiles and other directories of a TIFF are
_LETTERS = {SHORT: "H", LONG: "I", RATIONAL: "II", 13: "I", LONG8: "Q", 18: "Q"}
_PREFIX = b"Exif\0\0"


class Value(NamedTuple):
    """What a tag holds: values of a type, as bytes in the order of the file."""

    type: int
    data: bytes


Directory = dict[int, Value]


@dataclass(frozen=True)
class Width:
    """How wide numbers are in directories: of TIFF and EXIF data, or of BigTIFF.

    Attributes:
        count: the letter of how many entries a directory has.
        place: the letter of places in the file, and of how many values a tag has.
        inline: bytes of values that stand in an entry.
        pointer: the type of tags that point to directories.
    """

    count: str = "H"
    place: str = "I"
    inline: int = 4
    pointer: int = LONG

    @property
    def head(self) -> int:
        """Bytes before the entries of a directory."""
        return struct.calcsize(f"={self.count}")

    @property
    def entry(self) -> int:
        """Bytes of an entry."""
        return 4 + 2 * self.inline


NARROW = Width()
WIDE = Width("Q", "Q", 8, LONG8)


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
        letters = None if value is None else _LETTERS.get(value.type)
        if value is None or letters is None:
            return None
        if len(value.data) < struct.calcsize(f"={letters}"):
            return None
        first, *second = struct.unpack_from(f"{self.order}{letters}", value.data)
        return float(first) if not second else first / second[0] if second[0] else None

    def whole(self, type_: int, *numbers: int) -> Value:
        """Return whole numbers as the value of a tag."""
        letter = {SHORT: "H", LONG8: "Q"}.get(type_, "I")
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

    def directories(self, start: int, main: Directory, following: int, width: Width = NARROW) -> bytes:
        """Return all directories as they stand from byte ``start`` of a file on.

        Args:
            start: where they begin, an even number.
            main: the main directory, in place of one's own.
            following: where the main directory after it begins; 0 if there is none.
            width: of their numbers.
        """
        pointers = [tag for tag in (EXIF, GPS) if self.inner.get(tag)]
        link = Value(width.pointer, bytes(width.inline))
        links = dict.fromkeys(pointers, link)
        place = start + _length(main | links, width)
        after = b""
        for tag in pointers:
            directory = self.inner[tag]
            if tag == EXIF and self.inner.get(INTEROPERABILITY):
                directory = directory | {INTEROPERABILITY: link}
                where = place + len(after) + _length(directory, width)
                directory[INTEROPERABILITY] = self.whole(width.pointer, where)
                last = self._directory(self.inner[INTEROPERABILITY], where, 0, width)
            else:
                last = b""
            links[tag] = self.whole(width.pointer, place + len(after))
            after += self._directory(directory, place + len(after), 0, width) + last
        return self._directory(main | links, start, following, width) + after

    def _directory(self, directory: Directory, start: int, following: int, width: Width) -> bytes:
        """Return a directory as it stands at byte ``start`` of a file, with the values that it has not room for."""
        entries, values = b"", b""
        place = start + width.head + width.entry * len(directory) + width.inline
        for tag, value in sorted(directory.items()):
            number = len(value.data) // _SIZES[value.type]
            entries += struct.pack(f"{self.order}HH{width.place}", tag, value.type, number)
            if len(value.data) <= width.inline:
                entries += value.data.ljust(width.inline, b"\0")
            else:
                entries += struct.pack(f"{self.order}{width.place}", place + len(values))
                values += value.data + bytes(len(value.data) % 2)
        count = struct.pack(f"{self.order}{width.count}", len(directory))
        return count + entries + struct.pack(f"{self.order}{width.place}", following) + values


def _length(directory: Directory, width: Width) -> int:
    long = sum(len(v.data) + len(v.data) % 2 for v in directory.values() if len(v.data) > width.inline)
    return width.head + width.entry * len(directory) + width.inline + long


def parse(data: bytes) -> Exif:
    """Return the tags of EXIF data or of a TIFF file's first picture.

    The directory of the thumbnail is left out. A tag whose values are not there is left out and counted.

    Raises:
        ValueError: no such data, or a main directory that is not there.
    """
    data = data.removeprefix(_PREFIX)
    order: Literal["<", ">"] = "<" if data[:2] == b"II" else ">"
    width = WIDE if data[:4] in (b"II+\0", b"MM\0+") else NARROW
    if data[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+") or len(data) < 2 * width.inline:
        raise ValueError("they do not begin as EXIF data do")
    (start,) = struct.unpack_from(f"{order}{width.place}", data, width.inline)
    main, damaged = read_directory(data, start, order, width)
    found = Exif(order, main, {})
    for tag, holder in ((EXIF, None), (GPS, None), (INTEROPERABILITY, EXIF)):
        where = found.number(tag, holder)
        holders = found.main if holder is None else found.inner.get(holder, {})
        holders.pop(tag, None)
        if where is not None:
            try:
                found.inner[tag], more = read_directory(data, int(where), order, width)
            except ValueError:
                more = 1
            damaged += more
    for directory in (main, *found.inner.values()):
        for tag in [tag for tag, value in directory.items() if value.type >= LONG8]:  # of BigTIFF alone
            del directory[tag]
            damaged += tag not in _STRUCTURE
    return replace(found, damaged=damaged)


def read_directory(data: bytes | mmap, start: int, order: str, width: Width = NARROW) -> tuple[Directory, int]:
    """Return the directory at a byte of TIFF's structure, and how many of its tags were not readable.

    Raises:
        ValueError: a place outside the data.
    """
    if not 8 <= start <= len(data) - width.head:
        raise ValueError("a directory of them lies outside")
    directory, damaged, room = Directory(), 0, 2 * len(data)
    (count,) = struct.unpack_from(f"{order}{width.count}", data, start)
    for entry in range(start + width.head, start + width.head + width.entry * count, width.entry):
        if entry + width.entry > len(data):
            return directory, damaged + 1
        tag, kind, number = struct.unpack_from(f"{order}HH{width.place}", data, entry)
        length, where = _SIZES.get(kind, 0) * number, entry + 4 + width.inline
        if length > width.inline:
            (where,) = struct.unpack_from(f"{order}{width.place}", data, where)
        room -= length  # values may overlap, but not make a large file of a small one
        if not length or where + length > len(data) or room < 0:
            damaged += kind not in _SIZES or length > 0  # without values it says nothing
            continue
        directory[tag] = Value(kind, data[where : where + length])
    return directory, damaged
