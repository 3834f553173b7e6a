"""JPEG 2000: its colours, which Pillow does not tell, and samples of more than 8 bits."""

from __future__ import annotations

from dataclasses import replace

import imagecodecs
import numpy as np

from perceptualloss.pictures.reading.boxes import colours
from perceptualloss.pictures.reading.decoded import Decoded, Request, Source, apart, unit
from perceptualloss.pictures.reading.pillow import pillow_source

BOX, CODESTREAM = b"\x00\x00\x00\x0cjP  ", b"\xff\x4f\xff\x51"
_SRGB, _GREY, _SYCC = 16, 17, 18


def jpeg_2000_source(data: bytes, request: Request) -> Source:
    """Open a JP2 file or a bare codestream."""
    source = pillow_source(data, request)
    said = colours(data) if data.startswith(BOX) else None
    bits = _bits(data)

    def decode(index: int) -> Decoded:
        if bits <= 8:
            picture = source.decode(index)
        elif said is not None and said.listed not in (None, _SRGB, _GREY):
            raise request.refuse(f"JPEG 2000 of {bits} bits in colours that are neither RGB nor grey")
        else:
            picture = apart(unit(_samples(data), 2**bits - 1), bits=16)
        return picture if said is None else replace(picture, profile=said.profile)

    return replace(source, decode=decode)


def _bits(data: bytes) -> int:
    """Return the most bits of a component; 15444-1, A.5.1: each has a byte in SIZ, one less, and a sign's bit."""
    start = data.index(CODESTREAM) + 4
    count = int.from_bytes(data[start + 36 : start + 38], "big")
    sizes = data[start + 38 : start + 38 + 3 * count : 3]
    if any(size & 0x80 for size in sizes):
        raise ValueError("samples with a sign")
    return max((size & 0x7F) + 1 for size in sizes)


def _samples(data: bytes) -> np.ndarray:
    return np.asarray(imagecodecs.jpeg2k_decode(data))
