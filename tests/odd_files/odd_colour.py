"""Colour as formulas: transfer curves, primaries, and ICC profiles of them, none of it from a colour library."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# X, Y, Z of red, green and blue, adapted to D50, as the profiles of these spaces have them.
SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
DISPLAY_P3 = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
ADOBE_RGB = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])


def primaries(*points: tuple[float, float], white: tuple[float, float] = (0.3127, 0.3290)) -> Floats:
    """Return X, Y, Z of three colours that make white, from their chromaticities."""
    columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in points]).T
    light = np.array([white[0] / white[1], 1.0, (1 - white[0] - white[1]) / white[1]])
    return columns * np.linalg.solve(columns, light)


SRGB_D65 = primaries((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
P3_D65 = primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
BT2020_D65 = primaries((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))


def srgb_linear(values: Floats) -> Floats:
    """Return the light of sRGB values in [0, 1]."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def srgb_encoded(light: Floats) -> Floats:
    """Return sRGB values of light, clipped to [0, 1]."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def shown(light: Floats, own: Floats, srgb: Floats) -> Floats:
    """Return what sRGB shows of light in other primaries, 0 to 255."""
    return 255 * srgb_encoded(light @ np.linalg.solve(srgb, own).T)


def profile(matrix: Floats, gamma: float | None, name: str) -> bytes:
    """Return an ICC profile of version 2 with a pure power as its curve; None is sRGB's curve of 1,024 steps."""
    curve = _curve(gamma)
    tags = {b"desc": _description(name), b"cprt": b"text\0\0\0\0none\0", b"wtpt": _xyz([0.9642, 1.0, 0.82491])}
    for letter, column in zip(b"rgb", matrix.T, strict=True):
        tags[bytes([letter]) + b"XYZ"] = _xyz(column)
        tags[bytes([letter]) + b"TRC"] = curve
    return _icc(b"RGB ", tags)


def grey_profile(gamma: float, name: str = "grey") -> bytes:
    """Return an ICC profile of grey with a pure power as its curve."""
    tags = {b"desc": _description(name), b"cprt": b"text\0\0\0\0none\0", b"wtpt": _xyz([0.9642, 1.0, 0.82491])}
    return _icc(b"GRAY", tags | {b"kTRC": _curve(gamma)})


def _curve(gamma: float | None) -> bytes:
    if gamma is None:
        steps = np.round(65535 * srgb_linear(np.linspace(0, 1, 1024))).astype(">u2")
        return b"curv\0\0\0\0" + struct.pack(">I", len(steps)) + steps.tobytes()
    if gamma == 1:
        return b"curv\0\0\0\0" + struct.pack(">I", 0)
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(256 * gamma))


def _xyz(values: object) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(65536 * float(v))) for v in np.asarray(values))


def _description(name: str) -> bytes:
    text = name.encode() + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(4 + 4 + 2 + 1 + 67)


def _icc(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    table, body, offset = b"", b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        padded = content + bytes(-len(content) % 4)
        table += name + struct.pack(">II", offset + len(body), len(content))
        body += padded
    header = struct.pack(">II4s4s4s4s", 0, 0, b"\x02\x40\0\0", b"mntr", space, b"XYZ ") + bytes(12)
    header = header[:36] + b"acsp" + bytes(28) + struct.pack(">iii", 63190, 65536, 54061) + bytes(48)
    data = header + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(data)) + data[4:]
