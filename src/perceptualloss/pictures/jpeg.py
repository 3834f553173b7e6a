"""JPEG files in strips: Pillow encodes each, and they follow one another as the restart intervals of one picture.

After a restart marker nothing depends on what stands before it. With an interval of one row of blocks, eight rows of
them end where the markers' numbers begin anew, so that the bytes are those that Pillow writes for the whole picture
with ``restart_marker_rows=1``.

Source: ITU-T T.81 (1992), sections B.2 and F.1.1.5.
"""

from __future__ import annotations

import io
import struct
from typing import Any, BinaryIO

from PIL import Image

from perceptualloss.pictures.rows import Rows, Samples, on_all_cores

_STRIP = 64  # rows: eight rows of blocks of 8 x 8, without subsampling
_SETTINGS: dict[str, Any] = {"quality": 95, "subsampling": 0, "restart_marker_rows": 1}
_LAST = b"\xff\xd7"  # the eighth restart marker
_END = b"\xff\xd9"
_SCAN, _FRAME = 0xDA, 0xC0


def write_jpeg(file: BinaryIO, rows: Rows, options: dict[str, Any]) -> None:
    """Write a JPEG file of grey or RGB samples of 8 bits; ``options`` are Pillow's, of what is beside the pixels."""
    strips = rows.strips(_STRIP)
    first = bytearray(_encoded(next(strips), **options))
    frame, _ = _segments(first)
    struct.pack_into(">H", first, frame + 5, rows.height)
    file.write(first[:-2])
    for strip in on_all_cores(_encoded, strips):
        _, pixels = _segments(strip)
        file.write(_LAST + strip[pixels:-2])
    file.write(_END)


def _encoded(samples: Samples, **options: Any) -> bytes:
    picture = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", **_SETTINGS, **options)
    return buffer.getvalue()


def _segments(data: bytes | bytearray) -> tuple[int, int]:
    """Return where a file has its frame's header, and where its compressed pixels begin."""
    place, frame = 2, 0
    while data[place + 1] != _SCAN:
        if data[place + 1] == _FRAME:
            frame = place
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
    return frame, place + 2 + int.from_bytes(data[place + 2 : place + 4])
