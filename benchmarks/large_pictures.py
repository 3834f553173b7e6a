"""Memory and time of enlarging large files.

    python benchmarks/large_pictures.py [--megapixels 12 40 100] [--scales 4 2] [--kinds png tif jpg]
                                        [--network NAME] [--share 1.0] [--folder DIR]

A square photo (scikit-image's astronaut, mirrored and repeated, with grain) of so many megapixels, RGB with 8 bits, is
enlarged from a file into another of its kind. Every figure is of a process of its own, which loads the network and
enlarges a small file first. Memory is the growth of its resident set's peak (VmHWM, reset before the work) over what
was resident before; the file's content and what its decoder holds are counted. Time is on the clock and, user and
system, of the processor. Without --network pixels are repeated, so that the memory of all but a network is measured, in
minutes; --network takes one that ships, such as subpixel4x-mse, whose tiles come on top.

--share 0.05 stops when a twentieth of the picture is done, which is enough where the peak is in decoding (from 100
megapixels on); a smaller picture has few bands, and is to be done whole. Time and size are then of that part. At 100
megapixels x4 the result has 1,600 megapixels, and the folder needs 6 GB.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from skimage import data
from torch import Tensor, nn
from torch.nn import functional as F

from perceptualloss.apply.upscale import upscaler
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.named import load_network
from perceptualloss.pictures.encode import write_still
from perceptualloss.pictures.kinds import kind_of
from perceptualloss.pictures.rows import Rows, Samples
from resident import forget_peak, memory_now, memory_peak

KINDS = ("png", "tif", "jpg")
SMALL = 256
BAND = 512


def photo(side: int) -> Rows:
    """Return a square photo, made in bands."""
    one = np.asarray(data.astronaut(), np.int16)  # type: ignore[no-untyped-call]
    field = np.concatenate([np.concatenate([one, one[:, ::-1]], 1), np.concatenate([one[::-1], one[::-1, ::-1]], 1)])
    wide = np.tile(field, (1, side // field.shape[1] + 1, 1))[:, :side]

    def bands() -> Iterator[Samples]:
        random = np.random.default_rng(0)
        for top in range(0, side, BAND):
            band = wide[top % len(wide) :][: min(BAND, side - top)]
            grain = random.normal(0, 1, band.shape[:2]).round().astype(np.int16)
            yield (band + grain[..., None]).clip(0, 255).astype(np.uint8)

    return Rows(side, side, 3, 8, bands())


class Repeat(TransformationNetwork):
    """Gives every pixel ``scale`` x ``scale`` times."""

    reach = 0

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge pictures (N, 3, H, W)."""
        return F.interpolate(x, scale_factor=float(self.scale))


def network_of(name: str, scale: int) -> nn.Module:
    """Return a network that ships, or the stand-in."""
    return load_network(name) if name else Repeat(scale)


class Enough(Exception):
    """So much of the picture is done as was wanted."""


def measure(source: Path, name: str, scale: int, share: float) -> None:
    """Print the growth of the memory in MiB, seconds of the clock and of the processor, and the result's megabytes."""
    tool = upscaler(network=network_of(name, scale))
    target = source.with_name(f"large{source.suffix}")
    small = source.with_name(f"small{source.suffix}")
    write_still(photo(SMALL), small, kind_of(small))
    tool.file(small, target)
    size = 0

    def told(done: int, total: int) -> None:
        nonlocal size
        if done >= share * total and share < 1:
            size = sum(part.stat().st_size for part in source.parent.glob(f".{target.name}*.part"))
            raise Enough

    forget_peak()
    before, clock, start = memory_now(), time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    with contextlib.suppress(Enough):
        tool.file(source, target, told)
        size = target.stat().st_size
    end = resource.getrusage(resource.RUSAGE_SELF)
    used = end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime
    print(memory_peak() - before, time.perf_counter() - clock, used, size / 1e6)
    target.unlink()


def row(source: Path, megapixels: float, scale: int, name: str, share: float) -> str:
    """Return a line of the table."""
    command = [sys.executable, __file__, "--one", str(source), name, str(scale), str(share)]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-4:]
    memory, clock, used, size = (float(figure) for figure in found)
    return (
        f"| {source.suffix[1:]} | {megapixels:g} | x{scale} | {megapixels * scale**2:g} | {memory:.0f} | "
        f"{memory * 2**20 / (megapixels * 1e6 * scale**2):.2f} | {clock:.0f} | {used:.0f} | {size:.0f} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, nargs="+", default=[12, 40, 100])
    parser.add_argument("--scales", type=int, nargs="+", default=[4, 2])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--network", default="")
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        file, name, scale, share = options.one
        measure(Path(file), name, int(scale), float(share))
        return
    print(f"{os.uname().sysname} {os.uname().machine}, {os.cpu_count()} cores, torch {torch.__version__}\n")
    print("| kind | megapixels | scale | of the result | MiB | bytes a pixel | s | s of the processor | MB |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|", flush=True)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for megapixels in options.megapixels:
            for kind in options.kinds:
                source = Path(folder) / f"source.{kind}"
                write_still(photo(round((megapixels * 1e6) ** 0.5)), source, kind_of(source))
                for scale in options.scales:
                    print(row(source, megapixels, scale, options.network, options.share), flush=True)
                source.unlink()


if __name__ == "__main__":
    main()
