"""TIFFs: every kind of sample and meaning of it that cameras, scanners and microscopes write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from odd_case import Case, Made, Samples
from odd_colour import DISPLAY_P3, SRGB, grey_profile, profile, shown, srgb_linear
from odd_png import DEEP, DEEP_GREY, GREY, RGB, over_white
from PIL import Image

UNIT = RGB / 255


def _case(title: str, samples: Any, shows: Samples | None, within: float = 0.02, **options: Any) -> Case:
    said = {name: options.pop(name) for name in ("says", "refuses") if name in options}
    return Case(title, _tiff(np.asarray(samples), shows, **options), within, **said)


def _tiff(samples: Any, shows: Samples | None, **options: Any) -> Callable[[Path], Made]:
    def make(folder: Path) -> Made:
        path = folder / "odd.tif"
        tifffile.imwrite(path, samples, **({"photometric": "rgb" if samples.ndim == 3 else "minisblack"} | options))
        whole = None if shows is None else np.broadcast_to(shows, (*shows.shape[:2], 3)).astype(np.float64)
        return Made(path, whole, "tifffile's samples")

    return make


def _pillow(title: str, image: Image.Image, shows: Samples | None, within: float = 0.02, **options: Any) -> Case:
    said = {name: options.pop(name) for name in ("says", "refuses") if name in options}

    def make(folder: Path) -> Made:
        path = folder / "odd.tif"
        image.save(path, **options)
        whole = None if shows is None else np.broadcast_to(shows, (*shows.shape[:2], 3)).astype(np.float64)
        return Made(path, whole, "by construction")

    return Case(title, make, within, **said)


def _by_bits(bits: int) -> Case:
    """Grey with samples of an odd number of bits, packed."""
    most = 2**bits - 1
    samples = (DEEP_GREY[..., 0] >> (16 - bits)).astype(np.uint16)
    samples[0, :2] = 0, most
    return _case(
        f"TIFF, grey of {bits} bits", samples, samples[..., None].astype(float) * 255 / most, bitspersample=bits
    )


def _grey() -> list[Case]:
    plain, deep = GREY[..., 0].astype(np.uint8), DEEP_GREY[..., 0].astype(np.uint16)
    white, one = "miniswhite", np.uint16(10000)
    flat = np.full((6, 8), one)
    wide = deep.astype(np.uint32) * 65537
    return [
        _case("TIFF, min is white, 8 bits", plain, 255.0 - GREY, photometric=white),
        _case("TIFF, min is white, 16 bits", deep, 255 - DEEP_GREY / 257, photometric=white),
        _case(
            "TIFF, min is white, 16 bits, 10000 everywhere",
            flat,
            np.full((6, 8, 1), 255 - 10000 / 257),
            photometric=white,
        ),
        *(_by_bits(bits) for bits in (10, 12, 14)),
        _case("TIFF, grey of 32 bits", wide, DEEP_GREY / 257),
        _case("TIFF, grey of 16 bits, big-endian", deep, DEEP_GREY / 257, byteorder=">"),
        _case("TIFF, grey of 16 bits, BigTIFF", deep, DEEP_GREY / 257, bigtiff=True),
        _case("TIFF, grey in floating point", (deep / 65535).astype(np.float32), DEEP_GREY / 257),
        _case("TIFF, grey in half floating point", (plain / 255).astype(np.float16), GREY * 1.0, within=0.2),
        _case("TIFF, floating point far beyond 1", deep.astype(np.float32), None, refuses="beyond|0, 1|range"),
        _case("TIFF, floating point with NaN", np.full((6, 8), np.nan, np.float32), None, refuses="NaN|finite|beyond"),
        _case("TIFF, whole numbers with a sign", (deep // 2).astype(np.int16), None, refuses="sign|int16"),
        _case("TIFF, complex numbers", plain.astype(np.complex64), None, refuses="."),
        _case(
            "TIFF, grey of 16 bits, profile of linear light",
            deep,
            shown(np.repeat(DEEP_GREY, 3, axis=2) / 65535, SRGB, SRGB),
            within=0.4,
            iccprofile=grey_profile(1.0),
        ),
        _pillow(
            "TIFF of 1 bit, min is white",
            Image.fromarray(GREY[..., 0] > 127),
            np.where(GREY > 127, 255.0, 0.0),
            compression="group4",
        ),
    ]


def _colour() -> list[Case]:
    deep, rgb = DEEP.astype(np.uint16), RGB.astype(np.uint8)
    alpha = DEEP[..., :1]
    over = np.round(DEEP * (alpha / 65535)).astype(np.uint16)
    clear = over_white(DEEP / 257, alpha / 65535)
    table = np.random.default_rng(3).integers(0, 65536, (3, 256)).astype(np.uint16)
    return [
        _case("TIFF, RGB of 16 bits", deep, DEEP / 257),
        _case("TIFF, RGB of 16 bits in planes", np.moveaxis(deep, 2, 0), DEEP / 257, planarconfig="separate"),
        _case("TIFF, RGB in floating point", (DEEP / 65535).astype(np.float32), DEEP / 257),
        _case(
            "TIFF, RGB of 16 bits and alpha beside it",
            np.dstack([deep, alpha]).astype(np.uint16),
            clear,
            extrasamples=["unassalpha"],
        ),
        _case(
            "TIFF, RGB of 16 bits and alpha multiplied in",
            np.dstack([over, alpha]).astype(np.uint16),
            clear,
            within=0.05,
            extrasamples=["assocalpha"],
        ),
        _case(
            "TIFF, grey of 16 bits and alpha",
            np.dstack([deep[..., :1], alpha]).astype(np.uint16),
            over_white(DEEP_GREY / 257, alpha / 65535),
            photometric="minisblack",
            planarconfig="contig",
            extrasamples=["unassalpha"],
        ),
        _case(
            "TIFF, RGB and a fourth channel that is no alpha",
            np.dstack([rgb, rgb[..., :1]]),
            RGB * 1.0,
            extrasamples=["unspecified"],
            says="channel|sample",
        ),
        _case(
            "TIFF, palette of 16 bits",
            GREY[..., 0].astype(np.uint8),
            table.T[GREY[..., 0]] / 257,
            within=0.51,
            photometric="palette",
            colormap=table,
        ),
        _case(
            "TIFF, RGB of 16 bits, profile of Display P3",
            deep,
            shown(srgb_linear(DEEP / 65535), DISPLAY_P3, SRGB),
            within=0.4,
            iccprofile=profile(DISPLAY_P3, None, "P3"),
        ),
        _case("TIFF, five channels of 16 bits", np.dstack([deep, deep])[..., :5], None, photometric="minisblack",
              planarconfig="contig", refuses="channel|sample"),
    ]  # fmt: skip


def _packed() -> list[Case]:
    deep = DEEP.astype(np.uint16)
    large = np.tile(deep, (8, 6, 1))
    kinds = ("lzw", "zlib", "zstd", "packbits", "lzma", "lerc")
    cases = [_case(f"TIFF of 16 bits, {kind}", deep, DEEP / 257, compression=kind) for kind in kinds]
    return [
        *cases,
        _case("TIFF of 16 bits, zlib after differences", deep, DEEP / 257, compression="zlib", predictor=2),
        _case("TIFF in floating point, zlib after differences", (DEEP / 65535).astype(np.float32), DEEP / 257,
              compression="zlib", predictor=3),
        _case("TIFF of 16 bits in tiles", large, large / 257, tile=(16, 16)),
        _case("TIFF of 16 bits, JPEG 2000 without loss", large, large / 257, compression="jpeg2000",
              compressionargs={"reversible": True, "level": 0}),
        _case("TIFF, JPEG XL without loss", large, large / 257, compression="jpegxl",
              compressionargs={"lossless": True}),
        _pillow("TIFF, JPEG of YCbCr", Image.fromarray(np.full((16, 16, 3), (200, 60, 60), np.uint8)),
                np.full((16, 16, 3), (200.0, 60.0, 60.0)), within=3, compression="jpeg"),
    ]  # fmt: skip


def _other_spaces() -> list[Case]:
    inks = np.random.default_rng(4).integers(0, 256, (6, 8, 4))
    light = (255 - inks[..., :3]) * (255 - inks[..., 3:]) / 255
    deep = (inks * 257).astype(np.uint16)
    return [
        _case("TIFF, CMYK of 8 bits without a profile", inks.astype(np.uint8), light, within=2,
              photometric="separated"),
        _case("TIFF, CMYK of 16 bits without a profile", deep, light, within=2, photometric="separated"),
        _pillow("TIFF, CIE Lab", Image.merge("LAB", [Image.new("L", (8, 6), value) for value in (136, 128, 128)]),
                _lab_grey(), within=1.5),
    ]  # fmt: skip


def _lab_grey() -> Samples:
    """Return what grey of L* = 100 * 136 / 255 shows."""
    light = ((100 * 136 / 255 + 16) / 116) ** 3
    return shown(np.full((6, 8, 3), light), SRGB, SRGB)


def _pages() -> list[Case]:
    deep = DEEP.astype(np.uint16)

    def several(folder: Path) -> Made:
        path = folder / "odd.tif"
        tifffile.imwrite(path, np.stack([deep, deep[::-1]]), photometric="rgb")
        return Made(path, DEEP / 257)

    def reduced(folder: Path) -> Made:
        path = folder / "odd.tif"
        with tifffile.TiffWriter(path) as writer:
            writer.write(deep, photometric="rgb", subifds=1)
            writer.write(deep[::2, ::2], photometric="rgb", subfiletype=1)
        return Made(path, DEEP / 257)

    def thumbnail(folder: Path) -> Made:
        path = folder / "odd.tif"
        with tifffile.TiffWriter(path) as writer:
            writer.write(deep[::2, ::2], photometric="rgb", subfiletype=1)
            writer.write(deep, photometric="rgb")
        return Made(path, DEEP / 257)

    def cut(folder: Path) -> Made:
        path = folder / "odd.tif"
        tifffile.imwrite(path, np.tile(deep, (20, 20, 1)), photometric="rgb")
        path.write_bytes(path.read_bytes()[:2000])
        return Made(path, None)

    turned = [
        _case(f"TIFF of 16 bits, orientation {number}", deep, shows / 257, extratags=[(274, 3, 1, number, True)])
        for number, shows in ((3, DEEP[::-1, ::-1]), (5, np.swapaxes(DEEP, 0, 1)), (6, np.rot90(DEEP, -1)))
    ]
    return [
        Case("TIFF of two pages", several, 0.02, says="2"),
        Case("TIFF with a smaller copy of itself", reduced, 0.02),
        Case("TIFF with its thumbnail in front", thumbnail, 0.02),
        Case("TIFF without its end", cut, 0.02, refuses="."),
        *turned,
    ]


CASES = [*_grey(), *_colour(), *_packed(), *_other_spaces(), *_pages()]
