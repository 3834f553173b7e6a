"""Pictures out of tensors, arrays, Pillow pictures and files, and back into their like."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.pictures.images import open_picture
from perceptualloss.pictures.metadata import Metadata, metadata_of, read_metadata
from perceptualloss.pictures.picture import Picture
from perceptualloss.pictures.reading.decoded import Request
from perceptualloss.pictures.samples import whole_numbers

_STRIP = 256
_MOST = {torch.uint8: 255, torch.uint16: 65535}


def unpack(image: object) -> tuple[Picture, Callable[[Picture], Any]]:
    """Return what is in a tensor, array, Pillow picture or file, and a function that packs its like.

    Tensors are (N, C, H, W) or (C, H, W), arrays (H, W) or (H, W, C); 1 channel is grey, 2 are grey and alpha, 3
    RGB, 4 RGB and alpha; floating point in [0, 1], or 8 or 16 bits. A file is packed into a Pillow picture,
    which has EXIF data, XMP and resolution of the file or Pillow picture in its ``info``.

    Raises:
        InputError: another type or shape, values beyond [0, 1], or a file that cannot be read.
    """
    if isinstance(image, Tensor):
        return _unpack_tensor(image)
    if isinstance(image, np.ndarray):
        return _unpack_array(image)
    if isinstance(image, Image.Image):
        mode = image.mode
        beside = metadata_of(image)
        return open_picture(image), lambda picture: _with(beside, _pillow(picture, mode))
    if isinstance(image, str | os.PathLike):
        opened = open_picture(image)
        beside = read_metadata(Path(image).read_bytes(), Request(str(Path(image)), sys.maxsize, file=True))
        return opened, lambda picture: _with(beside, _pillow(picture))
    raise InputError("a tensor, an array, a Pillow picture or a path", type(image).__name__)


def _unpack_tensor(image: Tensor) -> tuple[Picture, Callable[[Picture], Tensor]]:
    batch = image[None] if image.ndim == 3 else image
    if batch.ndim != 4 or not 1 <= batch.shape[1] <= 4 or batch.numel() == 0:
        remedy = "Channels come first in tensors: image.permute(2, 0, 1)." if image.shape[-1:] == (3,) else ""
        raise InputError("a tensor (C, H, W) or (N, C, H, W) with 1 to 4 channels", str(tuple(image.shape)), remedy)
    most = _MOST.get(image.dtype)
    if most is None and not image.is_floating_point():
        raise InputError("floating point, uint8 or uint16", str(image.dtype).removeprefix("torch."))
    values = batch.detach().float().contiguous()  # in one layout, so that convolutions round alike for every kind
    values = values / most if most else values
    if not (values.min() >= -0.5 and values.max() <= 1.5):  # resampled pictures overshoot a little; NaN fails too
        got = f"[{values.min():.4g}, {values.max():.4g}]"
        raise InputError("floating-point values in [0, 1]", got, "Divide 8-bit values by 255.")

    def pack(picture: Picture) -> Tensor:
        packed = picture.channels().to(image.device)
        packed = _whole(packed, most, image.dtype) if most else packed.to(image.dtype)
        return packed[0] if image.ndim == 3 else packed

    colours = values if values.shape[1] in (1, 3) else values[:, :-1]
    alpha = values[:, -1:].clamp(0, 1) if values.shape[1] in (2, 4) else None
    grey = colours.shape[1] == 1
    return Picture(colours.expand(-1, 3, -1, -1), alpha, grey, 16 if image.dtype == torch.uint16 else 8), pack


def _whole(values: Tensor, most: int, kind: torch.dtype) -> Tensor:
    """Return values (N, C, H, W) in [0, 1] as whole numbers, which are made some lines at a time."""
    whole = torch.empty(values.shape, dtype=kind, device=values.device)
    for top in range(0, values.shape[2], _STRIP):
        lines = slice(top, top + _STRIP)
        whole[:, :, lines] = (values[:, :, lines] * most).round_().to(kind)
    return whole


def _unpack_array(image: np.ndarray[Any, Any]) -> tuple[Picture, Callable[[Picture], Any]]:
    kind, size = image.dtype.kind, image.dtype.itemsize
    if not ((kind == "f" and size <= 8) or (kind == "u" and size <= 2)):
        raise InputError("an array of floating point, uint8 or uint16", str(image.dtype))
    if image.ndim not in (2, 3) or (image.ndim == 3 and not 1 <= image.shape[2] <= 4) or image.size == 0:
        remedy = "Channels come last in arrays; tensors may be batches."
        raise InputError("an array (H, W) or (H, W, C) with 1 to 4 channels", str(image.shape), remedy)
    native = np.ascontiguousarray(image, dtype=image.dtype.newbyteorder("="))
    picture, pack_tensor = _unpack_tensor(torch.from_numpy(native.reshape(*image.shape[:2], -1)).permute(2, 0, 1))

    def pack(picture: Picture) -> Any:
        packed = pack_tensor(picture).permute(1, 2, 0).numpy()
        flat = image.ndim == 2 and packed.shape[2] == 1  # a grey picture may have become coloured
        return np.ascontiguousarray(packed[..., 0] if flat else packed, dtype=image.dtype)

    return picture, pack


def _with(metadata: Metadata, picture: Image.Image) -> Image.Image:
    """Put EXIF data, XMP and resolution where Pillow has them; its ``save`` writes what it is given of them."""
    metadata = metadata.of_picture(*picture.size)
    if metadata.exif is not None:
        picture.info["exif"] = b"Exif\0\0" + metadata.exif.encoded()
    if metadata.xmp:
        picture.info["xmp"] = metadata.xmp
    if metadata.dpi is not None:
        picture.info["dpi"] = metadata.dpi
    return picture


def _pillow(picture: Picture, mode: str = "") -> Image.Image:
    """Return the picture in mode L, LA, RGB or RGBA; grey ones of 16 bits in I;16, or in ``mode`` I or F."""
    channels = picture.channels()[0]
    if picture.bits == 16 and len(channels) == 1:
        if mode == "F":
            return Image.fromarray(channels[0].numpy())
        samples = whole_numbers(channels, 16)[..., 0]
        return Image.fromarray(samples.astype(np.int32) if mode == "I" else samples)
    samples = whole_numbers(channels, 8)
    return Image.fromarray(samples[..., 0] if len(channels) == 1 else samples)
