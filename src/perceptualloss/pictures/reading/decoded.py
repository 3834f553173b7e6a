"""What a reader hands on, and what it was asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from perceptualloss.errors import InputError

log = logging.getLogger(__name__)

MAX_PIXELS = 178_956_970  # three bytes of each are half a gigabyte; what Pillow refuses beyond, too

Floats = NDArray[np.float32]
Samples = NDArray[np.uint8] | NDArray[np.uint16] | Floats
Space = Literal["grey", "rgb", "cmyk", "lab"]
_ROUNDING = 1e-6
_said: set[tuple[str, str]] = set()
_SLIGHT = 1 / 255


@dataclass(frozen=True)
class Decoded:
    """A picture before its colours are sRGB's and before it is turned.

    Attributes:
        values: (H, W, channels of ``space``): all of uint8 or of uint16, or in [0, 1]; Lab as L* (0 to 100), a*, b*.
        space: what the channels are.
        bits: of the samples, to be kept when the picture is written.
        alpha: opacity, (H, W, 1), as the values are; the colours are not multiplied by it.
        profile: an ICC profile, or None for sRGB.
        orientation: EXIF's, 1 to 8.
        duration: how long an animation shows it, in milliseconds.
    """

    values: Samples
    space: Space
    bits: Literal[8, 16] = 8
    alpha: Samples | None = None
    profile: bytes | None = None
    orientation: int = 1
    duration: float | None = None


@dataclass(frozen=True)
class Source:
    """A file that was opened: how many pictures it has, and how to read one; ``loop`` is 0 for an endless animation."""

    decode: Callable[[int], Decoded]
    count: int = 1
    animated: bool = False
    loop: int | None = None


@dataclass(frozen=True)
class Request:
    """What is read, for what is said of it, and how large it may be; of a file the same is said once in a process."""

    name: str
    max_pixels: int = MAX_PIXELS
    file: bool = False

    def say(self, remark: str) -> None:
        """Tell the user in one line what of this file is guessed, dropped or not kept."""
        if self.file:
            if (self.name, remark) in _said:  # a training reads it in every epoch
                return
            _said.add((self.name, remark))
        log.warning("%s: %s", self.name, remark)

    def check_size(self, width: int, height: int) -> None:
        """Check the size before anything is decoded.

        Raises:
            InputError: for more pixels than are allowed.
        """
        if width * height > self.max_pixels:
            raise InputError(
                f"{self.name} to have at most {self.max_pixels} pixels",
                f"{width} x {height} = {width * height} pixels",
                "If you trust the file and have the memory, raise --max-pixels (in Python, max_pixels).",
            )

    def refuse(self, what: str, remedy: str = "") -> InputError:
        """Return the error for a file of a kind that is not read."""
        return InputError(f"{self.name} to be a picture that can be shown", what, remedy)


def unit(samples: NDArray[Any], most: int) -> Samples:
    """Return whole numbers from 0 to ``most`` in [0, 1]; those of all 8 or 16 bits stay as they are, to save memory."""
    if samples.dtype in (np.uint8, np.uint16) and most == np.iinfo(samples.dtype).max:
        return np.asarray(samples, samples.dtype.newbyteorder("="))
    if most > 2**24:
        return (samples / np.float64(most)).astype(np.float32)
    return samples.astype(np.float32) / np.float32(most)


def floating(samples: NDArray[Any], request: Request) -> Floats:
    """Return numbers in floating point, which must be in [0, 1]; what is slightly beyond is clipped.

    Raises:
        InputError: for values that are not finite or far beyond.
    """
    values = samples.astype(np.float32)
    least, most = float(values.min()), float(values.max())
    if not (np.isfinite(least) and np.isfinite(most)):
        raise request.refuse("values in floating point that are not finite (NaN or infinity)")
    if least < -_SLIGHT or most > 1 + _SLIGHT:
        remedy = "Scale them first: what is white in it, no program can know."
        raise request.refuse(f"values in floating point from {least:g} to {most:g}, beyond [0, 1]", remedy)
    if least < -_ROUNDING or most > 1 + _ROUNDING:
        request.say(f"values from {least:g} to {most:g} were clipped to [0, 1]")
    return values.clip(0, 1, out=values)


def apart(samples: Samples, bits: Literal[8, 16], profile: bytes | None = None, orientation: int = 1) -> Decoded:
    """Take apart grey, grey and alpha, RGB, or RGB and alpha, (H, W) or (H, W, channels)."""
    samples = samples[..., None] if samples.ndim == 2 else samples
    channels = samples.shape[2]
    if channels > 4:
        raise ValueError(f"{channels} channels")
    colours, alpha = samples, None
    if channels in (2, 4):
        colours, alpha = samples[..., :-1], samples[..., -1:]
    return Decoded(colours, "grey" if channels < 3 else "rgb", bits, alpha, profile, orientation)


def as_floats(samples: Samples) -> Floats:
    """Return samples in [0, 1]."""
    if samples.dtype in (np.uint8, np.uint16):
        values = samples.astype(np.float32)
        values /= np.float32(255 if samples.dtype == np.uint8 else 65535)
        return values
    return samples.astype(np.float32, copy=False)


def flipped(samples: Samples) -> Samples:
    """Return samples of which the least was white."""
    if samples.dtype == np.float32:
        return np.float32(1) - samples
    return np.invert(samples)


def divided(picture: Decoded) -> Samples:
    """Return colours without the opacity that they were multiplied by."""
    if picture.alpha is None:
        return picture.values
    least = np.float32(1e-6)
    return np.asarray((as_floats(picture.values) / np.maximum(as_floats(picture.alpha), least)).clip(0, 1), np.float32)
