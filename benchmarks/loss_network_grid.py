"""Whether a loss leaves a grid: energy at the periods of the loss network's pooling, in flat areas.

Looked at are the windows of 32 x 32 pixels in which the ground truth's luminance varies least, a quarter of all.
From each channel of a window the plane that fits it best is taken away, a Hann window laid over the rest (without
both, slopes and edges leak into every frequency and hide what is there), and the periodogram read at the wave vectors
of a period: down, across and along both diagonals. Two figures per period, over all windows and channels:

- energy: the output's over the ground truth's. Above 1.1 there is a grid. Below 1 the output is smoother than the
  photo, which loses grain; that alone does not prove that there is no grid.
- peak: the energy over that of the frequencies beside it (their geometric mean), relative to the same figure of
  the ground truth. It does not depend on how smooth the output is; a grid stands out above 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from loss_network_photos import validation_outputs
from perceptualloss.pictures.color import luminance

SIZE = 32  # of a window: a multiple of the periods, so that they lie exactly on frequencies
BESIDE = 2  # frequencies away, as far as a Hann window spreads one
PERIODS = (2, 4, 8)
DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))
CONTROL = 1 / 255  # amplitude of the checkerboards that a control row adds


def grid(folder: Path) -> None:
    """Print a table for the runs of a finished comparison in ``folder``.

    The last rows are controls: the ground truth and the first trained run with a faint pattern of each period added.
    """
    truths: list[Tensor] = []
    runs: dict[str, list[Tensor]] = {}
    for _, truth, outputs in validation_outputs(folder):
        truths.append(truth)
        for name, output in outputs.items():
            runs.setdefault(name, []).append(output)
    first = list(runs)[1]
    controls = {"ground truth": truths, first: runs[first]}
    runs |= {f"{name} + pattern": [with_pattern(p, CONTROL) for p in pictures] for name, pictures in controls.items()}
    count = sum(int(chosen.sum()) for chosen in flat(truths))
    print(f"{folder}: {count} flat windows of {SIZE} x {SIZE} in {len(truths)} photos; 1 is the ground truth")
    headings = [f"{figure}, {period} px" for figure in ("energy", "peak") for period in PERIODS]
    print("| | " + " | ".join(headings) + " |", "|---" * (len(headings) + 1) + "|", sep="\n")
    for name, pictures in runs.items():
        figures = figures_of(pictures, truths)
        cells = [f"{figures[period][i]:.2f}" for i in (0, 1) for period in PERIODS]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def figures_of(output: Sequence[Tensor], truth: Sequence[Tensor]) -> dict[int, tuple[float, float]]:
    """Return for each period the energy and the peak of the outputs relative to the ground truth's.

    ``output`` and ``truth`` are photos (1, C, H, W), in the same order.
    """
    chosen = flat(truth)
    found, wanted = (
        spectrum(torch.cat([windows(p)[f] for p, f in zip(pictures, chosen, strict=True)]))
        for pictures in (output, truth)
    )
    return {p: (energy(found, p) / energy(wanted, p), peak(found, p) / peak(wanted, p)) for p in PERIODS}


def windows(pictures: Tensor) -> Tensor:
    """Cut pictures (N, C, H, W) into windows side by side, (number, C, size, size); the rest is left out."""
    cut = pictures.unfold(2, SIZE, SIZE).unfold(3, SIZE, SIZE)
    return cut.permute(0, 2, 3, 1, 4, 5).reshape(-1, pictures.shape[1], SIZE, SIZE)


def flat(photos: Sequence[Tensor], share: float = 0.25) -> list[Tensor]:
    """Return for each photo which of its windows vary least, (number,): ``share`` of the windows of all photos."""
    variances = [windows(luminance(photo)).double().var(dim=(1, 2, 3)) for photo in photos]
    limit = torch.cat(variances).quantile(share, interpolation="lower")
    return [variance <= limit for variance in variances]


def spectrum(cut: Tensor) -> Tensor:
    """Return the periodogram of windows (number, C, size, size), averaged: (size, size)."""
    return spectra(cut).mean(dim=0)


def spectra(cut: Tensor) -> Tensor:
    """Return the periodogram of each of the windows (number, C, size, size), averaged over channels.

    It is scaled so that a cosine of amplitude a has the energy a^2 / 4 at its frequency and at the opposite one.
    """
    cut = cut.double()
    ramp = torch.linspace(-1, 1, SIZE, dtype=cut.dtype)
    cut = cut - cut.mean(dim=(2, 3), keepdim=True)
    for axis in (ramp[:, None], ramp[None, :]):  # orthogonal to each other and to the mean
        cut = cut - axis * (cut * axis).mean(dim=(2, 3), keepdim=True) / ramp.square().mean()
    hann = torch.hann_window(SIZE, dtype=cut.dtype)
    cut = cut * hann[:, None] * hann / hann.mean() ** 2
    power: Tensor = (torch.fft.fft2(cut).abs() / SIZE**2).square().mean(dim=1)
    return power


def energy(power: Tensor, period: int) -> float:
    """Return the energy of a spectrum (size, size) at ``period`` pixels, averaged over the directions."""
    wave = SIZE // period
    return torch.stack([power[y * wave, x * wave] for y, x in DIRECTIONS]).mean().item()


def peak(power: Tensor, period: int) -> float:
    """Return the energy at ``period`` over the geometric mean of a frequency below and above, in each direction."""
    wave = SIZE // period
    found = []
    for y, x in DIRECTIONS:
        below, above = (power[y * k, x * k] for k in (wave - BESIDE, (wave + BESIDE) % SIZE))
        found.append(power[y * wave, x * wave] / (below * above).sqrt())
    return torch.stack(found).mean().item()


def with_pattern(pictures: Tensor, amplitude: float) -> Tensor:
    """Return pictures (N, C, H, W) plus a cosine of each period in each axis: what a grid looks like."""
    for period in PERIODS:
        for axis in (2, 3):
            wave = torch.cos(2 * torch.pi * torch.arange(pictures.shape[axis]) / period)
            pictures = pictures + amplitude * (wave[:, None] if axis == 2 else wave)
    return pictures
