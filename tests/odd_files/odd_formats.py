"""Other kinds of picture files, names that do not fit, files without their end, and what is no picture."""

from __future__ import annotations

import io
import os
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pillow_heif
from odd_case import Case, Made, Samples
from odd_colour import ADOBE_RGB, DISPLAY_P3, SRGB, SRGB_D65, profile, shown, srgb_linear
from odd_png import DEEP, DEEP_GREY, GREY, RGB, file, over_white, png
from PIL import Image

SMOOTH = np.asarray(Image.fromarray(RGB.astype(np.uint8)).resize((64, 48), Image.Resampling.BICUBIC))
DEEP_SMOOTH = SMOOTH.astype(np.uint16) * 257


def encoded(image: Any, kind: str, **options: Any) -> bytes:
    """Return a Pillow picture or an array as a file."""
    buffer = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(np.asarray(image).astype(np.uint8))
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _case(title: str, name: str, data: bytes, shows: Any, within: float = 0.02, **said: Any) -> Case:
    return Case(title, file(name, data, None if shows is None else np.asarray(shows, np.float64)), within, **said)


def _decoded(data: bytes) -> Samples:
    """Return what Pillow alone makes of a file without colour management or orientation."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB")).astype(np.float64)


def _jpeg() -> list[Case]:
    plain = encoded(SMOOTH, "JPEG", quality=95, subsampling=0)
    grey = encoded(Image.fromarray(SMOOTH).convert("L"), "JPEG", quality=95)
    progressive = encoded(SMOOTH, "JPEG", quality=95, progressive=True)
    inks = Image.fromarray(np.dstack([255 - SMOOTH, np.zeros((48, 64), np.uint8)]), "CMYK")
    p3 = encoded(SMOOTH, "JPEG", quality=100, subsampling=0, icc_profile=profile(DISPLAY_P3, None, "P3"))
    camera = Image.Exif()
    camera[0x010F] = "camera"
    camera.get_ifd(0x8769)[0xA001] = 2  # Adobe RGB
    camera.get_ifd(0xA005)[1] = "R03"
    adobe = encoded(SMOOTH, "JPEG", quality=100, subsampling=0, exif=camera)
    turned = []
    for number, show in (
        (2, SMOOTH[:, ::-1]),
        (3, SMOOTH[::-1, ::-1]),
        (4, SMOOTH[::-1]),
        (5, np.swapaxes(SMOOTH, 0, 1)),
        (6, np.rot90(SMOOTH, -1)),
        (7, np.rot90(np.swapaxes(SMOOTH, 0, 1), 2)),
        (8, np.rot90(SMOOTH, 1)),
    ):
        exif = Image.Exif()
        exif[0x0112] = number
        data = encoded(SMOOTH, "JPEG", quality=100, subsampling=0, exif=exif)
        turned.append(_case(f"JPEG, orientation {number}", "odd.jpg", data, show, within=6))
    return [
        _case("JPEG, grey", "odd.jpg", grey, _decoded(grey)),
        _case("JPEG, progressive", "odd.jpeg", progressive, _decoded(progressive)),
        _case("JPEG called .jfif", "odd.jfif", plain, _decoded(plain)),
        _case("JPEG called .jpe", "odd.jpe", plain, _decoded(plain)),
        _case("JPEG called .png", "odd.png", plain, _decoded(plain)),
        _case("JPEG called .JPG", "odd.JPG", plain, _decoded(plain)),
        _case("JPEG, CMYK as Adobe writes it, without a profile", "odd.jpg", encoded(inks, "JPEG", quality=100),
              SMOOTH, within=6),
        _case("JPEG, profile of Display P3", "odd.jpg", p3, shown(srgb_linear(_decoded(p3) / 255), DISPLAY_P3, SRGB),
              within=1.6),
        _case("JPEG, Adobe RGB by its EXIF alone", "odd.jpg", adobe,
              shown((_decoded(adobe) / 255) ** (563 / 256), ADOBE_RGB, SRGB), within=1.6, says="Adobe RGB"),
        Case("JPEG, EXIF that is broken", _broken, says="EXIF"),
        _case("JPEG with a second JPEG behind it (MPO)", "odd.jpg",
              encoded(SMOOTH, "MPO", quality=95, save_all=True, append_images=[Image.new("RGB", (64, 48))]),
              SMOOTH, within=20),
        _case("JPEG without its last marker", "odd.jpg", plain[:-2], _decoded(plain), says="end|cut|truncated|missing"),
        _case("JPEG, head alone", "odd.jpg", plain[:200], None, refuses="."),
        *turned,
    ]  # fmt: skip


def _broken(folder: Path) -> Made:
    """A JPEG whose EXIF data lead nowhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's
        data = encoded(SMOOTH, "JPEG", quality=95, subsampling=0, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
        return file("odd.jpg", data, _decoded(data))(folder)


def _half() -> Case:
    """A JPEG of which a half is there: the top is right."""
    large = np.tile(SMOOTH, (4, 4, 1))
    data = encoded(large, "JPEG", quality=95, subsampling=0)
    half = data[: len(data) // 2]
    with Image.open(io.BytesIO(data)) as image:
        whole = np.asarray(image).astype(np.float64)
    return Case("JPEG, the first half of it", file("odd.jpg", half, whole), 256, says="end|cut|truncated|missing")


def _modern() -> list[Case]:
    alpha = np.dstack([SMOOTH, SMOOTH[..., :1]])
    clear = over_white(SMOOTH * 1.0, SMOOTH[..., :1] / 255)
    tenth = (SMOOTH.astype(np.uint16) << 2) | (SMOOTH >> 6)
    avif = encoded(SMOOTH, "AVIF", quality=100, subsampling="4:4:4")
    heif = pillow_heif.from_bytes("RGB", (64, 48), SMOOTH.tobytes())
    return [
        _case("WebP without loss, alpha", "odd.webp", encoded(alpha, "WEBP", lossless=True, exact=True), clear),
        _case("WebP with loss", "odd.webp", encoded(SMOOTH, "WEBP", quality=90),
              _decoded(encoded(SMOOTH, "WEBP", quality=90))),
        _case("AVIF", "odd.avif", avif, _decoded(avif)),
        _case("HEIC", "odd.heic", _heic(heif), SMOOTH, within=10),
        _case("HEIC called .jpg", "odd.jpg", _heic(heif), SMOOTH, within=10),
        _case("JPEG XL, 8 bits", "odd.jxl", imagecodecs.jpegxl_encode(SMOOTH, lossless=True), SMOOTH),
        _case("JPEG XL, 16 bits", "odd.jxl", imagecodecs.jpegxl_encode(DEEP.astype(np.uint16), lossless=True),
              shown(DEEP / 65535, SRGB_D65, SRGB_D65), within=0.1),  # imagecodecs calls 16 bits linear light
        _case("JPEG XL, grey", "odd.jxl", imagecodecs.jpegxl_encode(GREY[..., 0].astype(np.uint8), lossless=True),
              GREY),
        _case("JPEG 2000, 8 bits", "odd.jp2", encoded(SMOOTH, "JPEG2000", irreversible=False), SMOOTH),
        _case("JPEG 2000, 16 bits", "odd.jp2",
              imagecodecs.jpeg2k_encode(np.tile(DEEP, (6, 6, 1)).astype(np.uint16), level=0, reversible=True,
                                        codecformat="jp2"), np.tile(DEEP, (6, 6, 1)) / 257),
        _case("AVIF of 10 bits", "odd.avif", imagecodecs.avif_encode(tenth, level=100, bitspersample=10),
              tenth.astype(np.float64) * 255 / 1023, within=1.0),
    ]  # fmt: skip


def _deep(samples: Any) -> Samples:
    """Return grey of 10 bits from 0 to 255."""
    return samples[..., None].astype(np.float64) * 255 / 1023


def _heic(heif: Any) -> bytes:
    buffer = io.BytesIO()
    heif.save(buffer, quality=100, chroma=444)
    return buffer.getvalue()


def _old() -> list[Case]:
    small, alpha = RGB.astype(np.uint8), np.dstack([RGB, RGB[..., :1]]).astype(np.uint8)
    clear = over_white(RGB * 1.0, RGB[..., :1] / 255)
    grey = GREY[..., 0].astype(np.uint8)
    ten = (DEEP_GREY[..., 0] >> 6).astype(">u2")
    ascii_ppm = b"P3\n# words\n8 6\n255\n" + b" ".join(str(value).encode() for value in RGB.ravel())
    bits = np.packbits(GREY[..., 0] > 127, axis=1)
    rows = np.pad(((small >> 3).astype(np.uint16) @ np.array([1024, 32, 1], np.uint16)), ((0, 0), (0, 0)))
    bmp = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54 + 96, 0, 0, 54, 40, 8, 6, 1, 16, 0, 96, 0, 0, 0, 0)
    gif = Image.fromarray(grey).convert("P")
    gif.info.pop("transparency", None)
    key = int(np.asarray(gif)[0, 0])
    hidden = np.where(np.asarray(gif)[..., None] == key, 255.0, np.asarray(gif.convert("RGB")))
    return [
        _case("BMP, 24 bits", "odd.bmp", encoded(small, "BMP"), small),
        _case("BMP, 5 bits a channel", "odd.bmp", bmp + rows[::-1].astype("<u2").tobytes(), (RGB >> 3) * 255 / 31,
              within=0.51),
        _case("BMP, 32 bits, of which a fourth are nothing", "odd.bmp", encoded(Image.fromarray(alpha), "BMP"), RGB),
        _case("GIF, one colour transparent", "odd.gif", encoded(gif, "GIF", transparency=key), hidden),
        _case("Targa with alpha", "odd.tga", encoded(alpha, "TGA"), clear),
        _case("PCX", "odd.pcx", encoded(small, "PCX"), small),
        _case("icon of several sizes", "odd.ico",
              encoded(Image.fromarray(SMOOTH).resize((64, 64)), "ICO", sizes=[(16, 16), (64, 64)]),
              np.asarray(Image.fromarray(SMOOTH).resize((64, 64)))),
        _case("PPM in words", "odd.ppm", ascii_ppm, RGB),
        _case("PPM of 16 bits", "odd.ppm", b"P6 8 6 65535\n" + DEEP.astype(">u2").tobytes(), DEEP / 257),
        _case("PGM of 8 bits", "odd.pgm", b"P5 8 6 255\n" + grey.tobytes(), GREY),
        _case("PGM of 16 bits", "odd.pgm", b"P5 8 6 65535\n" + DEEP_GREY.astype(">u2").tobytes(), DEEP_GREY / 257),
        _case("PGM of 10 bits", "odd.pgm", b"P5 8 6 1023\n" + ten.tobytes(), _deep(ten)),
        _case("PBM", "odd.pbm", b"P4 8 6\n" + bits.tobytes(), np.where(GREY > 127, 0.0, 255.0)),
        _case("QOI", "odd.qoi", encoded(small, "QOI"), small),
        _case("DDS", "odd.dds", encoded(small, "DDS"), small),
    ]  # fmt: skip


def _no_pictures() -> list[Case]:
    def missing(folder: Path) -> Made:
        return Made(folder / "odd.png", None)

    def directory(folder: Path) -> Made:
        (folder / "odd.png").mkdir()
        return Made(folder / "odd.png", None)

    def pipe(folder: Path) -> Made:
        os.mkfifo(folder / "odd.png")
        return Made(folder / "odd.png", None)

    def nowhere(folder: Path) -> Made:
        (folder / "odd.png").symlink_to(folder / "gone.png")
        return Made(folder / "odd.png", None)

    def linked(folder: Path) -> Made:
        (folder / "true.png").write_bytes(png(RGB, 8))
        (folder / "odd.png").symlink_to("true.png")
        return Made(folder / "odd.png", RGB * 1.0)

    def named(name: str) -> Callable[[Path], Made]:
        def make(folder: Path) -> Made:
            (folder / name).write_bytes(png(RGB, 8))
            return Made(folder / name, RGB * 1.0)

        return make

    return [
        Case("nothing of that name", missing, refuses="no such file"),
        Case("folder called .png", directory, refuses="folder"),
        Case("pipe called .png", pipe, refuses="device"),
        Case("link to nothing", nowhere, refuses="."),
        Case("link to a picture", linked),
        Case("name of 250 bytes", named("n" * 246 + ".png")),
        Case("name of letters beyond ASCII", named("größe 🐦 слон.png")),
        Case("name with a line break", named("a\nb.png")),
        Case("picture without an ending", named("odd")),
        _case("nothing in it", "odd.png", b"", None, refuses="."),
        _case("web page called .jpg", "odd.jpg", b"<!DOCTYPE html><html></html>", None, refuses="unknown kind"),
        _case("SVG called .png", "odd.png", b'<svg xmlns="http://www.w3.org/2000/svg"/>', None, refuses="unknown kind"),
        _case("PDF called .jpg", "odd.jpg", b"%PDF-1.7\n", None, refuses="."),
        _case("PostScript", "odd.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", None, refuses="."),
    ]


def _several() -> list[Case]:
    frames = [Image.fromarray(RGB.astype(np.uint8)), Image.fromarray(RGB[::-1].astype(np.uint8))]
    first, others = frames[0], {"save_all": True, "append_images": frames[1:], "duration": 100}
    palette = _decoded(encoded(first, "GIF"))
    return [
        _case("GIF of two frames, read as a picture", "odd.gif", encoded(first, "GIF", **others), palette, says="2"),
        _case("PNG of two frames, read as a picture", "odd.png", encoded(first, "PNG", **others), RGB, says="2"),
        _case("WebP of two frames, read as a picture", "odd.webp", encoded(first, "WEBP", lossless=True, **others),
              RGB, says="2"),
    ]  # fmt: skip


JPEG = [*_jpeg(), _half()]
OTHERS = [*_modern(), *_old(), *_several()]
NO_PICTURES = _no_pictures()
