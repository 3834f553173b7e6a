"""Which colours a clip's numbers mean, and the same colours in BT.709, which the result is written in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.pictures.video.side_data import light_peak
from perceptualloss.pictures.video.tone import hlg_light, pq_light, to_white

# FFmpeg's numbers of H.273: shares of red and blue in luma
_MATRICES = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087)}
_MATRICES[9] = (0.2627, 0.0593)
_UNKNOWN = (0, 2, 3)  # not said, or reserved
_D65, _C, _DCI = (0.3127, 0.3290), (0.310, 0.316), (0.314, 0.351)
_P22 = ((0.63, 0.34), (0.31, 0.595), (0.155, 0.07))
_PRIMARIES = {  # x and y of red, green and blue, and white
    1: (((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)), _D65),
    4: (((0.67, 0.33), (0.21, 0.71), (0.14, 0.08)), _C),
    5: (((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)), _D65),
    6: (_P22, _D65),
    7: (_P22, _D65),
    8: (((0.681, 0.319), (0.243, 0.692), (0.145, 0.049)), _C),
    9: (((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)), _D65),
    11: (((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), _DCI),
    12: (((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), _D65),
    22: (((0.63, 0.34), (0.295, 0.605), (0.155, 0.077)), _D65),
}
_WIDE = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
_PQ, _HLG, _LINEAR, _SRGB = 16, 18, 8, 13
_POWERS = {4: 2.2, 5: 2.8} | dict.fromkeys((1, 6, 7, 11, 12, 14, 15), 2.4)  # as screens show them: BT.1886
_KEPT_CURVES = (4, 5, 7, _SRGB)  # the result has the same
_BT709 = 1


@dataclass(frozen=True)
class Colours:
    """What the numbers of a frame mean.

    Attributes:
        matrix: shares of red and blue in luma; None for RGB.
        full: whether the numbers go from 0 to the greatest.
        primaries: FFmpeg's number, BT.709's where the clip says nothing.
        transfer: likewise.
        peak: brightest light in cd/m², of HDR.
    """

    matrix: tuple[float, float] | None
    full: bool
    primaries: int
    transfer: int
    peak: float


def colours_of(frame: Any, rgb: bool, say: Callable[[str], None]) -> Colours:
    """Return what a frame says of its colours, and what players take where it says nothing.

    Without a matrix that is BT.709 from 720 rows or 1280 columns on, else BT.601, and BT.2020 with its primaries;
    without a range the narrow one, without primaries or a curve BT.709's.

    Raises:
        InputError: for colours of another kind than those of H.273 that are computed here.
    """
    transfer, primaries = int(frame.color_trc), int(frame.color_primaries)
    transfer, primaries = (_BT709 if number in _UNKNOWN else number for number in (transfer, primaries))
    if transfer not in (*_POWERS, _PQ, _HLG, _LINEAR, _SRGB):
        raise InputError("a video with a curve of light from BT.709 to HLG", f"H.273's transfer {transfer}", _REMEDY)
    if primaries not in _PRIMARIES:
        raise InputError("a video with known primaries", f"H.273's primaries {primaries}", _REMEDY)
    full = int(frame.color_range) == 2 or frame.format.name.startswith("yuvj")
    matrix = None if rgb else _matrix(frame, primaries, say)
    return Colours(matrix, full, primaries, transfer, light_peak(frame))


_REMEDY = "Convert it to BT.709 first, with a program that knows it."


def _matrix(frame: Any, primaries: int, say: Callable[[str], None]) -> tuple[float, float]:
    matrix = int(frame.colorspace)
    if matrix in _UNKNOWN:
        large = frame.height >= 720 or frame.width >= 1280
        matrix = 9 if primaries == 9 else 1 if large else 6
        name = {9: "BT.2020", 1: "BT.709", 6: "BT.601"}[matrix]
        size = f"{frame.width} x {frame.height}"
        say(f"it does not say how its colours are coded: taken as {name}, which is usual for {size}")
    if matrix not in _MATRICES:
        raise InputError("a video whose colours are coded by a known matrix", f"H.273's matrix {matrix}", _REMEDY)
    return _MATRICES[matrix]


def kept_curve(colours: Colours) -> int:
    """Return FFmpeg's number of the curve that :func:`to_bt709` leaves pictures in."""
    return colours.transfer if colours.transfer in _KEPT_CURVES else _BT709


def to_bt709(rgb: Tensor, colours: Colours, say: Callable[[str], None]) -> Tensor:
    r"""Return coded R'G'B' (3, H, W) in [0, 1] as BT.709 codes the same colours; what it cannot is clipped.

    Light is linear for a change of primaries: :math:`E = E'^{2.4}` (BT.1886) for the curves of television, that of
    sRGB, 2.2 or 2.8 where it is said; the result has the same curve. HDR (PQ, HLG) is brought to a white of 203 cd/m²
    (see :mod:`perceptualloss.pictures.video.tone`) and to BT.1886.
    """
    transfer = colours.transfer
    if transfer in (_PQ, _HLG):
        name = "PQ" if transfer == _PQ else "HLG"
        light = pq_light(rgb) if transfer == _PQ else hlg_light(rgb, colours.peak)
        say(
            f"HDR ({name}, up to {colours.peak:.0f} cd/m²) is tone-mapped to BT.709 with a white of 203 cd/m² "
            "by the curve of BT.2390"
        )
        return _mixed(to_white(light, colours.peak), colours.primaries).pow_(1 / 2.4)
    if transfer == _LINEAR:
        say("its light is linear; it is coded for BT.709 now")
        return _mixed(rgb, colours.primaries).pow_(1 / 2.4)
    if colours.primaries == _BT709:
        return rgb
    if colours.primaries in _WIDE:
        say(f"its colours are those of {_WIDE[colours.primaries]}; what BT.709 cannot show of them is clipped")
    if transfer == _SRGB:
        light = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        mixed = _mixed(light, colours.primaries)
        return torch.where(mixed <= 0.0031308, 12.92 * mixed, 1.055 * mixed ** (1 / 2.4) - 0.055)
    power = _POWERS[transfer]
    return _mixed(rgb**power, colours.primaries).pow_(1 / power)


def _mixed(light: Tensor, primaries: int) -> Tensor:
    """Return linear light (3, H, W) of some primaries by those of BT.709, within [0, 1]."""
    if primaries != _BT709:
        light = torch.einsum("ij,jhw->ihw", torch.from_numpy(to_709(primaries)).to(light), light)
    return light.clamp(0, 1)


@cache
def to_709(primaries: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the matrix (3, 3) from linear light of some primaries to BT.709's; white stays white (Bradford)."""
    xyz, white = _to_xyz(*_PRIMARIES[primaries])
    own, d65 = _to_xyz(*_PRIMARIES[_BT709])
    cone = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    adapted = np.linalg.solve(cone, (cone @ d65 / (cone @ white))[:, None] * cone)
    return np.linalg.solve(own, adapted @ xyz)


def _to_xyz(chromaticities: Any, white: tuple[float, float]) -> tuple[Any, Any]:
    """Return the matrix from RGB to XYZ, and white's XYZ."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in chromaticities]).T
    target = np.array([white[0] / white[1], 1, (1 - white[0] - white[1]) / white[1]])
    return columns * np.linalg.solve(columns, target), target
