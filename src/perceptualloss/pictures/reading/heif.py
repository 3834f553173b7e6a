"""AVIF and HEIC: the codes for colours, and samples of 10 and 12 bits, of which Pillow keeps 8."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import imagecodecs
import numpy as np

from perceptualloss.errors import InputError
from perceptualloss.pictures.reading.boxes import boxes, colours
from perceptualloss.pictures.reading.coded import coded_profile
from perceptualloss.pictures.reading.decoded import Decoded, Request, Source, apart, divided, unit
from perceptualloss.pictures.reading.pillow import pillow_source

_INSTALL = "pip install 'perceptualloss[heic]'"
_BRANDS = 1024  # bytes in which they are looked for
_AVIF = (b"avif", b"avis")
_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def heif_source(data: bytes, request: Request) -> Source | None:
    """Open an AVIF or HEIC file; None for others."""
    if data[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(data[:4], "big"), len(data), _BRANDS)
    brands = {data[place : place + 4] for place in (8, *range(16, end, 4))}
    if brands & set(_AVIF):
        return _avif(data, request)
    return _heic(data, request) if brands & set(_HEIF) else None


def _avif(data: bytes, request: Request) -> Source:
    source = pillow_source(data, request)
    bits = max((_av1_bits(body) for name, body in boxes(data) if name == b"av1C"), default=8)
    codes = colours(data).codes

    def decode(index: int) -> Decoded:
        picture = source.decode(index)  # for its orientation, profile and duration, too
        if bits > 8:
            samples = unit(imagecodecs.avif_decode(data, index=index), 2**bits - 1)
            deep = apart(samples, bits=16)
            picture = replace(picture, values=deep.values, alpha=deep.alpha, space=deep.space, bits=16)
        if picture.profile is None and codes is not None:
            picture = replace(picture, profile=coded_profile(*codes, request))
        return picture

    return replace(source, decode=decode)


def _av1_bits(body: bytes) -> int:
    """Return the bits a sample; AV1-ISOBMFF, 2.3.3."""
    return (12 if body[2] & 0x20 else 10) if body[2] & 0x40 else 8


def _heic(data: bytes, request: Request) -> Source:
    if find_spec("pillow_heif") is None:
        raise InputError("pillow-heif, which decodes HEIC", f"no such package here, for {request.name}", _INSTALL)
    import pillow_heif  # noqa: PLC0415 (an extra)

    file = pillow_heif.open_heif(data, convert_hdr_to_8bit=False, hdr_to_16bit=False)
    request.check_size(*file.size)
    if len(file) > 1:
        request.say(f"of its {len(file)} pictures the main one is read")
    image = file[file.primary_index]
    return Source(lambda index: _heic_picture(image, request))


def _heic_picture(image: Any, request: Request) -> Decoded:
    """Return what libheif decodes; it turns pictures by itself."""
    mode, _, depth = image.mode.partition(";")
    bits = int(depth.rstrip("L") or 8)
    picture = apart(unit(np.asarray(image), 2**bits - 1), bits=8 if bits == 8 else 16)
    if mode.endswith("a") and picture.alpha is not None:
        picture = replace(picture, values=divided(picture))
    nclx = image.info.get("nclx_profile")
    profile = image.info.get("icc_profile")
    if not profile and nclx:
        profile = coded_profile(int(nclx["color_primaries"]), int(nclx["transfer_characteristics"]), request)
    return replace(picture, profile=profile)
