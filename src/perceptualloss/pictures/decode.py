"""From the bytes of a picture file to upright sRGB pixels."""

from __future__ import annotations

import io
import logging
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageCms
from torch import Tensor

from perceptualloss.pictures.picture import Picture
from perceptualloss.pictures.samples import decode_16_bit

log = logging.getLogger(__name__)

Pixels = NDArray[np.float32]
_ORIENTATION = 0x0112
_TURN = {  # EXIF orientation: how often to turn by 90 degrees anticlockwise, then whether to mirror
    2: (0, True),
    3: (2, False),
    4: (2, True),
    5: (3, True),
    6: (3, False),
    7: (1, True),
    8: (1, False),
}


def decode(data: bytes) -> Picture:
    """Return the picture upright."""
    with Image.open(io.BytesIO(data)) as image:
        profile = image.info.get("icc_profile")
        samples = None if profile and _foreign(profile) else decode_16_bit(data)
        if samples is None:
            return upright_picture(image)
        image.load()
        return _upright(_from_samples(samples.astype(np.float32) / np.float32(65535), bits=16), image)


def upright_picture(image: Image.Image) -> Picture:
    """Return a Pillow picture upright."""
    picture = _read(image)  # first of all: a PNG's orientation may follow its pixels
    return _upright(picture, image)


def _read(image: Image.Image) -> Picture:
    """Return a Pillow picture of any mode."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image).astype(np.float32)
        values = values if image.mode == "F" else values / np.float32(65535)
        if not (values.min() >= 0 and values.max() <= 1):
            limit = 1 if image.mode == "F" else 65535
            raise ValueError(f"grey values beyond [0, {limit}] in a picture of mode {image.mode}")
        return _from_samples(values[..., None], bits=16)
    profile, alpha = image.info.get("icc_profile"), None
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        alpha = _batch(_unit(np.asarray(image.convert("RGBA").getchannel("A")))[..., None])
    if image.mode in ("LA", "La"):
        image = image.convert("L")
    elif image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("RGBA").convert("RGB") if alpha is not None else image.convert("RGB")
    return Picture(_batch(_unit(np.asarray(_to_srgb(image, profile)))), alpha, grey, bits=8)


def _unit(samples: NDArray[np.uint8]) -> Pixels:
    return samples.astype(np.float32) / np.float32(255)


def _from_samples(values: Pixels, bits: Literal[8, 16]) -> Picture:
    """Take apart grey, grey and alpha, RGB, or RGB and alpha; (H, W, channels)."""
    channels = values.shape[2]
    colours = values if channels in (1, 3) else values[..., :-1]
    alpha = _batch(values[..., -1:]) if channels in (2, 4) else None
    return Picture(_batch(np.repeat(colours, 3, axis=2) if channels < 3 else colours), alpha, channels < 3, bits)


def _batch(pixels: Pixels) -> Tensor:
    """Return pixels (H, W, C) as a batch of one, (1, C, H, W)."""
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()[None]


def _upright(picture: Picture, image: Image.Image) -> Picture:
    """Turn and mirror a picture as the EXIF data of the loaded ``image`` says."""
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception as error:  # broken EXIF data raise nearly anything; the pixels are fine
        log.warning("EXIF data were ignored: %s", error)
        orientation = 1
    quarters, mirrored = _TURN.get(orientation, (0, False))

    def turn(pixels: Tensor) -> Tensor:
        turned = torch.rot90(pixels, quarters, dims=(-2, -1))
        return (turned.flip(-1) if mirrored else turned).contiguous()

    alpha = None if picture.alpha is None else turn(picture.alpha)
    return replace(picture, colours=turn(picture.colours), alpha=alpha)


def _foreign(profile: bytes) -> bool:
    """Tell whether a colour profile is readable and other than sRGB."""
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return "sRGB" not in ImageCms.getProfileDescription(opened)
    except (OSError, ImageCms.PyCMSError):
        return False


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert a picture of mode L, RGB or CMYK to sRGB; a profile that does not fit is ignored and logged."""
    if not profile or not _foreign(profile):
        return image.convert("RGB")
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if opened.profile.xcolor_space.strip() == "RGB":
        image = image.convert("RGB")
    try:
        converted = ImageCms.profileToProfile(image, opened, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except ImageCms.PyCMSError as error:
        log.warning("a colour profile was ignored: %s", error)
        return image.convert("RGB")
    return image.convert("RGB") if converted is None else converted
