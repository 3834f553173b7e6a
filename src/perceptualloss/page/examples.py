"""Pictures to begin with: photos that scikit-image ships, also spoilt for what restores, with small views of them."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from PIL import Image, ImageFilter

from perceptualloss.apply.stylize import stylize
from perceptualloss.data.folder import builtin_photos
from perceptualloss.networks.named import shipped_restorers

SPOILT = {"noisy": "denoise", "compressed": "dejpeg", "blurred": "deblur"}
"""Spoilt examples, and the network for each."""
_NAMES = ("chelsea", "coffee", "astronaut", "rocket", "camera")
_PAINTED = "chelsea"  # which shows styles
_SIDE = 240  # pixels of a small view
_NOISE = 25  # of 255
_QUALITY = 12
_BLUR = 1.5  # pixels


def examples() -> list[str]:
    """Return the names; of spoilt ones those whose network ships."""
    ships = shipped_restorers()
    return [*_NAMES, *(name for name, network in SPOILT.items() if network in ships)]


@cache
def example(name: str) -> tuple[str, bytes]:
    """Return the name and content of an example's file.

    Raises:
        KeyError: there is no such one.
    """
    files = {file.stem: file for file in builtin_photos()}
    if name not in SPOILT:
        return files[name].name, files[name].read_bytes()
    photo: Image.Image = Image.open(files[{"noisy": "chelsea", "compressed": "coffee", "blurred": "astronaut"}[name]])
    buffer = io.BytesIO()
    if name == "compressed":
        photo.save(buffer, "JPEG", quality=_QUALITY)
        return f"{name}.jpg", buffer.getvalue()
    if name == "blurred":
        photo = photo.filter(ImageFilter.GaussianBlur(_BLUR))
    else:
        noise = np.random.default_rng(0).normal(0, _NOISE, (photo.height, photo.width, 3))
        photo = Image.fromarray((np.asarray(photo) + noise).round().clip(0, 255).astype(np.uint8))
    photo.save(buffer, "PNG")
    return f"{name}.png", buffer.getvalue()


@cache
def small_view(name: str) -> bytes:
    """Return a square JPEG of the middle of an example, of a spoilt one pixel for pixel.

    Raises:
        KeyError: there is no such one.
    """
    return _jpeg(_square(name))


@cache
def style_view(name: str) -> bytes:
    """Return the small view of an example in a style, as a JPEG.

    Raises:
        InputError: no such style ships.
    """
    return _jpeg(stylize(_square(_PAINTED), name, device="cpu"))


def _square(name: str) -> Image.Image:
    with Image.open(io.BytesIO(example(name)[1])) as picture:
        side = _SIDE if name in SPOILT else min(picture.size)
        left, top = ((length - side) // 2 for length in picture.size)
        square = picture.convert("RGB").crop((left, top, left + side, top + side))
    return square.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()
