"""PNG files in strips: libpng chooses the filter of each row, zlib compresses strips on all cores.

Source: PNG specification, third edition (W3C, 2025), sections 7, 10 and 11; RFC 1950 and 1951.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import imagecodecs
import numpy as np

from perceptualloss.pictures.rows import Rows, Samples, on_all_cores

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by the number of channels
_STRIP = 1 << 20  # bytes that are compressed as one: each strip starts without the window of the one before
_LEVEL = 4  # of zlib: a third of the time of its usual 6, and files of within 4% of its
_BODY = 1 << 20  # bytes in an IDAT chunk
_HEAD = b"\x78\x01"  # of a zlib stream
_END = b"\x03\x00"  # a last block without content


def write_png(file: BinaryIO, rows: Rows, chunks: bytes) -> None:
    """Write a PNG file whose ``chunks`` stand between its header and its pixels."""
    file.write(head(rows) + chunks)
    for body in bodies(rows):
        file.write(chunk(b"IDAT", body))
    file.write(chunk(b"IEND", b""))


def head(rows: Rows) -> bytes:
    """Return the signature and the header."""
    colours = _COLOUR_TYPES[rows.channels]
    return SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", rows.width, rows.height, rows.bits, colours, 0, 0, 0))


def bodies(rows: Rows) -> Iterator[bytes]:
    """Yield what stands in the IDAT chunks: one zlib stream of filtered rows, at most 1 MiB at once."""
    check, waiting = zlib.adler32(b""), bytearray(_HEAD)
    strips = rows.strips(max(1, _STRIP // rows.row_size))
    for filtered, compressed in on_all_cores(_compressed, itertools.pairwise(itertools.chain([None], strips))):
        check = zlib.adler32(filtered, check)
        waiting += compressed
        while len(waiting) > _BODY:
            yield bytes(waiting[:_BODY])
            del waiting[:_BODY]
    yield bytes(waiting) + _END + struct.pack(">I", check)


def _compressed(strips: tuple[Samples | None, Samples | None]) -> tuple[bytes, bytes]:
    """Return the filtered rows of the second strip, and what they come to: whole bytes of a stream that goes on.

    Filters look at the row before, the last one of the first strip.
    """
    before, samples = strips
    assert samples is not None
    filtered = _filtered(samples if before is None else np.concatenate([before[-1:], samples]))
    if before is not None:
        filtered = filtered[len(filtered) // (len(samples) + 1) :]
    press = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zlib.Z_FILTERED)
    return filtered, press.compress(filtered) + press.flush(zlib.Z_SYNC_FLUSH)


def _filtered(samples: Samples) -> bytes:
    """Return rows as PNG filters them: a PNG file without compression is opened again."""
    data = bytes(imagecodecs.png_encode((samples[..., 0] if samples.shape[2] == 1 else samples).copy(), 0))
    place, found = len(SIGNATURE), list[bytes]()
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        if kind == b"IDAT":
            found.append(data[place + 8 : place + 8 + length])
        place += 12 + length
    return zlib.decompress(b"".join(found))


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG file."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
