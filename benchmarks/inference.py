"""Megapixels a second of the networks that ship, on the CPU: PyTorch and onnxruntime side by side.

    python benchmarks/inference.py [--threads 1 2] [--side 640] [--rounds 4]

One row for each kind of network: how many megapixels of the result each makes a second, as ``upscale`` and ``stylize``
run it (``apply/tiles``), and by how much the results differ at most. All run in turn, in one process, and the least
time of the rounds counts. One thread is timed by what it computes, so that other programs hardly matter; several are
timed by the clock, for which the machine should be idle. ``tables.py`` puts one thread into docs/upscaling.md.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from perceptualloss.apply.backend import exported_file
from perceptualloss.apply.tiles import transform_in_tiles
from perceptualloss.doctor.machine import processor_name
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.named import list_networks, load_network
from perceptualloss.networks.onnx_network import load_onnx
from timing import Row, compared, in_turn, side_by_side

Rows = tuple[list[str], list[list[str]]]


def rows(counts: Sequence[int] = (1,), side: int = 640, rounds: int = 4) -> Rows:
    """Return heads and rows of the table."""
    heads = [f"{name}, {threads(count)}" for count in counts for name in ("PyTorch", "onnxruntime")]
    found = []
    for card in {(card.network, card.scale, card.weights): card for card in list_networks()}.values():
        network = load_network(card.name).fused()
        low = side // network.scale
        picture = torch.rand(1, 3, low, low, generator=torch.Generator().manual_seed(0))
        cells, difference = [], 0.0
        for count in counts:
            seconds, difference = timed(network, picture, count, rounds)
            cells += [f"{(low * network.scale) ** 2 / 1e6 / value:.2f}" for value in seconds]
        found.append([f"`{card.name}`", *cells, f"{difference:.0e}"])
    return [f"{processor_name()}, megapixels a second", *heads, "largest difference"], found


def beside_plain(names: Sequence[str], side: int, rounds: int, clock: Callable[[], float]) -> list[Row]:
    """Return a row for each network that ships: ours beside a plain call of it, and beside onnxruntime.

    A plain call is the network as it was trained, in PyTorch's default layout, on the whole picture.
    """
    found = []
    for name in names:
        network, plain = load_network(name).fused(), load_network(name).eval().to(memory_format=torch.contiguous_format)
        low = side // network.scale
        picture = torch.rand(1, 3, low, low, generator=torch.Generator().manual_seed(0))
        with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
            other = load_onnx(exported_file(network, Path(folder)))
            runs: dict[str, Callable[[], object]] = {
                "ours": partial(transform_in_tiles, network, picture),
                "a plain call": partial(plain, picture),
                "onnxruntime": partial(transform_in_tiles, other, picture),
            }
            times = in_turn(runs, rounds, clock)
        found += compared(f"inference: `{name}`, a result of {side} x {side}, fp32", times, "ours")
    return found


def timed(network: TransformationNetwork, picture: Tensor, count: int, rounds: int) -> tuple[list[float], float]:
    """Return the seconds of PyTorch and of onnxruntime on so many threads, and by how much they differ at most."""
    clock = time.thread_time if count == 1 else time.perf_counter
    with tempfile.TemporaryDirectory() as folder, threads_of(count):
        other = load_onnx(exported_file(network, Path(folder)))  # takes as many threads
        runs: dict[str, Callable[[], object]] = {
            "torch": partial(transform_in_tiles, network, picture),
            "onnx": partial(transform_in_tiles, other, picture),
        }
        seconds = side_by_side(runs, rounds, min, clock)
        return [*seconds.values()], float(
            (transform_in_tiles(network, picture) - transform_in_tiles(other, picture)).abs().max()
        )


@contextmanager
def threads_of(count: int) -> Iterator[None]:
    """Within it, PyTorch computes on so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--side", type=int, default=640, help="pixels of the result's side")
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    heads, found = rows(options.threads, options.side, options.rounds)
    for line in (heads, *found):
        print(" | ".join(line))


if __name__ == "__main__":
    main()
