"""JPEG XL files: samples that are sRGB, with EXIF data and XMP beside them.

Source: ISO/IEC 18181-1:2024, annexes C to E (what stands before the pixels), and 18181-2:2024 (boxes).
"""

from __future__ import annotations

import struct
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from perceptualloss.pictures.metadata import Metadata

_BUTTERAUGLI = 0.5  # the distance of pictures of 8 bits; 1 is said to be invisible
_SIGNATURE = b"\0\0\0\x0cJXL \r\n\x87\n"
_SIZES = (9, 13, 18, 30)  # bits of a side, by two bits before it
_ALPHA = 17  # bits that describe an extra channel of 16 bits
_LINEAR, _SRGB = 6, 11  # the transfer functions 8 and 13, as they are written after two bits


def encode_jpeg_xl(samples: NDArray[Any], metadata: Metadata) -> bytes:
    """Return samples of 8 or 16 bits, (H, W, channels), as a JPEG XL file: of 16 bits lossless, of 8 nearly so."""
    deep = samples.dtype == np.uint16
    quality: dict[str, Any] = {"lossless": True} if deep else {"distance": _BUTTERAUGLI}
    channels = samples.shape[2]
    data = bytes(imagecodecs.jpegxl_encode(samples[..., 0] if channels == 1 else samples, **quality))
    if not data.startswith(_SIGNATURE):
        data = _SIGNATURE + _box(b"ftyp", b"jxl \0\0\0\0jxl ") + _box(b"jxlc", data)
    before, after = data[: data.index(b"jxlc") - 4], data[data.index(b"jxlc") - 4 :]
    if deep:
        after = after[:8] + _as_srgb(after[8:], channels)
    if metadata.exif is not None:
        before += _box(b"Exif", bytes(4) + metadata.exif.encoded())
    if metadata.xmp:
        before += _box(b"xml ", metadata.xmp)
    return before + after


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def _as_srgb(stream: bytes, channels: int) -> bytes:
    """Return lossless samples of 16 bits that are called sRGB where imagecodecs calls them linear.

    The transfer function is four bits in the head of the stream: after the size of the picture, the depth, and the
    description of its opacity.
    """
    end = min(40, len(stream))
    head = int.from_bytes(stream[2:end], "little")

    def bits(start: int, count: int) -> int:
        return head >> start & ((1 << count) - 1)

    small = bits(0, 1)
    at = 6 if small else 3 + _SIZES[bits(1, 2)]
    ratio = bits(at, 3)
    at += 3
    if not ratio:
        at += 5 if small else 2 + _SIZES[bits(at, 2)]
    at += 15 + (_ALPHA if channels in (2, 4) else 0)
    at += 4 + (2 if channels in (1, 2) else 4) + 3  # a white point, and primaries unless it is grey
    if bits(at, 4) == _LINEAR:
        head ^= (_LINEAR ^ _SRGB) << at
    return stream[:2] + head.to_bytes(end - 2, "little") + stream[end:]
