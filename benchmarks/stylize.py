"""Frames per second and memory of the style network, and what --smooth does against flicker.

    python benchmarks/stylize.py [--sizes 256 512 1024] [--rounds 3] [--device cpu]
    python benchmarks/stylize.py --video clip.mp4 [--networks wave FILE ...] [--frames 40] [--size 320]

The first prints frames/s of the half- and full-width network, with the luminance skip, over one square picture, in 32
and 16 bits, in turn, with random weights, since speed does not depend on them; and the peak memory of each in a process
of its own. The second puts a video through the networks (by default the styles that ship) with and without smoothing.
It prints the mean absolute difference between consecutive frames, of 255, where the video changes by less than 2/255,
of the video and of what the networks make of it. They look at every pixel in 32 bits; H.264 comes after that.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Callable
from functools import partial
from itertools import islice, pairwise
from pathlib import Path

import av
import torch
from torch import Tensor, nn

from filling import markdown
from perceptualloss.apply.device import find_device
from perceptualloss.apply.steady import Steady
from perceptualloss.apply.stylist import with_longer_side
from perceptualloss.apply.tiles import transform_in_tiles
from perceptualloss.apply.transform import transformer
from perceptualloss.networks.named import shipped_styles
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.pictures.resize import resize
from perceptualloss.pictures.video.frames import as_picture
from perceptualloss.vocabulary import Precision
from timing import side_by_side

WIDTHS = {"half": 16, "full": 32}
STILL = 2 / 255
SMOOTH = (0.0, 0.5, 0.8, 0.95)
LOW: dict[str, Precision] = {"cpu": "bf16", "cuda": "fp16"}


def paint(network: nn.Module, picture: Tensor, device: torch.device, precision: Precision) -> None:
    transform_in_tiles(network, picture.to(device), device=device, precision=precision)
    if device.type == "cuda":
        torch.cuda.synchronize()


def peak(
    width: int, size: int, device: torch.device, precision: Precision, answers: multiprocessing.Queue[float]
) -> None:
    """Send the MiB that painting one picture takes beyond what the process had before."""
    network = StyleTransferNetwork(width, luminance_skip=True).eval()
    paint(network, torch.rand(1, 3, 32, 32), device, precision)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        paint(network, torch.rand(1, 3, size, size), device, precision)
        answers.put(torch.cuda.max_memory_allocated() / 2**20)
        return
    before = highest()
    paint(network, torch.rand(1, 3, size, size), device, precision)
    answers.put(highest() - before)


def highest() -> float:
    """Return the most MiB that this process has had (Linux); ``ru_maxrss`` would count its parent's, too."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**10


def peak_of(width: int, size: int, device: torch.device, precision: Precision) -> float:
    context = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[float] = context.Queue()
    process = context.Process(target=peak, args=(width, size, device, precision, answers))
    process.start()
    found = answers.get()
    process.join()
    return found


def speed(sizes: list[int], rounds: int, device: torch.device) -> None:
    cases = [(size, name, kind) for size in sizes for name in WIDTHS for kind in ("fp32", LOW.get(device.type, "fp16"))]
    networks = {name: StyleTransferNetwork(width, luminance_skip=True).eval() for name, width in WIDTHS.items()}
    runs: dict[str, Callable[[], object]] = {
        f"{size} {name} {kind}": partial(paint, networks[name], torch.rand(1, 3, size, size), device, kind)
        for size, name, kind in cases
    }
    seconds = side_by_side(runs, rounds)
    print(f"{'size':>5s} {'width':>6s} {'type':>5s} {'frames/s':>9s} {'ms':>8s} {'MiB':>6s}")
    for (size, name, kind), value in zip(cases, seconds.values(), strict=True):
        memory = peak_of(WIDTHS[name], size, device, kind)
        print(f"{size:5d} {name:>6s} {kind:>5s} {1 / value:9.2f} {1000 * value:8.1f} {memory:6.0f}")


def flicker(frames: list[Tensor], shown: list[Tensor]) -> float:
    """Return the mean absolute difference, of 255, of consecutive ``shown`` where ``frames`` hardly differ."""
    total, count = 0.0, 0
    for (a, b), (c, d) in zip(pairwise(frames), pairwise(shown), strict=True):
        still = ((a - b).abs().amax(dim=1, keepdim=True) < STILL).expand_as(a)
        total += (c - d).abs()[still].sum().item()
        count += int(still.sum())
    return 255 * total / max(count, 1)


def first_frames(file: Path, count: int, size: int) -> list[Tensor]:
    """Return the first frames of a video, (1, 3, H, W) each, ``size`` pixels on the longer side."""
    with av.open(str(file)) as container:
        stream = max(container.streams.video, key=lambda s: s.width * s.height)
        return [with_longer_side(as_picture(frame), size) for frame in islice(container.decode(stream), count)]


def row(name: str, frames: list[Tensor], device: str) -> list[str]:
    """Return the flicker of a video, and of what a network makes of it with each amount of smoothing."""
    change = transformer(shipped_styles().get(name, name), device=device).frames(smooth=0.0)
    made = [change(frame) for frame in frames]
    height, width = made[0].shape[-2:]
    contents = [resize(frame, size=(height, width)).clamp(0, 1) for frame in frames]
    figures = [flicker(contents, contents)]
    for smooth in SMOOTH:
        calm = Steady(smooth)
        figures.append(flicker(contents, [calm(one, content) for one, content in zip(made, contents, strict=True)]))
    return [f"`{name}`, {width} x {height}", *(f"{figure:.2f}" for figure in figures)]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--video", type=Path)
    parser.add_argument("--networks", nargs="+", default=list(shipped_styles()), help="names or files, of any scale")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--size", type=int, default=320, help="longer side of the video's frames")
    options = parser.parse_args()
    torch.manual_seed(0)
    if options.video is None:
        speed(options.sizes, options.rounds, find_device(options.device))
        return
    frames = first_frames(options.video, options.frames, options.size)
    heads = ["network, size", "the video itself", *(f"S = {smooth:g}" for smooth in SMOOTH)]
    print(markdown(heads, [row(name, frames, options.device) for name in options.networks]), end="")


if __name__ == "__main__":
    main()
