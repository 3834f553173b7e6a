"""PNGs: every depth and kind of transparency, chunks that say what the colours are, and broken ones."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odd_case import Case, Made, Samples
from odd_colour import (
    ADOBE_RGB,
    BT2020_D65,
    DISPLAY_P3,
    P3_D65,
    SRGB,
    SRGB_D65,
    grey_profile,
    primaries,
    profile,
    shown,
    srgb_linear,
)

Whole = NDArray[np.generic]
RANDOM = np.random.default_rng(0)
RGB = RANDOM.integers(0, 256, (6, 8, 3))
DEEP = RANDOM.integers(0, 65536, (6, 8, 3))
GREY, DEEP_GREY = RGB[..., :1], DEEP[..., :1]
KINDS = {1: 0, 2: 4, 3: 2, 4: 6}  # PNG's colour type, by the number of channels


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(samples: Whole, bits: int, *extra: bytes, kind: int | None = None) -> bytes:
    """Return a PNG with unfiltered lines of samples (H, W, channels) and with extra chunks before the pixels."""
    height, width, channels = samples.shape
    kind = KINDS[channels] if kind is None else kind
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    lines = b"".join(b"\0" + _packed(line.ravel(), bits) for line in samples)
    parts = (chunk(b"IHDR", header), *extra, chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


BOMB = b"".join((
    b"\x89PNG\r\n\x1a\n",
    chunk(b"IHDR", struct.pack(">IIBBBBB", 200_000, 200_000, 8, 2, 0, 0, 0)),
    chunk(b"IDAT", zlib.compress(b"\0")),
    chunk(b"IEND", b""),
))  # fmt: skip


def icc(data: bytes) -> bytes:
    """Return a chunk with a colour profile."""
    return chunk(b"iCCP", b"profile\0\0" + zlib.compress(data))


def over_white(colours: Samples, alpha: Samples) -> Samples:
    """Return colours from 0 to 255 over white; alpha in [0, 1]."""
    return np.broadcast_to(colours * alpha + 255 * (1 - alpha), (*colours.shape[:2], 3))


def _packed(samples: Whole, bits: int) -> bytes:
    if bits == 16:
        return samples.astype(">u2").tobytes()
    if bits == 8:
        return samples.astype(np.uint8).tobytes()
    each = np.unpackbits(samples.astype(np.uint8)[:, None], axis=1)[:, 8 - bits :]
    return np.packbits(each.ravel()).tobytes()


def file(name: str, data: bytes, shows: Samples | None, source: str = "by construction") -> Callable[[Path], Made]:
    """Return what writes a file of these bytes."""

    def make(folder: Path) -> Made:
        path = folder / name
        path.write_bytes(data)
        whole = None if shows is None else np.broadcast_to(shows, (*shows.shape[:2], 3)).astype(np.float64)
        return Made(path, whole, source)

    return make


def _case(title: str, data: bytes, shows: Samples | None, **options: object) -> Case:
    within = options.pop("within", 0.02)  # of 16 bits, as of 8, hardly anything is lost
    return Case(title, file("odd.png", data, shows), within, **options)  # type: ignore[arg-type]


def _low(bits: int) -> Case:
    steps = RANDOM.integers(0, 2**bits, (6, 8, 1))
    return _case(f"PNG, grey of {bits} bit{'s' * (bits > 1)}", png(steps, bits), steps * 255 / (2**bits - 1))


def _keyed() -> list[Case]:
    """Return pictures of which one colour is transparent."""
    grey, deep, colour, deep_colour = (a.copy() for a in (GREY, DEEP_GREY, RGB, DEEP))
    cases = []
    for name, bits, samples, most in (
        ("grey of 8", 8, grey, 255),
        ("grey of 16", 16, deep, 65535),
        ("RGB of 8", 8, colour, 255),
        ("RGB of 16", 16, deep_colour, 65535),
    ):
        key = samples[0, 0].copy()
        body = b"".join(struct.pack(">H", int(value)) for value in key)
        alpha = np.where((samples == key).all(axis=2, keepdims=True), 0.0, 1.0)
        shows = over_white(samples * 255 / most, alpha)
        cases.append(
            _case(f"PNG, {name} bits, one colour transparent", png(samples, bits, chunk(b"tRNS", body)), shows)
        )
    return cases


def _palettes() -> list[Case]:
    table = RANDOM.integers(0, 256, (4, 3))
    steps = RANDOM.integers(0, 4, (6, 8, 1))
    colours = chunk(b"PLTE", table.astype(np.uint8).tobytes())
    shows = table[steps[..., 0]].astype(np.float64)
    opacity = np.array([0, 128, 255, 64])
    clear = over_white(shows, opacity[steps] / 255)
    return [
        _case("PNG, palette of 2 bits", png(steps, 2, colours, kind=3), shows),
        _case(
            "PNG, palette with opacities",
            png(steps, 2, colours, chunk(b"tRNS", opacity.astype(np.uint8).tobytes()), kind=3),
            clear,
        ),
    ]


def _alphas() -> list[Case]:
    cases = []
    for name, bits, samples in (("8", 8, RGB), ("16", 16, DEEP)):
        most = 2**bits - 1
        alpha = samples[..., ::-1][..., :1]
        for kind, own in (("grey", samples[..., :1]), ("RGB", samples)):
            shows = over_white(own * 255 / most, alpha / most)
            cases.append(_case(f"PNG, {kind} and alpha of {name} bits", png(np.dstack([own, alpha]), bits), shows))
    return cases


def _said_colours() -> list[Case]:
    """Return pictures whose chunks say what their colours are."""
    unit, deep = RGB / 255, DEEP / 65535
    plain = RGB.astype(np.float64)
    linear = chunk(b"gAMA", struct.pack(">I", 100000))
    usual = chunk(b"gAMA", struct.pack(">I", 45455))
    points = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
    flat = [0.3127, 0.3290, *(value for point in points for value in point)]
    wide = chunk(b"cHRM", b"".join(struct.pack(">I", round(100000 * value)) for value in flat))
    srgb = chunk(b"sRGB", b"\0")
    p3, wide_gamut = profile(DISPLAY_P3, None, "sRGB-like P3"), profile(ADOBE_RGB, 563 / 256, "Adobe-like")
    unlike = profile(SRGB, 1.0, "GIMP built-in Linear sRGB")
    other = primaries(*points)
    return [
        _case("PNG, gAMA of linear light", png(RGB, 8, linear), shown(unit, SRGB_D65, SRGB_D65), within=0.6),
        _case(
            "PNG of 16 bits, gAMA of linear light", png(DEEP, 16, linear), shown(deep, SRGB_D65, SRGB_D65), within=0.1
        ),
        _case("PNG, gAMA of 1/2.2 alone", png(RGB, 8, usual), plain, within=3.0),
        _case("PNG, gAMA of linear light below an sRGB chunk", png(RGB, 8, linear, srgb), plain),
        _case(
            "PNG, gAMA of linear light and cHRM of P3",
            png(RGB, 8, linear, wide),
            shown(unit, other, SRGB_D65),
            within=1.0,
        ),
        _case(
            "PNG, cICP of Display P3",
            png(RGB, 8, chunk(b"cICP", bytes([12, 13, 0, 1]))),
            shown(srgb_linear(unit), P3_D65, SRGB_D65),
            within=1.0,
        ),
        _case(
            "PNG of 16 bits, cICP of BT.2020 with sRGB's curve",
            png(DEEP, 16, chunk(b"cICP", bytes([9, 13, 0, 1]))),
            shown(srgb_linear(deep), BT2020_D65, SRGB_D65),
            within=0.1,
        ),
        _case(
            "PNG, cICP of linear light above an sRGB chunk",
            png(RGB, 8, chunk(b"cICP", bytes([1, 8, 0, 1])), srgb),
            shown(unit, SRGB_D65, SRGB_D65),
            within=0.6,
        ),
        _case(
            "PNG, cICP of sRGB above a profile of P3", png(RGB, 8, chunk(b"cICP", bytes([1, 13, 0, 1])), icc(p3)), plain
        ),
        _case(
            "PNG, profile with sRGB in its name and linear light",
            png(RGB, 8, icc(unlike)),
            shown(unit, SRGB, SRGB),
            within=1.0,
        ),
        _case(
            "PNG, profile of Display P3 with sRGB in its name",
            png(RGB, 8, icc(p3)),
            shown(srgb_linear(unit), DISPLAY_P3, SRGB),
            within=1.5,
        ),
        _case(
            "PNG of 16 bits, profile of Display P3",
            png(DEEP, 16, icc(p3)),
            shown(srgb_linear(deep), DISPLAY_P3, SRGB),
            within=0.4,
        ),
        _case(
            "PNG, profile like Adobe RGB (1998)",
            png(RGB, 8, icc(wide_gamut)),
            shown(unit ** (563 / 256), ADOBE_RGB, SRGB),
            within=1.5,
        ),
        _case("PNG, sRGB's own profile", png(RGB, 8, icc(profile(SRGB, None, "anything"))), plain, within=0.6),
        _case(
            "PNG, grey of 8 bits, profile of linear light",
            png(GREY, 8, icc(grey_profile(1.0))),
            shown(np.repeat(GREY, 3, axis=2) / 255, SRGB, SRGB),
            within=1.0,
        ),
        _case(
            "PNG, grey of 16 bits, profile of linear light",
            png(DEEP_GREY, 16, icc(grey_profile(1.0))),
            shown(np.repeat(DEEP_GREY, 3, axis=2) / 65535, SRGB, SRGB),
            within=0.4,
        ),
        _case("PNG, profile that is no profile", png(RGB, 8, icc(b"nonsense" * 40)), plain, says="profile"),
        _case("PNG, cICP of PQ (HDR)", png(RGB, 8, chunk(b"cICP", bytes([9, 16, 0, 1]))), None, refuses="PQ|HDR"),
    ]


def _broken() -> list[Case]:
    whole = png(RGB, 8)
    wrong = bytearray(whole)
    wrong[29] ^= 255  # of the header's sum
    return [
        _case("PNG of 40 gigapixels in 80 bytes", BOMB, None, refuses="pixels"),
        _case("PNG whose header has a wrong sum", bytes(wrong), None, refuses="."),
        _case("PNG of 12 bytes", whole[:12], None, refuses="."),
    ]


def _turned() -> Case:
    """EXIF in a PNG that says that the camera was turned."""
    exif = b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0) + bytes(4)
    shows = np.rot90(RGB, -1).astype(np.float64)
    return _case("PNG, turned by its EXIF", png(RGB, 8, chunk(b"eXIf", exif)), shows)


CASES = [
    *(_low(bits) for bits in (1, 2, 4)),
    _case("PNG, grey of 8 bits", png(GREY, 8), GREY.astype(np.float64)),
    _case("PNG, grey of 16 bits", png(DEEP_GREY, 16), DEEP_GREY / 257),
    _case("PNG, RGB of 16 bits", png(DEEP, 16), DEEP / 257),
    *_keyed(),
    *_palettes(),
    *_alphas(),
    *_said_colours(),
    _turned(),
    *_broken(),
]
