"""From the colours of a file to sRGB, by its ICC profile: the one place that calls LittleCMS.

imagecodecs has LittleCMS with 16 bits and floating point, Pillow with 8 bits alone. The rendering intent is perceptual,
as in browsers; LittleCMS takes the relative colorimetric one where a profile has no table for it, as those of monitors
and cameras. What is beyond sRGB's gamut is clipped.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from functools import partial
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from perceptualloss.pictures.reading.decoded import Decoded, Floats, Request, Samples, as_floats

Conversion = Callable[[Samples], Floats]

_SPACES = {b"GRAY": "grey", b"RGB ": "rgb", b"CMYK": "cmyk", b"Lab ": "lab"}
_NAMES = {"grey": "gray", "rgb": "rgb", "cmyk": "cmyk", "lab": "lab"}  # imagecodecs' names
_PLAIN = ("grey", "rgb")
_INTENT = imagecodecs.CMS.INTENT.PERCEPTUAL
_ALIKE = 0.5 / 255
_STRIP = 1 << 20  # values that are converted at once


def to_srgb(picture: Decoded, request: Request) -> Conversion:
    """Return what gives the colours of a picture in sRGB: from values (H, W, channels) of it to (H, W, 3).

    They are float32 in [0, 1]; of grey the three channels are equal. Every pixel is converted by itself, so that a
    picture can be converted part by part. A profile that cannot be read or is one of other channels is ignored, which
    is said.
    """
    space = picture.space
    profile = _fitting(picture, request)
    if profile is not None and not (space in _PLAIN and is_srgb(profile)):
        conversion = partial(_by_profile, space=space, profile=profile)
        try:
            conversion(picture.values[:1, :1])
        except imagecodecs.CmsError as error:
            request.say(f"its colour profile was ignored: {error}")
        else:
            return conversion
    return partial(_without, space=space)


def keeps_values(conversion: Conversion) -> bool:
    """Tell whether a conversion of :func:`to_srgb` leaves grey and RGB as they are stored."""
    return isinstance(conversion, partial) and conversion.func is _without and conversion.keywords["space"] in _PLAIN


def _by_profile(values: Samples, space: str, profile: bytes) -> Floats:
    if space == "grey" and _space(profile) == "rgb":
        converted = _converted(np.repeat(as_floats(values), 3, axis=2), "rgb", profile)
    else:
        converted = _converted(values, space, profile)
    if space == "grey":
        converted[:] = converted.mean(axis=2, keepdims=True)
    return converted


def is_srgb(profile: bytes) -> bool:
    """Tell whether a profile of grey or RGB changes nothing: no colour by more than half a step of 8 bits.

    Its curves and primaries tell, not what it is called.
    """
    return _is_srgb(bytes(profile))


@functools.lru_cache(maxsize=64)
def _is_srgb(profile: bytes) -> bool:
    steps = np.linspace(0, 1, 18, dtype=np.float32)
    if _space(profile) == "grey":
        colours = np.linspace(0, 1, 256, dtype=np.float32).reshape(1, -1, 1)
    else:
        ramps = np.linspace(0, 1, 256, dtype=np.float32)[:, None] * np.vstack([np.eye(3), np.ones(3)])[:, None]
        grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1)
        colours = np.concatenate([ramps.reshape(-1, 3), grid.reshape(-1, 3)]).astype(np.float32)[None]
    try:
        shown = _converted(colours, _space(profile), profile)
    except imagecodecs.CmsError:
        return False
    return bool(np.abs(shown - colours).max() <= _ALIKE)


@functools.cache
def _srgb() -> bytes:
    return bytes(imagecodecs.cms_profile("srgb"))


def _space(profile: bytes) -> str:
    return _SPACES.get(profile[16:20], "another")


def _fitting(picture: Decoded, request: Request) -> bytes | None:
    """Return the profile, if it is one of the picture's channels."""
    profile = picture.profile
    if not profile:
        return None
    space = _space(profile)
    try:
        imagecodecs.cms_profile_validate(profile)
    except imagecodecs.CmsError:
        request.say("its colour profile was ignored: it cannot be read")
        return None
    if space == picture.space or (picture.space, space) == _PLAIN:
        return profile
    request.say(f"its colour profile was ignored: it is one of {space} colours, and the picture has {picture.space}")
    return None


def _without(values: Samples, space: str) -> Floats:
    """Return colours in sRGB where no profile says what they are."""
    if space == "lab":
        return _converted(values, "lab", bytes(imagecodecs.cms_profile("lab4")))
    unit = as_floats(values)
    if space == "cmyk":
        return np.asarray((1 - unit[..., :3]) * (1 - unit[..., 3:]), np.float32)
    return np.repeat(unit, 3, axis=2) if space == "grey" else unit


def _converted(values: Samples, space: str, profile: bytes) -> Floats:
    """Return what LittleCMS makes of the values, a strip of lines at a time."""
    out = np.empty((*values.shape[:2], 3), np.float32)
    lines = max(1, _STRIP // values.shape[1])
    for top in range(0, len(values), lines):
        out[top : top + lines] = _strip(values[top : top + lines], space, profile)
    return out


def _strip(values: Samples, space: str, profile: bytes) -> Floats:
    if values.dtype == np.uint8 and space == "rgb":  # within 0.8 of 255, twenty times as fast
        return as_floats(_by_littlecms(values, space, profile, "uint8"))
    given = as_floats(values)
    if space == "cmyk":
        given = given * np.float32(100)  # LittleCMS counts ink in percent
    return _by_littlecms(given[..., 0] if space == "grey" else given, space, profile, "float32").clip(0, 1)


def _by_littlecms(values: NDArray[Any], space: str, profile: bytes, kind: str) -> NDArray[Any]:
    return np.asarray(
        imagecodecs.cms_transform(
            np.ascontiguousarray(values),
            profile,
            _srgb(),
            colorspace=_NAMES[space],
            outcolorspace="rgb",
            outdtype=kind,
            intent=_INTENT,
        )
    )
