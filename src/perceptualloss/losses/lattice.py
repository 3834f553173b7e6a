"""The lattice loss: ripples that stand out of the output's spectrum and that the target has not."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from perceptualloss.errors import InputError
from perceptualloss.losses.base import Loss, Reduction
from perceptualloss.losses.mask import Mask, Weights, weighted_mean
from perceptualloss.numerics import wide
from perceptualloss.pictures.ranges import InputRange, to_unit_range

LEAST = 16  # pixels a side of a window: below it the surroundings of a frequency are all there is
SLOW = 5 / 32  # cycles a pixel; what is slower is the picture's own
REACH = 5  # of the surroundings in frequencies; the nearest hold what a Hann window spreads


def lattice(output: Tensor, target: Tensor, threshold: float = 3.0, size: int = 32, mask: Mask | None = None) -> Tensor:
    r"""Return how far ripples of each output stand out, (N,).

    The mean over windows, channels and frequencies of

    .. math:: \max\left(0, \log\frac{\max(P_{\hat y}(f), r)}
        {\max(\tau S_{\hat y}(f), \tau S_y(f), M_y(f), \tau r)}\right)

    P is the power at frequency f in a window (less its mean and slope, under a Hann window), S the mean power around f
    without f and its neighbours, M the largest power at f and its neighbours, and r the power that rounding to 8 bits
    leaves. Only frequencies beyond 5/32 cycles a pixel count. So nothing is said of an output whose spectrum is smooth,
    whatever its strength, nor of a ripple that the target has, too. The gradient lowers what stands out and takes the
    surroundings :math:`S_{\hat y}` as given, since noise around a ripple would hide it, too.

    Windows lie side by side, over each other by as much as it takes to reach the border.

    Args:
        output: (N, C, H, W) in [0, 1], at least 16 x 16 pixels.
        target: as ``output``.
        threshold: :math:`\tau`: how many times the mean of its surroundings a frequency may have. Of white noise,
            5% of the frequencies have more than 3 times.
        size: pixels a side of a window; in smaller pictures their shorter side.
        mask: a window counts as much as its pixels on average; of an exact mask, if all of its pixels count.

    Raises:
        InputError: for less than 16 pixels a side.
    """
    height, width = output.shape[-2:]
    if min(height, width) < LEAST:
        raise InputError(f"at least {LEAST} x {LEAST} pixels to find ripples in", f"{height} x {width}")
    size = min(size, height, width)
    output, target = wide(output), wide(target)
    own = _powers(_windows(output, size))
    with torch.no_grad():
        wanted = _powers(_windows(target, size))
        rounding = (1 / 255) ** 2 / 12 * 2.25 / size**2  # a Hann window passes 2.25 times as much noise as waves
        around = torch.maximum(surroundings(own), surroundings(wanted)).clamp(min=rounding)
        around_it = F.pad(wanted.flatten(0, -3)[:, None], (1, 1, 1, 1), mode="circular")
        peaks = F.max_pool2d(F.max_pool2d(around_it, (3, 1), 1), (1, 3), 1).view_as(wanted)
        allowed = torch.maximum(threshold * around, peaks)
        cycles = torch.fft.fftfreq(size, device=own.device)
        fast = torch.hypot(cycles[:, None], cycles[None, :]) > SLOW
    excess = F.relu((own.clamp(min=rounding) / allowed).log()) * fast
    return weighted_mean(excess.mean(dim=(-2, -1)), None if mask is None else _weights(mask, size))


def surroundings(power: Tensor) -> Tensor:
    """Return the mean power around each frequency of spectra (..., size, size), without itself and its neighbours."""
    size, counts = power.shape[-1], (2 * REACH + 1) ** 2 - 9
    steps = torch.arange(size, device=power.device)
    apart = (steps[:, None] - steps).remainder(size)
    apart = torch.minimum(apart, size - apart)  # frequencies go round
    near, all_around = ((apart <= reach).to(power.dtype) for reach in (1, REACH))
    with torch.autocast(power.device.type, enabled=False):
        sums: Tensor = all_around @ power @ all_around - near @ power @ near
    return (sums / counts).clamp(min=0)


def _starts(length: int, size: int) -> list[int]:
    number = math.ceil(length / size)
    return [round(i * (length - size) / max(1, number - 1)) for i in range(number)]


def _windows(images: Tensor, size: int) -> Tensor:
    """Cut images (N, C, H, W) into windows that cover them, (N, C, rows, columns, size, size)."""
    height, width = images.shape[-2:]
    rows = torch.stack([images[..., y : y + size, :] for y in _starts(height, size)], dim=2)
    return torch.stack([rows[..., x : x + size] for x in _starts(width, size)], dim=3)


def _powers(windows: Tensor) -> Tensor:
    """Return the power of windows (..., size, size) at each frequency: a wave of amplitude a has a^2 / 4 at two."""
    size = windows.shape[-1]
    ramp = torch.linspace(-1, 1, size, dtype=windows.dtype, device=windows.device)
    windows = windows - windows.mean(dim=(-2, -1), keepdim=True)
    for axis in (ramp[:, None], ramp[None, :]):  # orthogonal to each other and to the mean
        slope = (windows * axis).mean(dim=(-2, -1), keepdim=True) / ramp.square().mean()
        windows = windows - slope * axis
    hann = torch.hann_window(size, dtype=windows.dtype, device=windows.device)
    hann = hann / hann.mean()
    transformed = torch.fft.fft2(windows * hann[:, None] * hann) / size**2
    power: Tensor = transformed.real.square() + transformed.imag.square()  # smooth at 0, unlike abs
    return power


def _weights(mask: Mask, size: int) -> Weights:
    windows = _windows(mask.pixels, size)
    counts = windows.amin(dim=(-2, -1)) if mask.exact else windows.mean(dim=(-2, -1))
    return mask.counted(counts, "a window of LatticeLoss", size)


class LatticeLoss(Loss):
    """How far ripples of the output stand out of its spectrum and of the target's (see :func:`lattice`).

    Networks that are taught by features weave a fine raster into smooth areas and textures. It costs pixels little, and
    features take it for detail. A little of this loss keeps it away: as a rule, a weight of 5 to 10 beside "unit"
    distances of weight 1. It says nothing of colours or sharpness, so put another loss beside it.

    It is in [0, ∞); equal pictures give 0. Its gradient takes the surroundings of a ripple as given, so it is not the
    whole derivative.

    Args:
        threshold: how many times the mean of its surroundings a frequency may have.
        size: pixels a side of the windows in which spectra are taken.
        input_range: the range of the pictures' values, such as (0, 1) or (-1, 1) (see :class:`Loss`).
        reduction: "mean" or "sum" over the pictures of a batch, or "none" for one value each (see :class:`Loss`).

    Raises:
        InputError: for a threshold below 1 or windows of less than 16 pixels.

    Source: ours; the figure of ``benchmarks/lattice.py``, of each channel and everywhere, as something to minimise.

    >>> wave = 0.5 + 0.02 * torch.cos(torch.arange(64) * 2 * torch.pi / 4).expand(1, 3, 64, 64)
    >>> grey, loss = torch.full((1, 3, 64, 64), 0.5), LatticeLoss()
    >>> bool(loss(wave, grey) > 0), bool(loss(grey, wave) == 0), bool(loss(wave, wave) == 0)
    (True, True, True)
    """

    def __init__(
        self,
        threshold: float = 3.0,
        size: int = 32,
        input_range: InputRange = (0.0, 1.0),
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(input_range, reduction)
        if not 1 <= threshold < math.inf:
            raise InputError("a threshold from 1", repr(threshold), "White noise has 6 to 8 at its highest.")
        if size < LEAST:
            raise InputError(f"windows of at least {LEAST} pixels", repr(size))
        self.threshold, self.size = float(threshold), int(size)

    def _per_image(self, output: Tensor, target: Tensor, weight: Mask | None = None) -> dict[str, Tensor]:
        """Return how far ripples stand out, (N,)."""
        output, target = to_unit_range(output, self.input_range), to_unit_range(target, self.input_range)
        return {"lattice": lattice(output, target, self.threshold, self.size, weight)}
