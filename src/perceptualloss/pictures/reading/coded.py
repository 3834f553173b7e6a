"""Colours that are said by numbers: ITU-T H.273's codes (PNG's cICP, AVIF, HEIF, JPEG XL), and gamma with primaries.

Sources: ITU-T H.273 (07/2024), tables 2 and 3; PNG, third edition, 11.3.2. An ICC profile is made of the
numbers, so that one library (LittleCMS) has all the arithmetic.
"""

from __future__ import annotations

import functools

import imagecodecs
import numpy as np

from perceptualloss.pictures.reading.decoded import Request

D65 = (0.3127, 0.3290)
_C = (0.310, 0.316)
SRGB_PRIMARIES = (0.640, 0.330, 0.300, 0.600, 0.150, 0.060)
_PRIMARIES = {  # white, then red, green, blue
    1: (*D65, *SRGB_PRIMARIES),
    4: (*_C, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    8: (*_C, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (*D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0, 17: 2.6}
# BT.709's and its likes' curves are cameras'; viewers show such pictures by sRGB's, and so do we. 2 is "unspecified".
_LIKE_SRGB = (1, 2, 6, 7, 13, 14, 15)
_HDR = {16: "PQ", 18: "HLG"}
_STEPS = 4096


def coded_profile(primaries: int, transfer: int, request: Request) -> bytes | None:
    """Return the ICC profile of codes of H.273, or None where they say sRGB or nothing.

    Raises:
        InputError: for HDR curves (PQ, HLG), which need tone mapping, and for codes that are not known.
    """
    primaries = 1 if primaries == 2 else primaries
    if primaries not in _PRIMARIES:
        raise request.refuse(f"colours with the primaries {primaries} of ITU-T H.273, which are not known here")
    return curved_profile(_PRIMARIES[primaries], transfer, None, request)


def curved_profile(
    chromaticities: tuple[float, ...], transfer: int | None, gamma: float | None, request: Request
) -> bytes | None:
    """Return the ICC profile of chromaticities with a coded curve, or with a gamma where ``transfer`` is None.

    Raises:
        InputError: for HDR curves and for codes that are not known.
    """
    if transfer in _HDR:
        raise request.refuse(f"an HDR picture ({_HDR[transfer]})", "It needs tone mapping: save it as SDR first.")
    if transfer is not None and transfer not in _LIKE_SRGB and transfer not in _GAMMAS:
        raise request.refuse(f"colours with the curve {transfer} of ITU-T H.273, which is not known here")
    gamma = gamma if transfer is None else _GAMMAS.get(transfer)
    if gamma is None and chromaticities == _PRIMARIES[1]:
        return None
    return made_profile(chromaticities, gamma)


@functools.lru_cache(maxsize=32)
def made_profile(chromaticities: tuple[float, ...], gamma: float | None) -> bytes:
    """Return an ICC profile.

    Args:
        chromaticities: x and y of white, red, green and blue.
        gamma: exponent from values to light; None is sRGB's curve.
    """
    white = (*chromaticities[:2], 1.0)
    points = [part for x, y in zip(chromaticities[2::2], chromaticities[3::2], strict=True) for part in (x, y, 1.0)]
    if gamma is not None:
        return bytes(imagecodecs.cms_profile("rgb", whitepoint=white, primaries=points, gamma=gamma))
    steps = np.linspace(0, 1, _STEPS)
    light = np.where(steps <= 0.04045, steps / 12.92, ((steps + 0.055) / 1.055) ** 2.4)
    curve = np.round(65535 * light).astype(np.uint16)
    return bytes(imagecodecs.cms_profile("rgb", whitepoint=white, primaries=points, transferfunction=curve))


ADOBE_RGB = (*D65, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
ADOBE_GAMMA = 563 / 256
