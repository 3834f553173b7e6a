"""Pictures to begin with: photos that scikit-image ships, also spoilt ones, with small views of them."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

from PIL import Image

from perceptualloss.apply.stylize import stylize
from perceptualloss.data.folder import builtin_photos

_NAMES = ("chelsea", "coffee", "astronaut", "rocket", "camera")
_PAINTED = "chelsea"  # which shows styles
_SIDE = 240  # pixels of a small view


@cache
def examples() -> dict[str, Path]:
    """Return the files by name."""
    files = {file.stem: file for file in builtin_photos()}
    return {name: files[name] for name in _NAMES}


@cache
def small_view(name: str) -> bytes:
    """Return a square JPEG of the middle of an example.

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
    with Image.open(examples()[name]) as picture:
        side = min(picture.size)
        left, top = ((length - side) // 2 for length in picture.size)
        square = picture.convert("RGB").crop((left, top, left + side, top + side))
    return square.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()
