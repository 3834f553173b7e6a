r"""High dynamic range to what a screen of BT.709 shows.

PQ and HLG (BT.2100) give the light of a display in cd/m². White of SDR is at 203 cd/m² (BT.2408). The curve is the
EETF of BT.2390: with :math:`E = \mathrm{PQ}^{-1}(m) / \mathrm{PQ}^{-1}(\text{peak})` of a pixel's greatest channel m
and :math:`M = \mathrm{PQ}^{-1}(203) / \mathrm{PQ}^{-1}(\text{peak})`, light up to the knee
:math:`K = 1.5 M - 0.5` stays as it is, and a Hermite spline goes on from there to M at the peak. All three channels are
scaled alike, so hues stay.
"""

from __future__ import annotations

from math import log

import torch
from torch import Tensor

WHITE = 203.0
_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
_A, _B = 0.17883277, 0.28466892
_C = 0.5 - _A * log(4 * _A)


def pq_light(coded: Tensor) -> Tensor:
    """Return the light in cd/m², 0 to 10,000, of PQ's numbers in [0, 1]."""
    power = coded.clamp(0, 1) ** (1 / _M2)
    light: Tensor = 10000 * ((power - _C1).clamp(min=0) / (_C2 - _C3 * power)) ** (1 / _M1)
    return light


def pq_code(light: Tensor) -> Tensor:
    """Return PQ's numbers in [0, 1] of light in cd/m²."""
    power = (light / 10000).clamp(0, 1) ** _M1
    code: Tensor = ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2
    return code


def hlg_light(coded: Tensor, peak: float) -> Tensor:
    """Return the light in cd/m² of HLG's numbers (3, H, W) in [0, 1] on a display of ``peak``."""
    scene = torch.where(coded <= 0.5, coded**2 / 3, (((coded - _C) / _A).exp() + _B) / 12)
    gamma = 1.2 + 0.42 * torch.tensor(peak / 1000).log10().item()
    red, green, blue = scene
    luminance = (0.2627 * red + 0.6780 * green + 0.0593 * blue).clamp(min=1e-6)
    light: Tensor = peak * luminance ** (gamma - 1) * scene
    return light


def to_white(light: Tensor, peak: float) -> Tensor:
    """Return light (3, H, W) in cd/m² up to ``peak`` by the curve above, 1 for white."""
    if peak <= WHITE:
        return light / WHITE
    top = pq_code(torch.tensor(peak, dtype=light.dtype))
    most = float(pq_code(torch.tensor(WHITE)) / top)
    knee = 1.5 * most - 0.5
    brightest = light.amax(dim=0, keepdim=True).clamp(min=1e-4)
    code = (pq_code(brightest) / top).clamp(max=1)
    t = ((code - knee) / (1 - knee)).clamp(min=0)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * most
    shown = pq_light(torch.where(code <= knee, code, spline) * top)
    return light * (shown / brightest) / WHITE
