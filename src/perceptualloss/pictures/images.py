"""Reading and writing pictures."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from perceptualloss.errors import InputError, check_image_batch
from perceptualloss.files import write_whole
from perceptualloss.pictures.decode import Frames, decode, frames, picture_sides, upright_picture
from perceptualloss.pictures.picture import PathLike, Picture
from perceptualloss.pictures.ranges import FAR, check_values
from perceptualloss.pictures.reading.decoded import MAX_PIXELS, Request
from perceptualloss.pictures.refusals import SUFFIXES, refusing
from perceptualloss.pictures.samples import encode_16_bit_png, whole_numbers

READ_SUFFIXES = SUFFIXES
WRITE_SUFFIXES = (".jpeg", ".jpg", ".png", ".webp")
ALPHA_SUFFIXES = (".png", ".webp")


def exact_dtype(images: Tensor) -> torch.dtype:
    """Return the type to compute measures and resizing in: float64 on CUDA and for float64, else float32.

    On CUDA, products of float32 may run in TF32, with errors of 1e-3, if the user's program allows that.
    """
    return torch.float64 if images.dtype == torch.float64 or images.is_cuda else torch.float32


def read_image(source: str | os.PathLike[str] | bytes | Image.Image, max_pixels: int = MAX_PIXELS) -> Tensor:
    """Read a picture as an RGB batch of one, with the values that a colour-managed viewer shows.

    The content says what kind of file it is. All bits are kept, the EXIF orientation is applied, transparent parts are
    laid over white, and colours are converted to sRGB by what the file says of them (docs/pictures.md). Of several
    frames or pages the first is read. What is guessed or left out is logged in one line with the file's name.

    Args:
        source: A file, its content, or a Pillow picture.
        max_pixels: A larger picture is refused before it is decoded.

    Returns:
        float32, (1, 3, H, W), in [0, 1].

    Raises:
        InputError: The file is missing, not readable, does not decode, is too large, or means what is not understood.
    """
    return open_picture(source, max_pixels).over_white()


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
    """Write a picture as PNG (8 or 16 bits a channel), JPEG (quality 95) or WebP (quality 95).

    Values are clamped to [0, 1] and rounded. The file appears whole or not at all: a file of that name stays
    as it was until the new one is complete.

    Args:
        image: Floating point, (3, H, W) or (1, 3, H, W), in [0, 1].
        path: The suffix says the kind: .png, .jpg, .jpeg or .webp.
        bits: Bits a channel; 16 for PNG only.
        alpha: Opacity, (1, H, W) or (1, 1, H, W), in [0, 1]; for PNG and WebP only.
        grey: Write one channel, the mean of the three.
        overwrite: Whether it takes the place of a file of that name.

    Raises:
        InputError: Several pictures, values that are not finite or far beyond [0, 1], an unknown suffix, one that
            cannot hold 16 bits or transparency, a missing or read-only folder, a full disk, or a file of that name,
            also one that came meanwhile, unless ``overwrite``.
    """
    path = Path(path)
    samples = _samples(image, bits, alpha, grey)
    try:
        data = _encode(samples, path, bits)
        write_whole(data, path, overwrite)
    except InputError:
        raise
    except FileExistsError as error:
        raise InputError(f"a new file {path}", "one that is there already") from error
    except FileNotFoundError as error:
        raise InputError(f"a folder {path.parent} to write {path.name} to", "no such folder", "Create it.") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        remedy = "Free some space or choose another folder." if "space" in reason else ""
        raise InputError(f"{path} to be writable", f"the error {reason!r}", remedy) from error


def change_file(
    change: Callable[[Picture], Picture], source: PathLike, target: PathLike, overwrite: bool = True
) -> None:
    """Write what ``change`` makes of the picture in one file into another; 16 bits stay 16 if that is a PNG.

    Raises:
        InputError: a file that cannot be read or written, transparency that ``target`` cannot keep, or, unless
            ``overwrite``, a target that is there.
    """
    picture = open_picture(source)
    suffix = Path(target).suffix.lower()
    if picture.alpha is not None and suffix not in ALPHA_SUFFIXES:  # before the work
        raise InputError(f"a file that keeps transparency, {' or '.join(ALPHA_SUFFIXES)}", str(target))
    changed = change(picture)
    bits = changed.bits if suffix == ".png" else 8
    write_image(changed.colours, target, bits=bits, alpha=changed.alpha, grey=changed.grey, overwrite=overwrite)


def _samples(image: Tensor, bits: int, alpha: Tensor | None, grey: bool) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return the picture as whole numbers of 8 or 16 bits, (H, W, channels)."""
    if bits not in (8, 16):
        raise InputError("bits to be 8 or 16", f"{bits}")
    if isinstance(image, Tensor) and image.ndim == 3:
        image = image[None]
    check_image_batch("image", image)
    if len(image) != 1:
        raise InputError("one picture, (3, H, W) or (1, 3, H, W)", f"{len(image)} pictures", "Write one at a time.")
    layers = [image[0].mean(dim=0, keepdim=True) if grey else image[0]]
    if alpha is not None:
        if alpha.numel() != image[0, 0].numel():
            raise InputError(f"alpha of shape {(1, *image.shape[2:])}", f"{tuple(alpha.shape)}")
        layers.append(alpha.reshape(1, *image.shape[2:]).to(image))
    if not all(layer.isfinite().all() for layer in layers):
        raise InputError("image with finite values", "NaN or infinity", "Look at the network or the data that made it.")
    check_values("image", image, 0, 1, FAR, "")
    return whole_numbers(torch.cat(layers), bits)


def _encode(samples: NDArray[np.uint8] | NDArray[np.uint16], path: Path, bits: int) -> bytes:
    suffix = path.suffix.lower()
    if suffix not in WRITE_SUFFIXES:
        raise InputError(f"a file name that ends in {', '.join(WRITE_SUFFIXES)}", repr(path.name))
    if bits == 16:
        if suffix != ".png":
            raise InputError("a .png file for 16 bits a channel", repr(path.name))
        return encode_16_bit_png(samples.astype(np.uint16))
    if samples.shape[2] in (2, 4) and suffix not in ALPHA_SUFFIXES:
        raise InputError(f"a file that keeps transparency, {' or '.join(ALPHA_SUFFIXES)}", repr(path.name))
    options = {
        "PNG": {},
        "JPEG": {"quality": 95, "subsampling": 0},
        "WEBP": {"quality": 95, "use_sharp_yuv": True},
    }
    kind = {".png": "PNG", ".webp": "WEBP"}.get(suffix, "JPEG")
    buffer = io.BytesIO()
    Image.fromarray(samples.squeeze(2) if samples.shape[2] == 1 else samples).save(buffer, kind, **options[kind])
    return buffer.getvalue()
