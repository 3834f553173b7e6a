"""TIFF: samples of any number of bits and any meaning, by tifffile and imagecodecs.

Sources: TIFF 6.0 and its supplements.
"""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from perceptualloss.pictures.reading.decoded import (
    Decoded,
    Floats,
    Request,
    Samples,
    Source,
    Space,
    divided,
    flipped,
    floating,
    unit,
)
from perceptualloss.pictures.reading.pillow import open_pillow, pillow_picture

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SPACES: dict[int, Space] = {0: "grey", 1: "grey", 2: "rgb", 3: "rgb", 5: "cmyk", 6: "rgb", 8: "lab", 9: "lab"}
_CHANNELS = {"grey": 1, "rgb": 3, "cmyk": 4, "lab": 3}
_MIN_IS_WHITE, _PALETTE, _YCBCR, _CIELAB = 0, 3, 6, 8
_PHOTOMETRIC, _ORIENTATION, _INK_SET, _PROFILE, _DNG = 262, 274, 332, 34675, 50706
_JPEG = 7
_ASSOCIATED, _UNASSOCIATED = 1, 2
_SEPARATE = 2


def tiff_source(data: bytes, request: Request) -> Source:
    """Open a TIFF; its pages are the pictures, and what is marked as a smaller copy or a mask is none."""
    whole = _pages(io.BytesIO(data), request)
    return Source(lambda index: _page(data, whole[index], request), len(whole))


def tiff_sides(stream: BinaryIO, request: Request) -> tuple[int, int]:
    """Return height and width of the first page, upright, without decoding it."""
    page = _pages(stream, request)[0]
    turned = page.tags.valueof(_ORIENTATION) in range(5, 9)
    return (page.imagewidth, page.imagelength) if turned else (page.imagelength, page.imagewidth)


def _pages(stream: BinaryIO, request: Request) -> list[Any]:
    """Return the pages that are pictures of their own."""
    pages: list[Any] = list(tifffile.TiffFile(stream).pages)
    stream.seek(8)
    if stream.read(2) == b"CR" or any(_DNG in page.tags for page in pages):
        raise request.refuse("a raw photo of a camera", "Develop it first, into a TIFF or PNG.")
    whole = [page for page in pages if not page.is_reduced and not page.is_mask] or pages
    for page in whole:
        request.check_size(page.imagewidth, page.imagelength)
    return whole


def _page(data: bytes, page: Any, request: Request) -> Decoded:
    meaning = page.tags.valueof(_PHOTOMETRIC)
    if meaning is None:
        meaning = 2 if page.samplesperpixel >= 3 else 1
        request.say(f"it does not say what its channels are; they were taken for {'RGB' if meaning == 2 else 'grey'}")
    if meaning == _YCBCR and page.compression != _JPEG:
        return _by_pillow(data, page, request)
    space = _SPACES.get(int(meaning))
    if space is None or page.tags.valueof(_INK_SET, 1) != 1 or page.imagedepth > 1:
        name = getattr(page.photometric, "name", str(meaning))
        raise request.refuse(f"a TIFF of colours or dimensions that are not read ({name})")
    samples = _samples(data, page, request)
    if meaning == _PALETTE:
        return _with_palette(samples, page)
    channels = _CHANNELS[space]
    if samples.shape[2] < channels:
        raise request.refuse(f"a TIFF with {samples.shape[2]} channels of samples for {space} colours")
    values = _values(samples[..., :channels], page, request, int(meaning))
    alpha, associated = _opacity(samples, channels, page, request)
    picture = Decoded(values, space, 8 if values.dtype == np.uint8 or _few_bits(page) else 16, alpha)
    if associated:
        picture = replace(picture, values=divided(picture))
    profile = page.tags.valueof(_PROFILE)
    orientation = int(page.tags.valueof(_ORIENTATION) or 1)
    return replace(
        picture,
        profile=bytes(profile) if profile else None,
        orientation=orientation if orientation in range(1, 9) else 1,
    )


def _samples(data: bytes, page: Any, request: Request) -> NDArray[Any]:
    """Return the samples as they are, (H, W, channels)."""
    ends = [place + size for place, size in zip(page.dataoffsets, page.databytecounts, strict=False)]
    if max(ends, default=0) > len(data):
        raise request.refuse("a TIFF that ends early")
    samples = np.asarray(page.asarray())
    if samples.dtype.kind not in "bufc" or samples.dtype.kind == "c":
        raise request.refuse(f"a TIFF of whole numbers with a sign or the like ({samples.dtype})")
    samples = samples.reshape(page.shape)
    if samples.ndim == 2:
        return samples[..., None]
    return np.moveaxis(samples, 0, 2) if page.planarconfig == _SEPARATE else samples


def _values(samples: NDArray[Any], page: Any, request: Request, meaning: int) -> Samples:
    if _SPACES[meaning] == "lab":
        return _lab(samples, meaning, request)
    values = floating(samples, request) if samples.dtype.kind == "f" else unit(samples, _most(samples, page))
    if meaning == _MIN_IS_WHITE:
        return flipped(values)
    return values


def _most(samples: NDArray[Any], page: Any) -> int:
    """Return the value that is white."""
    bits = page.bitspersample
    if samples.dtype.kind == "b":
        return 1
    return 2**bits - 1 if isinstance(bits, int) else int(np.iinfo(samples.dtype).max)


def _few_bits(page: Any) -> bool:
    return isinstance(page.bitspersample, int) and page.bitspersample <= 8


def _lab(samples: NDArray[Any], meaning: int, request: Request) -> Floats:
    """Return L*, a*, b* of CIE L*a*b* (a, b signed) or of ICC's encoding of it (offset); TIFF 6.0, section 23."""
    if samples.dtype not in (np.uint8, np.uint16):
        raise request.refuse(f"a TIFF of CIE Lab in {samples.dtype}")
    eight = samples.dtype == np.uint8
    per_step = 1 if eight else 256
    if meaning == _CIELAB:
        signed = samples[..., 1:].view(np.int8) if eight else samples[..., 1:].astype(np.uint16).view(np.int16)
        light, opposed = 255 if eight else 65535, signed.astype(np.float32) / per_step
    else:
        light, opposed = 255 if eight else 0xFF00, samples[..., 1:].astype(np.float32) / per_step - 128
    return np.concatenate([samples[..., :1].astype(np.float32) * np.float32(100 / light), opposed], axis=2)


def _opacity(samples: NDArray[Any], channels: int, page: Any, request: Request) -> tuple[Samples | None, bool]:
    """Return what of the channels behind the colours is opacity, and whether the colours were multiplied by it."""
    behind = samples.shape[2] - channels
    kinds = [int(kind) for kind in page.extrasamples][:behind]
    kinds += [0] * (behind - len(kinds))
    opacities = [place for place, kind in enumerate(kinds) if kind in (_ASSOCIATED, _UNASSOCIATED)]
    if channels == 1 and behind > 1 + len(opacities):
        raise request.refuse(f"a TIFF of {samples.shape[2]} channels of samples that are no colours")
    if behind > min(len(opacities), 1):
        request.say(f"{behind - min(len(opacities), 1)} channel(s) that are neither colour nor opacity were left out")
    if not opacities:
        return None, False
    chosen = samples[..., channels + opacities[0], None]
    alpha = floating(chosen, request) if chosen.dtype.kind == "f" else unit(chosen, _most(chosen, page))
    return alpha, kinds[opacities[0]] == _ASSOCIATED


def _with_palette(samples: NDArray[Any], page: Any) -> Decoded:
    """Look up colours of 16 bits; some writers fill 8 of them, the low ones or the high ones."""
    table = np.asarray(page.colormap).T
    if table.max() < 256:
        table = table * np.uint16(257)
    elif not (table & 255).any():
        table = (table >> 8) * np.uint16(257)
    eight = bool((table % 257 == 0).all())
    colours = table[samples[..., 0].astype(np.intp)]
    return Decoded((colours // 257).astype(np.uint8) if eight else unit(colours, 65535), "rgb", 8 if eight else 16)


def _by_pillow(data: bytes, page: Any, request: Request) -> Decoded:
    """Read YCbCr that is no JPEG, which libtiff knows."""
    image = open_pillow(io.BytesIO(data), request)
    image.seek(page.index)
    return pillow_picture(image, request)
