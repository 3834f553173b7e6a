"""Memory and time of losses through VGG-16 where memory is short, beside today's way and the packages lpips and piq.

    python benchmarks/memory.py [--rounds 3] [--tables lpips relu4_3 large]

Forward and backward in 32 bits of 2 x 3 x 512 x 512 pixels: LPIPS (VGG-16), and features at relu4_3, with all features
held until the backward pass, recomputed, in chunks, in tiles, and with a prepared target; beside lpips.LPIPS and piq's
content loss, which for LPIPS compares the same five layers with normalised channels, as piq.LPIPS does but for its
weights. Then 1 x 3 x 2048 x 2048 through VGG-16 to relu4_3 in tiles. All on random weights: memory and time do not
depend on them.

Every figure is of a process of its own, which makes one small step first (libraries, caches). Memory is the growth of
its resident set's peak (VmHWM, reset before the step) over what was resident before the step; pictures and loss network
are there before, the prepared target too. Time is the processor's, user and system, on one thread: the machine may have
other work. Rounds go through all in turn; the median of each way's ratios to the first way in the same round is
printed, and the largest peak.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torchvision.models import vgg16

from perceptualloss.losses.feature import FeatureReconstructionLoss
from perceptualloss.losses.lpips import LPIPS
from resident import forget_peak, memory_now, memory_peak
from timing import Row

Call = Callable[[Tensor, Tensor], Tensor]
PASSES: dict[str, dict[str, Any]] = {
    "all held": {},
    "checkpoint": {"checkpoint": True},
    "chunk 1": {"chunk": 1},
    "tile 128": {"tile": 128},
    "chunk 1, tile 128": {"chunk": 1, "tile": 128},
    "chunk 1, tile 96": {"chunk": 1, "tile": 96},
    "chunk 1, tile 64, checkpoint": {"chunk": 1, "tile": 64, "checkpoint": True},
    "prepared, chunk 1": {"chunk": 1},
}
TABLES = ("lpips", "relu4_3", "large")
PEERS = {"lpips": ("lpips", "piq"), "relu4_3": ("piq",)}
LARGE = {"tile 128, checkpoint": {"tile": 128, "checkpoint": True}}


def ours(kind: str, file: Path, passes: dict[str, Any]) -> Any:
    if kind == "lpips":
        return LPIPS("vgg", weights=file, **passes)
    return FeatureReconstructionLoss("vgg16", ["relu4_3"], weights=file, **passes)


def theirs(kind: str, package: str, file: Path) -> Call:
    warnings.simplefilter("ignore")
    state = load_file(file)
    if package == "lpips":
        import lpips  # type: ignore[import-untyped]  # noqa: PLC0415 (its own process must not hold the other's libraries)

        network = lpips.LPIPS(net="vgg", pnet_rand=True, verbose=False)
        return lambda output, target: network(output, target, normalize=True).mean()
    if package == "torchmetrics":
        from torchmetrics.functional.image.lpips import _LPIPS  # noqa: PLC0415 (the class has no other name)

        other = _LPIPS(net="vgg", pnet_rand=True).eval()
        return lambda output, target: other(output, target, normalize=True).mean()
    import piq  # noqa: PLC0415

    features = vgg16(weights=None).features.eval()
    features.load_state_dict(state)
    if kind == "lpips":
        layers = ["3", "8", "15", "22", "29"]
        return piq.ContentLoss(features, layers=layers, weights=[1.0] * 5, normalize_features=True)  # type: ignore[no-any-return]
    return cast(Call, piq.ContentLoss(features, layers=["22"]))


def step(call: Call, output: Tensor, target: Any) -> None:
    output = output.clone().requires_grad_()
    call(output, target).backward()
    assert output.grad is not None


def measure(kind: str, way: str, file: Path, count: int, size: int) -> None:
    """Print the mebibytes and the processor's seconds of one step."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    call: Any = theirs(kind, way, file) if way in ("lpips", "piq") else ours(kind, file, {**PASSES, **LARGE}[way])
    target = torch.rand(count, 3, size, size)
    output = (target + 0.1 * torch.randn_like(target)).clamp(0, 1)
    step(call, output[..., :64, :64], target[..., :64, :64])
    goal = call.prepare(target) if way.startswith("prepared") else target
    forget_peak()
    before, start = memory_now(), resource.getrusage(resource.RUSAGE_SELF)
    step(call, output, goal)
    end = resource.getrusage(resource.RUSAGE_SELF)
    print(memory_peak() - before, end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime)


def of_a_process(kind: str, way: str, file: Path, count: int, size: int) -> tuple[float, float]:
    command = [sys.executable, __file__, "--one", kind, way, str(file), str(count), str(size)]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(found[-2]), float(found[-1])


def rows(size: int = 512, rounds: int = 1) -> list[Row]:
    """Return what a step of LPIPS (VGG-16) adds to a process, all features held and where memory is short."""
    ways = {"all features held": "all held", "`chunk=1, tile=96`": "chunk 1, tile 96"}
    with random_vgg() as file:
        peaks = {
            way: [of_a_process("lpips", way, file, 2, size)[0] for _ in range(rounds)]
            for way in (*ways.values(), *PEERS["lpips"])
        }
    what = f"memory of a step: LPIPS (VGG-16), 2 x 3 x {size} x {size}, fp32"
    found = []
    for words, way in ways.items():
        own = max(peaks[way])
        for peer in PEERS["lpips"]:
            other = max(peaks[peer])
            found.append(Row(f"{what}, {words}", own, other, f"`{peer}`", other / own, "MiB"))
    return found


@contextmanager
def random_vgg() -> Iterator[Path]:
    """Give a file with random weights of VGG-16."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "vgg16.safetensors"
        save_file(vgg16(weights=None).features.state_dict(), file)
        yield file


def table(kind: str, ways: Sequence[str], file: Path, shape: tuple[int, int], rounds: int) -> None:
    """Print memory and time of several ways, in turn, beside the first."""
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            found[way].append(of_a_process(kind, way, file, *shape))
    print(f"\n| {kind}, {shape[0]} x 3 x {shape[1]} x {shape[1]} | MiB | of the first | time of the first |")
    print("|---|---:|---:|---:|")
    first = found[ways[0]]
    for way, figures in found.items():
        peak = max(memory for memory, _ in figures)
        ratio = statistics.median(own / base for (_, own), (_, base) in zip(figures, first, strict=True))
        print(f"| {way} | {peak:.0f} | {peak / max(memory for memory, _ in first):.2f} | {ratio:.2f} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--large", type=int, default=2048)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        kind, way, file, count, size = options.one
        measure(kind, way, Path(file), int(count), int(size))
        return
    with random_vgg() as file:
        for kind, peers in PEERS.items():
            if kind in options.tables:
                table(kind, [*PASSES, *peers], file, (2, options.size), options.rounds)
        if "large" in options.tables:
            table("relu4_3", list(LARGE), file, (1, options.large), options.rounds)


if __name__ == "__main__":
    main()
