"""Reading and writing pictures."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import torch
from PIL import Image
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.pictures.decode import Frames, decode, frames, picture_sides, stored_picture, upright_picture
from perceptualloss.pictures.encode import samples_of, write_still
from perceptualloss.pictures.kinds import check_target, kinds_that_hold
from perceptualloss.pictures.picture import Picture
from perceptualloss.pictures.reading.decoded import MAX_PIXELS, Request
from perceptualloss.pictures.refusals import SUFFIXES, refusing
from perceptualloss.pictures.rows import Rows

READ_SUFFIXES = SUFFIXES


def exact_dtype(images: Tensor) -> torch.dtype:
    """Return the type to compute measures and resizing in: float64 on CUDA and for float64, else float32.

    On CUDA, products of float32 may run in TF32, with errors of 1e-3, if the user's program allows that.
    """
    return torch.float64 if images.dtype == torch.float64 or images.is_cuda else torch.float32


def read_image(source: str | os.PathLike[str] | bytes | Image.Image, max_pixels: int = MAX_PIXELS) -> Tensor:
    """Read a picture as an RGB batch of one, with the values that a colour-managed viewer shows.

    - **Kind**: the content says what kind of file it is, not its name.
    - **Colours** are converted to sRGB by what the file says of them (docs/pictures.md). All bits are kept.
    - **Orientation** of EXIF is applied.
    - **Transparent parts** are laid over white.
    - **Several frames or pages**: the first is read.

    What is guessed or left out is logged in one line with the file's name.

    Args:
        source: a file, its content, or a Pillow picture.
        max_pixels: a larger picture is refused before it is decoded.

    Returns:
        float32, (1, 3, H, W), in [0, 1].

    Raises:
        InputError: for a file that is missing, not readable, does not decode, is too large, or means what is not
            understood.
    """
    return open_picture(source, max_pixels).over_white()


def read_8_bits(source: str | os.PathLike[str] | bytes, max_pixels: int = MAX_PIXELS) -> Tensor:
    """Read a picture as :func:`read_image` does, rounded to 8 bits: uint8, (3, H, W).

    The same numbers as ``to_8_bits(read_image(source))[0]``, in a fraction of its time and a quarter of its memory
    where the file has 8 bits.

    Raises:
        InputError: as :func:`read_image`.
    """
    request = _request(source, max_pixels)
    with refusing(request.name):
        return stored_picture(_content(source), request).eight_bits()


def open_picture(source: str | os.PathLike[str] | bytes | Image.Image, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture as :func:`read_image` does, but keep its transparency, and say whether it is grey.

    Raises:
        InputError: as :func:`read_image`.
    """
    request = _request(source, max_pixels)
    with refusing(request.name):
        if isinstance(source, Image.Image):
            return upright_picture(source, request)
        return decode(_content(source), request)


def open_pictures(source: str | os.PathLike[str] | bytes, max_pixels: int = MAX_PIXELS) -> Frames:
    """Open a file of one or more pictures: the frames of an animation, or pages.

    Raises:
        InputError: as :func:`read_image`; also when a frame is decoded.
    """
    request = _request(source, max_pixels)
    with refusing(request.name):
        return frames(_content(source), request)


def picture_size(file: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Return (height, width) of a picture as :func:`read_image` gives it; mostly the head of the file is enough.

    Raises:
        InputError: as :func:`read_image`, as far as it shows.
    """
    request = _request(file, max_pixels)
    with refusing(request.name), _checked(Path(file)).open("rb") as stream:
        return picture_sides(stream, request)


def _request(source: str | os.PathLike[str] | bytes | Image.Image, max_pixels: int) -> Request:
    if isinstance(source, Image.Image):
        return Request("the Pillow picture", max_pixels)
    if isinstance(source, bytes):
        return Request(f"the picture of {len(source)} bytes", max_pixels)
    return Request(str(Path(source)), max_pixels, file=True)


def _content(source: str | os.PathLike[str] | bytes) -> bytes:
    if isinstance(source, bytes):
        return source
    return _checked(Path(source)).read_bytes()


def _checked(path: Path) -> Path:
    if path.exists() and not path.is_file() and not path.is_dir():  # /dev/zero never ends
        raise InputError(f"a picture file {path}", "a device or the like")
    return path


def write_image(
    image: Tensor,
    path: str | os.PathLike[str],
    bits: Literal[8, 16] = 8,
    alpha: Tensor | None = None,
    grey: bool = False,
    overwrite: bool = True,
) -> None:
    """Write a picture; the ending of the file's name says the kind.

    - **16 or 8 bits a channel**: PNG, TIFF, JPEG XL. PNG and TIFF are exact, and so is JPEG XL with 16 bits.
    - **8 bits**: JPEG, WebP, AVIF, GIF. JPEG and WebP have quality 95, AVIF 90; GIF has 256 colours. JPEG XL with 8
      bits has distance 0.5.

    Values are clamped to [0, 1] and rounded. The file appears whole or not at all: a file of that name stays as it was
    until the new one is complete.

    Args:
        image: floating point, (3, H, W) or (1, 3, H, W), in [0, 1].
        path: ends in .png, .tif, .jxl, .jpg, .webp, .avif, .gif or one of their variants.
        bits: bits a channel, 8 or 16.
        alpha: opacity, (1, H, W) or (1, 1, H, W), in [0, 1]; not for JPEG.
        grey: write one channel, the mean of the three.
        overwrite: whether it takes the place of a file of that name.

    Raises:
        InputError: for several pictures; values that are not finite or far beyond [0, 1]; an unknown ending, or one
            that cannot hold 16 bits, transparency or so many pixels; a missing or read-only folder; a full disk; or a
            file of that name, also one that came meanwhile, unless ``overwrite``.
    """
    samples = samples_of(image, bits, alpha, grey)
    kind = check_target(path, samples.shape[1], samples.shape[0], alpha is not None)
    if bits > 8 and "16 bits" not in kind.holds:
        raise InputError(f"a file of 16 bits a channel, {kinds_that_hold('16 bits')}", repr(Path(path).name))
    write_still(Rows.of(samples), Path(path), kind, overwrite=overwrite)
