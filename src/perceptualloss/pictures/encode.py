"""Pictures into files of every kind that is written, with what is said beside the pixels."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
import torch
from PIL import Image, ImageCms
from torch import Tensor

from perceptualloss.errors import InputError, check_image_batch
from perceptualloss.files import whole_file
from perceptualloss.pictures.exif import ORIENTATION
from perceptualloss.pictures.jpeg import write_jpeg
from perceptualloss.pictures.jpeg_xl import encode_jpeg_xl
from perceptualloss.pictures.kinds import AVIF, GIF, JPEG, JPEG_XL, PNG, TIFF, WEBP, Kind
from perceptualloss.pictures.metadata import COMMENT, Metadata
from perceptualloss.pictures.png import chunk, write_png
from perceptualloss.pictures.ranges import FAR, check_values
from perceptualloss.pictures.rows import Rows, Samples
from perceptualloss.pictures.samples import whole_numbers
from perceptualloss.pictures.tiff import write_pages

_SETTINGS: dict[Kind, dict[str, Any]] = {
    JPEG: {},
    WEBP: {"quality": 95, "use_sharp_yuv": True},
    AVIF: {"quality": 90, "subsampling": "4:4:4"},
    GIF: {},
}
_INCH = 0.0254  # metres


def samples_of(image: Tensor, bits: int, alpha: Tensor | None, grey: bool) -> Samples:
    """Return a picture as whole numbers of 8 or 16 bits, (H, W, channels); clamped and rounded.

    Args:
        image: floating point, (3, H, W) or (1, 3, H, W), in [0, 1].
        bits: of the numbers.
        alpha: opacity of as many pixels in [0, 1], or None.
        grey: return one channel, the mean of the three.

    Raises:
        InputError: several pictures, other shapes, or values that are not finite or far beyond [0, 1].
    """
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
    if not all(torch.stack(layer.aminmax()).isfinite().all() for layer in layers):
        raise InputError("image with finite values", "NaN or infinity", "Look at the network or the data that made it.")
    check_values("image", image, 0, 1, FAR, "")
    samples: list[Any] = [whole_numbers(layer, bits) for layer in layers]
    return samples[0] if len(samples) == 1 else np.concatenate(samples, axis=2)


@contextmanager
def new_file(path: Path, overwrite: bool = True) -> Iterator[BinaryIO]:
    """Give an open file that becomes ``path`` as a whole or not at all, as :func:`whole_file` does.

    Raises:
        InputError: a missing or read-only folder, a full disk, or a file of that name, unless ``overwrite``.
    """
    try:
        with whole_file(path, overwrite=overwrite) as file:
            yield file
    except FileExistsError as error:
        raise InputError(f"a new file {path}", "one that is there already") from error
    except FileNotFoundError as error:
        raise InputError(f"a folder {path.parent} to write {path.name} to", "no such folder", "Create it.") from error
    except OSError as error:
        reason = error.strerror or str(error)
        remedy = "Free some space or choose another folder." if "space" in reason else ""
        raise InputError(f"{path} to be writable", f"the error {reason!r}", remedy) from error


def write_still(rows: Rows, path: Path, kind: Kind, metadata: Metadata | None = None, overwrite: bool = True) -> None:
    """Write one picture with what its kind can hold of the metadata (``Metadata.within``).

    PNG, TIFF and JPEG are written while the rows are made; for the other kinds all samples are in memory.

    Raises:
        InputError: a missing or read-only folder, a full disk, or a file of that name, unless ``overwrite``.
    """
    metadata = metadata or Metadata()
    profile = profile_for(rows.channels, metadata)
    with new_file(path, overwrite) as file:
        if kind is TIFF:
            write_pages(file, iter([rows]), rows.size, metadata, profile)
        elif kind is PNG:
            write_png(file, rows, png_chunks(metadata, profile))
        elif kind is JPEG:
            write_jpeg(file, rows, pillow_options(kind, metadata, profile))
        elif kind is JPEG_XL:
            file.write(encode_jpeg_xl(rows.whole(), metadata))
        elif kind is GIF:
            _save(file, as_gif(rows.whole()), kind, pillow_options(kind, metadata, b""))
        else:
            _save(file, as_pillow(rows.whole()), kind, pillow_options(kind, metadata, profile))


def _save(file: BinaryIO, picture: Image.Image, kind: Kind, options: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    picture.save(buffer, kind.name.upper(), **options)
    file.write(buffer.getbuffer())


def as_pillow(samples: Samples) -> Image.Image:
    """Return samples of 8 bits, (H, W, channels), as a Pillow picture of mode L, LA, RGB or RGBA."""
    return Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)


def as_gif(samples: Samples) -> Image.Image:
    """Return samples of 8 bits as a Pillow picture of 256 colours of its own, each opaque or, below half, clear."""
    picture = as_pillow(samples)
    if samples.shape[2] in (1, 3):
        return picture.quantize(256)
    clear = picture.getchannel("A").point(lambda opacity: 255 * (opacity < 128))
    colours = picture.convert("RGB").quantize(255)
    colours.paste(255, mask=clear)
    colours.info["transparency"] = 255
    return colours


def pillow_options(kind: Kind, metadata: Metadata, profile: bytes) -> dict[str, Any]:
    """Return the options with which Pillow writes a kind that is neither PNG nor TIFF."""
    options = dict(_SETTINGS[kind])
    exif = metadata.exif
    if exif is not None:
        exif = exif.without(ORIENTATION) if kind is AVIF else exif  # Pillow would write the others anew
        options["exif"] = (b"Exif\0\0" if kind is JPEG else b"") + exif.encoded()
    if metadata.xmp:
        options["xmp"] = metadata.xmp
    if metadata.iptc:  # among Photoshop's resources, as the IPTC-NAA record
        resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(metadata.iptc)) + metadata.iptc
        body = b"Photoshop 3.0\0" + resource + bytes(len(resource) % 2)
        options["extra"] = b"\xff\xed" + struct.pack(">H", 2 + len(body)) + body
    if metadata.dpi is not None:
        options["dpi"] = metadata.dpi
    if COMMENT in metadata.texts:
        options["comment"] = metadata.texts[COMMENT].encode()
    if profile:
        options["icc_profile"] = profile
    return options


def profile_for(channels: int, metadata: Metadata) -> bytes:
    """Return sRGB's colour profile, of as many colours as the channels hold, if the source had one; else nothing."""
    return srgb_profile(grey=channels < 3) if metadata.profile else b""


@cache
def srgb_profile(grey: bool) -> bytes:
    """Return a colour profile with the curve of sRGB, and its primaries unless it is grey; always the same bytes."""
    if grey:
        signal = np.linspace(0, 1, 1024)
        light = np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)
        profile = imagecodecs.cms_profile("gray", transferfunction=np.rint(light * 65535).astype(np.uint16))
    else:
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile[:24] + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + profile[36:]  # in place of today's date


def png_chunks(metadata: Metadata, profile: bytes) -> bytes:
    """Return the chunks of a PNG file that stand between its header and its pixels.

    Source: PNG specification, third edition (W3C, 2025), section 11.3.
    """
    chunks = chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(profile)) if profile else b""
    if metadata.dpi is not None:
        chunks += chunk(b"pHYs", struct.pack(">IIB", *(round(value / _INCH) for value in metadata.dpi), 1))
    if metadata.exif is not None:
        chunks += chunk(b"eXIf", metadata.exif.encoded())
    if metadata.xmp:
        chunks += chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + metadata.xmp)
    for name, text in metadata.texts.items():
        try:
            chunks += chunk(b"tEXt", name.encode("latin-1") + b"\0" + text.encode("latin-1"))
        except UnicodeEncodeError:
            chunks += chunk(b"iTXt", name.encode("latin-1", "replace") + b"\0\0\0\0\0" + text.encode())
    return chunks
