"""The boxes of ISO base media files (AVIF, HEIF), JPEG 2000 and JPEG XL, as far as colours and depths are in them.

Sources: ISO/IEC 14496-12 (boxes), 23008-12 (item properties), 15444-1 annex I (JP2).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_PARENTS = {b"meta": 4, b"iprp": 0, b"ipco": 0, b"jp2h": 0}  # and how many bytes stand before what is in them


@dataclass(frozen=True)
class Colours:
    """What the boxes say of colours: an ICC profile, or codes of ITU-T H.273, or a number of JPEG 2000's list."""

    profile: bytes | None = None
    codes: tuple[int, int] | None = None
    listed: int | None = None


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, bytes]]:
    """Go through the boxes and those within, as far as they are whole: name and content."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1 and start + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            head = 16
        size = size or end - start
        if size < head or start + size > end:
            return
        if name in _PARENTS:
            yield from boxes(data, start + head + _PARENTS[name], start + size)
        else:
            yield name, data[start + head : start + size]
        start += size


def colours(data: bytes) -> Colours:
    """Return what the file says of its colours; a profile counts more than codes."""
    found = Colours()
    for name, body in boxes(data):
        if name != b"colr":
            continue
        if body[:4] in (b"prof", b"rICC"):
            return Colours(profile=body[4:])
        if body[:4] == b"nclx" and found.codes is None:
            found = Colours(codes=struct.unpack_from(">HH", body, 4))
        elif body[0] in (2, 3):
            return Colours(profile=body[3:])
        elif body[0] == 1 and len(body) >= 7 and found.listed is None:
            found = Colours(listed=struct.unpack_from(">I", body, 3)[0])
    return found
