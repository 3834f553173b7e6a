"""PNG: samples of 16 bits, of which Pillow keeps 8, and the codes for colours, which it does not give."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import replace

import imagecodecs

from perceptualloss.pictures.reading.coded import coded_profile
from perceptualloss.pictures.reading.decoded import Decoded, Request, Source, apart, unit
from perceptualloss.pictures.reading.pillow import beside_pixels, open_pillow, pillow_source

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png_source(data: bytes, request: Request) -> Source:
    """Open a PNG. The first of its chunks cICP, iCCP, sRGB, gAMA with cHRM says its colours (PNG, third edition)."""
    source = pillow_source(data, request)
    deep = data[24:25] == b"\x10"
    coded = next((body for name, body in _chunks(data) if name == b"cICP"), None)

    def decode(index: int) -> Decoded:
        picture = _deep(data, request) if deep and not source.animated else source.decode(index)
        if coded is None:
            return picture
        return replace(picture, profile=coded_profile(coded[0], coded[1], request))

    if deep and source.animated:
        request.say("an animation of 16 bits a channel is read with 8")
    return replace(source, decode=decode)


def _deep(data: bytes, request: Request) -> Decoded:
    """Read 16 bits; a colour that is to be transparent (tRNS) comes as opacity."""
    profile, orientation = beside_pixels(open_pillow(io.BytesIO(data), request), request)
    return apart(unit(imagecodecs.png_decode(data), 65535), 16, profile, orientation)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Go through the chunks before the pixels."""
    place = len(SIGNATURE)
    while place + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, place)
        if name == b"IDAT":
            return
        yield name, data[place + 8 : place + 8 + size]
        place += size + 12
