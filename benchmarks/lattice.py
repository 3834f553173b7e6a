"""Whether upscalers weave a lattice into smooth areas, or a raster into textures: ripples over what surrounds them.

    python benchmarks/lattice.py [--targets DIR ...] [--scale 2 4] [--network FILE ...]

**Lattice.** Looked at are, of each picture, the fifth of the windows of 32 x 32 pixels in which the truth's luminance
varies least. Of each window (less its mean and slope, under a Hann window) the periodogram gives, at every frequency of
more than 5 cycles in the window, the power over the larger of two others: the mean of its own surroundings, and the
mean of the truth's surroundings there. The largest of these ratios is the window's figure. So a ripple counts only
where it stands out of the picture's own spectrum *and* would stand out of the photo's: a faint one in the empty
spectrum of a smooth output does not count, nor does one that rounding to 8 bits swallows. White noise of any strength
has 6 to 8, as grain has. (A slope without any grain shows the steps of its 8 bits, in photos as in outputs.)

A picture's figure is the median over its windows, since a lattice is everywhere, and a table's figure the median over
the pictures, since some photos have a raster of their own. The truth's own figure is the measure: above it there is a
lattice.

**Raster.** Looked at are all windows of all pictures; the figure is the share of those with a raster. A window has one
if at some frequency of more than 5 cycles the output's power is more than 8 times the largest of these: the truth's
power there or at a neighbouring frequency; the output's mean power along a line through that frequency, in the one of 8
directions in which it is strongest, 2 to 5 frequencies away; and the power that rounding leaves. So a raster is a point
in the spectrum. Grain is a plane there, and hairs and edges are lines: they hardly count, wherever they lie, nor does a
pattern that the photo has. 8 is the least whole number that leaves white noise in an even grey below 1% of the windows;
of hairs all in one direction in an even grey 5% count (tests/test_raster.py). The truth has 0 by definition.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from loss_network_grid import SIZE, flat, spectra, windows
from perceptualloss.errors import InputError
from perceptualloss.networks.named import list_networks
from perceptualloss.pictures.color import luminance
from perceptualloss.studies.evaluate.candidates import complete, line_up, load, open_networks

SHARED = Path(os.environ.get("PERCEPTUALLOSS_SHARED", Path(__file__).resolve().parents[2] / "shared"))
SHARE = 0.2  # of the windows
CYCLES = 5  # in a window; slower ones are the picture's own
REACH = 5  # of the surroundings in frequencies; the nearest hold what a Hann window spreads
HANN = 2.25  # how much more power of white noise passes a Hann window than of a wave, in two dimensions
ROUNDING = HANN * (1 / 255) ** 2 / 12 / SIZE**2  # power at each frequency that rounding to 8 bits leaves
SET14, PHOTOS = SHARED / "data" / "benchmarks" / "Set14", SHARED / "data" / "photos"
DIRECTIONS = 8  # of lines through a frequency
STANDS_OUT = 8  # times what is around it has the power of a raster
VALIDATION = 20  # the last of PHOTOS by name; the others are for trainings


class Figures(NamedTuple):
    """Of a candidate on a set: the median of the pictures' lattices, and the share of windows with a raster."""

    lattice: float
    raster: float


def lattice(output: Tensor, truth: Tensor) -> float:
    """Return the figure of a picture (1, 3, H, W) in [0, 1] for the truth, which has the same shape.

    Raises:
        InputError: Pictures without a window.
    """
    own, wanted = (_spectra_of(picture) for picture in (output, truth))
    (chosen,) = flat([truth], SHARE)
    own, wanted = own[chosen], wanted[chosen]
    ratio = own / torch.maximum(surroundings(own), surroundings(wanted)).clamp(min=ROUNDING)
    return float(ratio[:, _fast()].amax(dim=1).median())


def rasters(output: Tensor, truth: Tensor) -> Tensor:
    """Return which windows of a picture (1, 3, H, W) have a raster that the truth has not: (number,).

    Raises:
        InputError: Pictures without a window.
    """
    own, wanted = (_spectra_of(picture) for picture in (output, truth))
    allowed = torch.maximum(along_lines(own), highest(wanted)).clamp(min=ROUNDING)
    return (own / allowed)[:, _fast()].amax(dim=1) > STANDS_OUT


def surroundings(power: Tensor) -> Tensor:
    """Return the mean power around each frequency of spectra (N, size, size), without itself and its neighbours."""
    side = 2 * REACH + 1
    ring = torch.ones(1, 1, side, side, dtype=power.dtype)
    ring[..., REACH - 1 : REACH + 2, REACH - 1 : REACH + 2] = 0
    around = F.pad(power[:, None], (REACH,) * 4, mode="circular")  # frequencies go round
    return F.conv2d(around, ring / ring.sum())[:, 0]


def along_lines(power: Tensor) -> Tensor:
    """Return the mean power along the line through each frequency on which it is largest, of (N, size, size).

    The frequency itself and its neighbours are left out.
    """
    side = 2 * REACH + 1
    lines = torch.zeros(DIRECTIONS, 1, side, side)  # sums of positive numbers need no 64 bits
    for line, angle in zip(lines[:, 0], torch.arange(DIRECTIONS) * (torch.pi / DIRECTIONS), strict=True):
        for step in (s for s in range(-REACH, REACH + 1) if abs(s) > 1):
            line[REACH + round(step * float(angle.sin())), REACH + round(step * float(angle.cos()))] = 1
    around = F.pad(power[:, None].float(), (REACH,) * 4, mode="circular")
    return F.conv2d(around, lines / lines.sum(dim=(2, 3), keepdim=True)).amax(dim=1).to(power.dtype)


def highest(power: Tensor) -> Tensor:
    """Return the largest power at each frequency and its neighbours, of spectra (N, size, size)."""
    return F.max_pool2d(F.pad(power[:, None], (1,) * 4, mode="circular"), 3, 1)[:, 0]


@torch.no_grad()
def figures(folder: Path, networks: Sequence[str], scale: int, last: int | None = None) -> dict[str, Figures]:
    """Return the figures of the truth, of bicubic enlargement, and of networks' outputs over a folder's pictures."""
    opened, _ = open_networks(["bicubic", *networks], scale, "cpu")
    line = line_up([], folder, opened)
    found: dict[str, list[tuple[float, Tensor]]] = {}
    for task in line.tasks[-last:] if last else line.tasks:
        loaded = complete(load(task, scale, shrink=True), line.candidates)
        for name, output in {"truth": loaded.target, **loaded.outputs}.items():
            found.setdefault(name, []).append((lattice(output, loaded.target), rasters(output, loaded.target)))
    return {name: over_pictures(values) for name, values in found.items()}


def over_pictures(values: Sequence[tuple[float, Tensor]]) -> Figures:
    """Return the figures of a set from the lattice and the rasters of each picture."""
    return Figures(median(value for value, _ in values), float(torch.cat([r for _, r in values]).double().mean()))


def networks_of(scale: int) -> list[str]:
    """Return the files of the upscalers that ship for a scale, by family and kind."""
    return [str(card.file) for card in list_networks() if card.scale == scale and card.kind != "style"]


def _spectra_of(picture: Tensor) -> Tensor:
    if min(picture.shape[-2:]) < SIZE:
        raise InputError(f"pictures of at least {SIZE} x {SIZE} pixels", f"{picture.shape[-2]} x {picture.shape[-1]}")
    return spectra(windows(luminance(_eight_bits(picture))))


def _eight_bits(picture: Tensor) -> Tensor:
    return (picture.clamp(0, 1) * 255).round() / 255


def _fast() -> Tensor:
    cycles = torch.fft.fftfreq(SIZE, 1 / SIZE)
    return torch.hypot(cycles[:, None], cycles[None, :]) > CYCLES


def rows_of(places: Sequence[Path], scale: int, networks: Sequence[str] = ()) -> list[list[str]]:
    """Return a row for the truth, bicubic and each network that ships or is given: its name, two figures a place.

    A place is a folder of pictures, or of ``image_SRF_2`` and ``image_SRF_4``; of the photos that trainings use, the
    last 20 by name are measured.
    """
    columns = []
    for place in places:
        inner = place / f"image_SRF_{scale}"
        last = VALIDATION if place == PHOTOS else None
        columns.append(figures(inner if inner.is_dir() else place, [*networks_of(scale), *networks], scale, last))
    labels = {name: name if f"{scale}x" in name else f"{name} x{scale}" for name in columns[0]}
    return [[label, *(cell for column in columns for cell in cells(column[name]))] for name, label in labels.items()]


def cells(found: Figures) -> list[str]:
    """Return what tables show of the figures."""
    return [f"{found.lattice:.1f}", f"{100 * found.raster:.1f}%"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = "folders; Set14 and the 20 validation photos by default"
    parser.add_argument("--targets", type=Path, nargs="+", default=[SET14, PHOTOS], help=words)
    parser.add_argument("--scale", type=int, nargs="+", choices=(2, 4), default=[2, 4])
    parser.add_argument("--network", nargs="+", default=[], help="files of other networks, of one --scale")
    options = parser.parse_args()
    heads = [f"{place.name}, {figure}" for place in options.targets for figure in Figures._fields]
    print("| | " + " | ".join(heads) + " |")
    print("|---" * (len(heads) + 1) + "|")
    try:
        for scale in options.scale:
            for row in rows_of(options.targets, scale, options.network):
                print("| " + " | ".join(row) + " |", flush=True)
    except InputError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
