"""Frames per second and memory of the style network, and what --smooth does against flicker.

    python benchmarks/stylize.py [--sizes 256 512 1024] [--rounds 3] [--device cpu]
    python benchmarks/stylize.py --video clip.mp4 --network style.safetensors [--frames 60] [--size 320]

The first prints frames/s of the half- and full-width network, with the luminance skip, over one square picture, in 32
and 16 bits, in turn, with random weights, since speed does not depend on them; and the peak memory of each in a process
of its own. The second paints a video with and without smoothing, and prints the mean absolute difference between
consecutive frames where the video changes by less than 2/255, of the video and of the paintings.
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

from perceptualloss.apply.device import find_device
from perceptualloss.apply.steady import Steady
from perceptualloss.apply.stylist import with_longer_side
from perceptualloss.apply.tiles import transform_in_tiles
from perceptualloss.apply.transform import transformer
from perceptualloss.apply.transformer import Transformer
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


def video(file: Path, tool: Transformer, count: int, size: int) -> None:
    with av.open(str(file)) as container:
        stream = max(container.streams.video, key=lambda s: s.width * s.height)
        frames = [with_longer_side(as_picture(f), size) for f in islice(container.decode(stream), count)]
    change = tool.frames(smooth=0.0)
    made = [change(frame) for frame in frames]
    contents = [resize(frame, size=(made[0].shape[-2], made[0].shape[-1])).clamp(0, 1) for frame in frames]
    height, width = made[0].shape[-2:]
    print(f"{len(frames)} frames of {width} x {height}; differences of 255 where the video is still")
    print(f"{'the video itself':20s} {flicker(contents, contents):6.2f}")
    for smooth in SMOOTH:
        calm = Steady(smooth)
        shown = [calm(one, content) for one, content in zip(made, contents, strict=True)]
        print(f"{f'smooth {smooth:g}':20s} {flicker(contents, shown):6.2f}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--video", type=Path)
    parser.add_argument("--network", type=Path, help="a trained network of any scale, for --video")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--size", type=int, default=320, help="longer side of the video's frames")
    options = parser.parse_args()
    torch.manual_seed(0)
    if options.video is None:
        speed(options.sizes, options.rounds, find_device(options.device))
        return
    network = StyleTransferNetwork(16, luminance_skip=True) if options.network is None else options.network
    video(options.video, transformer(network, device=options.device), options.frames, options.size)


if __name__ == "__main__":
    main()
