"""What Pillow decodes: JPEG, 8-bit PNG, WebP, AVIF, GIF, BMP, Targa, icons; and Pillow pictures of any mode."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from perceptualloss.pictures.reading import coded
from perceptualloss.pictures.reading.decoded import (
    Decoded,
    Request,
    Samples,
    Source,
    Space,
    apart,
    flipped,
    floating,
    unit,
)

# Not all that Pillow knows: PostScript would start a program, and what scientists and printers have is no picture.
_KINDS = (
    "PNG", "JPEG", "WEBP", "GIF", "AVIF", "TIFF", "BMP", "DIB", "PPM", "JPEG2000", "ICO", "ICNS", "CUR", "QOI", "DDS",
    "PSD", "PCX", "SGI", "SUN", "XBM", "XPM", "TGA",
)  # fmt: skip
_ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")  # an MPO's others are previews, an icon's sizes, a PSD's layers
_NO_PICTURE = (SyntaxError, IndexError, TypeError, KeyError, EOFError, struct.error)
_BITS, _PHOTOMETRIC = 258, 262
_ORIENTATION, _EXIF, _INTEROPERABILITY, _COLOUR_SPACE = 0x0112, 0x8769, 0xA005, 0xA001
_EMBEDDED = 0x4D424544  # "MBED"
_STRIP = 512  # rows
_SRGB_GAMMA = (0.45405, 0.45505)  # 1/2.2, which writers of PNG have in place of sRGB's curve


def open_pillow(stream: BinaryIO, request: Request) -> ImageFile.ImageFile:
    """Open a file as ``Image.open`` does, with the limit on pixels that was asked for in place of Pillow's global one.

    Raises:
        UnidentifiedImageError: for what none of the kinds is.
    """
    Image.init()
    start = stream.read(16)
    for kind in _KINDS:
        factory, accept = Image.OPEN[kind]
        answer = accept is None or accept(start)
        if not answer or isinstance(answer, str):
            continue
        try:
            stream.seek(0)
            with _told(request):
                image = factory(stream, "")
        except _NO_PICTURE:
            continue
        request.check_size(*image.size)
        return image
    raise UnidentifiedImageError("a file of unknown kind")


@contextmanager
def _told(request: Request) -> Iterator[None]:
    """Within it, what Pillow warns of is said with the file's name."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        yield
    for text in {" ".join(str(warning.message).split()) for warning in said}:
        request.say(text)


def pillow_source(data: bytes, request: Request) -> Source:
    """Open a file that Pillow decodes."""
    image = open_pillow(io.BytesIO(data), request)
    few = _few_bits(image)
    animated = image.format in _ANIMATED and getattr(image, "n_frames", 1) > 1
    first = 1 if animated and image.info.get("default_image") else 0  # an APNG may have another picture for old viewers
    if image.format == "PSD":
        request.say("its layers are not read one by one, but as the flattened picture that Photoshop stored")

    if image.format == "SGI" and data[3:4] == b"\x02":
        request.say("its 16 bits a channel are read with 8")
    unused = [image]  # a still one is not kept once its samples are out: it has 4 bytes a pixel

    def decode(index: int) -> Decoded:
        shown = unused.pop() if unused else open_pillow(io.BytesIO(data), request)
        if animated:
            unused.append(shown)
            shown.seek(first + index)
        elif shown.format == "BMP":
            shown.info.update(_bmp_profile(data))
        picture = pillow_picture(_whole(shown, data, request), request)
        if few is not None:
            picture = replace(picture, values=_rounded(picture.values, few), bits=8)
        return replace(picture, duration=float(shown.info.get("duration", 0))) if animated else picture

    count = getattr(image, "n_frames", 1) - first if animated else 1
    return Source(decode, count, animated, _loop(image) if animated else None)


def _bmp_profile(data: bytes) -> dict[str, bytes]:
    """Return the profile in a BMP of version 5: after the 14 bytes of the file's head, 124 of the picture's."""
    size, space, offset, length = struct.unpack_from("<I52xI52xII", data.ljust(138, b"\0"), 14)
    if size != 124 or space != _EMBEDDED:
        return {}
    return {"icc_profile": data[14 + offset : 14 + offset + length]}


def pillow_sides(stream: BinaryIO, request: Request) -> tuple[int, int]:
    """Return height and width of the upright picture, from the head of a file alone."""
    image = open_pillow(stream, request)
    if image.format == "PNG" and "exif" not in image.info:  # Pillow would look for it behind the pixels
        return image.height, image.width
    turned = _read_exif(image, request).get(_ORIENTATION, 1) in range(5, 9)
    return (image.width, image.height) if turned else (image.height, image.width)


def _few_bits(image: ImageFile.ImageFile) -> tuple[int, int, int] | None:
    """Return how many bits red, green and blue have in a BMP or Targa file of 15 or 16 bits a pixel."""
    words = [part for tile in image.tile for part in (tile.args if isinstance(tile.args, tuple) else (tile.args,))]
    return {"BGR;15": (5, 5, 5), "BGR;16": (5, 6, 5), "BGRA;15": (5, 5, 5)}.get(str(words[0]) if words else "")


def _rounded(values: Samples, bits: tuple[int, int, int]) -> Samples:
    """Undo Pillow's rounding down of 5 and 6 bits to 8."""
    most = np.array([2**count - 1 for count in bits], np.float32)
    return np.asarray(np.ceil(values[..., :3] * (most / 255) - 1e-3) / most, np.float32)


def _loop(image: Image.Image) -> int:
    """Return how often an animation plays, 0 for ever; a GIF stores how often it is repeated."""
    loop = int(image.info.get("loop", 0))
    if image.format != "GIF":
        return loop
    return loop + 1 if loop or "loop" not in image.info else 0


def _whole(image: ImageFile.ImageFile, data: bytes, request: Request) -> Image.Image:
    """Load a picture; of a JPEG that ends early, what is there."""
    try:
        image.load()
    except OSError as error:
        if image.format not in ("JPEG", "MPO") or "truncated" not in str(error):
            raise
        request.say("the file ends early (truncated): what is missing of the picture is grey or blurred")
        image = open_pillow(io.BytesIO(data + b"\xff\xd9"), request)
        image.load()
    return image


def pillow_picture(image: Image.Image, request: Request) -> Decoded:
    """Return what a Pillow picture of any mode holds."""
    profile, orientation = beside_pixels(image, request)
    return replace(_samples(image, request), profile=profile, orientation=orientation)


def beside_pixels(image: Image.Image, request: Request) -> tuple[bytes | None, int]:
    """Return the profile of a Pillow picture's colours, or None for sRGB, and its orientation."""
    image.load()  # first of all: a PNG's orientation and profile may follow its pixels
    exif = _read_exif(image, request)
    orientation = exif.get(_ORIENTATION, 1)
    return _profile(image, exif, request), orientation if orientation in range(1, 9) else 1


def _samples(image: Image.Image, request: Request) -> Decoded:
    if image.mode == "F":
        return apart(floating(np.asarray(image), request), bits=16)
    if image.mode.startswith("I"):
        whole = np.asarray(image)
        if whole.min() < 0 or whole.max() > 65535:
            raise ValueError(f"grey values beyond [0, 65535] in a picture of mode {image.mode}")
        return _sixteen_bits(image, whole)
    if image.mode == "RGBA" or (image.mode in ("L", "RGB") and not image.has_transparency_data):
        return apart(_array(image), bits=8)
    alpha = None
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        alpha = np.asarray(image.convert("RGBA").getchannel("A"))[..., None]
    if image.mode in ("1", "LA", "La"):
        image = image.convert("L")
    elif image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("RGBA").convert("RGB") if alpha is not None else image.convert("RGB")
    values = _array(image)
    space: Space = "grey" if grey else "cmyk" if image.mode == "CMYK" else "rgb"
    return Decoded(values[..., None] if grey else values, space, 8, alpha)


def _array(image: Image.Image) -> NDArray[np.uint8]:
    """Return the samples of a Pillow picture of 8 bits; ``np.asarray`` would have them in memory three times."""
    channels = len(image.getbands())
    samples = np.empty(
        (image.height, image.width) if channels == 1 else (image.height, image.width, channels), np.uint8
    )
    for top in range(0, image.height, _STRIP):
        part = image.crop((0, top, image.width, min(top + _STRIP, image.height)))
        samples[top : top + _STRIP] = np.asarray(part)
    return samples


def _sixteen_bits(image: Image.Image, whole: NDArray[Any]) -> Decoded:
    """Return 16-bit grey, which Pillow leaves as its file has it, be it of 12 bits or min-is-white."""
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(_BITS, (16,))[0] if image.mode.startswith("I;16") else 16
    whole = whole.astype(np.uint16)
    picture = apart(unit(whole, 2**bits - 1), bits=16)
    if image.mode.startswith("I;16") and tags.get(_PHOTOMETRIC) == 0:
        picture = replace(picture, values=flipped(picture.values))
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        picture = replace(picture, alpha=(whole != clear).astype(np.float32)[..., None])
    return picture


def _read_exif(image: Image.Image, request: Request) -> Image.Exif:
    try:
        with _told(request):
            return image.getexif()
    except Exception as error:  # broken EXIF data raise nearly anything; the pixels are fine
        request.say(f"its EXIF data are broken and were ignored: {error}")
        return Image.Exif()


def _profile(image: Image.Image, exif: Image.Exif, request: Request) -> bytes | None:
    """Return what says of the colours what they are: a profile, PNG's chunks, or the camera that made Adobe RGB."""
    if image.info.get("icc_profile"):
        return bytes(image.info["icc_profile"])
    if "srgb" in image.info:
        return None
    if "gamma" in image.info:
        return gamma_profile(image.info["gamma"], image.info.get("chromaticity"))
    try:
        space = exif.get_ifd(_EXIF).get(_COLOUR_SPACE)
        interoperability = exif.get_ifd(_INTEROPERABILITY).get(1) or exif.get_ifd(_EXIF).get(_INTEROPERABILITY)
    except Exception:  # what is broken in it was said before
        return None
    if space == 2 or (space == 0xFFFF and str(interoperability).startswith("R03")):
        request.say("its EXIF data say Adobe RGB and it has no profile: its colours were taken for Adobe RGB (1998)")
        return coded.made_profile(coded.ADOBE_RGB, coded.ADOBE_GAMMA)
    return None


def gamma_profile(gamma: float, chromaticity: tuple[float, ...] | None) -> bytes | None:
    """Return the profile of PNG's gAMA and cHRM, or None for sRGB.

    A gamma of 0.45455 is sRGB's curve, as in browsers: the specification tells writers of sRGB to put it beside.
    """
    points = tuple(round(float(part), 5) for part in chromaticity or (*coded.D65, *coded.SRGB_PRIMARIES))
    usual = _SRGB_GAMMA[0] <= gamma <= _SRGB_GAMMA[1]
    alike = max(abs(a - b) for a, b in zip(points, (*coded.D65, *coded.SRGB_PRIMARIES), strict=True)) < 0.001
    if gamma <= 0 or (usual and alike):
        return None
    return coded.made_profile(points, None if usual else 1 / gamma)
