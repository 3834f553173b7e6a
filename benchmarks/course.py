"""Draw what the course's two losses make of the same network: curves over the training, and details of photos.

    python benchmarks/course.py [--runs RUN_MSE RUN_VGG] [--photos FOLDER] [--details NAME:LEFT:TOP ...]

RUN_... are folders that ``perceptualloss train course-upscale2x-mse`` and ``-vgg`` wrote, by default those in runs/.
The curves are of the checkpoints in their ``kept`` folders (copies that were set aside meanwhile, for a run keeps
three), measured on the middle 96 x 96 pixels of each photo. Photos are those that no run saw, by default the last 20 of
../shared. Both go to --out: course-curves.png and course.jpg.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor, nn

from loss_network_photos import PHOTOS
from perceptualloss.data.decoding import middle
from perceptualloss.data.folder import split_files
from perceptualloss.drawing.plots import LIGHT, MARKERS, dress
from perceptualloss.errors import InputError
from perceptualloss.metrics.psnr import mse, psnr
from perceptualloss.metrics.st_lpips import st_lpips
from perceptualloss.networks.course import Upscale2x
from perceptualloss.networks.named import load_network
from perceptualloss.pictures.images import read_image
from perceptualloss.pictures.listing import picture_files
from perceptualloss.pictures.resize import resize
from perceptualloss.training.checkpoints import step_of

SCALE, MIDDLE, DETAIL, ZOOM, QUALITY = 2, 96, 72, 3, 88
RUNS = (Path("runs/course-upscale2x-mse"), Path("runs/course-upscale2x-vgg"))
HELD_OUT = 20  # with --validation 20
DETAILS = ("7114620:170:175", "7078476:250:80", "635405:250:270", "7263002:200:250")
MEASURES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "PSNR (dB)": psnr,
    "MSE": mse,
    "ST-LPIPS (AlexNet)": st_lpips,
}


def shrunk(target: Tensor) -> Tensor:
    """Return the input to a target (1, 3, H, W), as ``perceptualloss evaluate`` makes it."""
    return (resize(target, scale=1 / SCALE).clamp(0, 1) * 255).round() / 255


def held_out(folder: Path | None) -> list[Path]:
    """Return the photos in a folder; without one those of ../shared that ``--validation 20`` keeps from a training."""
    if folder is not None:
        return picture_files(folder)
    if PHOTOS is None:
        raise InputError("photos that no run saw", "none in ../shared", "Name a folder: --photos.")
    return split_files(picture_files(PHOTOS), HELD_OUT)[1]


@torch.no_grad()
def curve(run: Path, targets: Tensor) -> dict[str, list[float]]:
    """Return the step of each checkpoint that was kept, and the measures' means over the targets (N, 3, H, W)."""
    found: dict[str, list[float]] = {"step": []}
    low = shrunk(targets)
    kept = sorted((run / "kept").glob("step-*.ckpt"), key=step_of)
    if not kept:
        remedy = "Copy those of its checkpoints folder there while it trains."
        raise InputError(f"a run's checkpoints in {run / 'kept'}", "none", remedy)
    for file in kept:
        network = Upscale2x(zero_last=False).eval()
        weights = torch.load(file, map_location="cpu", weights_only=True)["state_dict"]
        nn.Module.load_state_dict(network, {name.removeprefix("network."): value for name, value in weights.items()})
        output = network(low).clamp(0, 1)
        found["step"].append(step_of(file))
        for name, measure in MEASURES.items():
            found.setdefault(name, []).append(float(measure(output, targets).mean()))
    return found


def draw(curves: dict[str, dict[str, list[float]]], file: Path) -> None:
    """Draw a panel for each measure, a line for each run."""
    figure = Figure(figsize=(10, 3.2), layout="constrained", facecolor=LIGHT.paper)
    for axes, name in zip(figure.subplots(1, 3), MEASURES, strict=True):
        for (label, values), colour, marker in zip(curves.items(), LIGHT.colours, MARKERS, strict=False):
            axes.plot(values["step"], values[name], color=colour, marker=marker, markersize=3, label=label)
        axes.set_title(name, color=LIGHT.ink, fontsize=11, loc="left")
        dress(axes, LIGHT)
        axes.legend(frameon=False, fontsize=9)
    figure.supxlabel("step", color=LIGHT.muted, fontsize=10)
    figure.savefig(file, dpi=90)


@torch.no_grad()
def row(target: Tensor, left: int, top: int, networks: Sequence[nn.Module]) -> Tensor:
    """Return bicubic, every network's and the true detail of a photo (1, 3, H, W), enlarged, side by side."""
    low = shrunk(target)
    size = (target.shape[-2], target.shape[-1])
    pictures = [resize(low, size=size), *(network(low) for network in networks), target]
    cut = [picture.clamp(0, 1)[..., top : top + DETAIL, left : left + DETAIL] for picture in pictures]
    return torch.cat([nn.functional.interpolate(part, scale_factor=ZOOM, mode="nearest") for part in cut], dim=-1)


def make(options: argparse.Namespace) -> None:
    """Measure, draw and write."""
    files = held_out(options.photos)
    targets = torch.cat([middle(read_image(file)[0], MIDDLE)[None] for file in files])
    curves = {label: curve(run, targets) for label, run in zip(("MSE", "VGG-16"), options.runs, strict=True)}
    print(json.dumps(curves))
    draw(curves, options.out / "course-curves.png")
    networks = [load_network(run / "network.safetensors").eval() for run in options.runs]
    rows = []
    for name, left, top in (detail.split(":") for detail in options.details):
        found = [file for file in files if name in file.name]
        if not found:
            raise InputError(f"a photo {name} for --details", "none of that name", "Say others: NAME:LEFT:TOP.")
        rows.append(row(read_image(found[0]), int(left), int(top), networks))
    if rows:
        pixels = (torch.cat(rows, dim=-2)[0].permute(1, 2, 0) * 255).round().byte().numpy()
        Image.fromarray(pixels).save(options.out / "course.jpg", quality=QUALITY)


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", nargs=2, type=Path, default=RUNS, help="with MSE, and with VGG-16's loss")
    parser.add_argument("--photos", type=Path, help="photos that no run saw (default: the last 20 of ../shared)")
    parser.add_argument("--details", nargs="*", default=DETAILS, help="NAME:LEFT:TOP of each row")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    try:
        make(parser.parse_args(words))
    except InputError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
