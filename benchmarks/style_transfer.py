"""One pass of a style network against optimising the picture, as section 4.1 of Johnson et al. compares them.

    python benchmarks/style_transfer.py [--networks FILE ...] [--photos DIR] [--sizes 256 512] [--steps 200]

For each network, photo and size: the objective that the network was trained with (its file says which), at the photo,
at what the network makes of it, and after each step of optimising the photo's pixels with L-BFGS within [0, 1]; how
many steps reach what the network reaches, and the time of both. Photos: --count of the last 20 of --photos by name,
which no training saw. Writes objectives.png, figures.json and figures.md into --out. Times are worth something on an
idle machine only.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from filling import markdown
from loss_network_photos import PHOTOS
from perceptualloss.apply.device import find_device
from perceptualloss.apply.optimize_picture import noise, optimize_picture
from perceptualloss.data.decoding import middle
from perceptualloss.data.folder import builtin_photos, split_files
from perceptualloss.drawing.plots import LIGHT
from perceptualloss.errors import InputError
from perceptualloss.losses.base import Loss
from perceptualloss.losses.style_objective import saved_objective, saved_styles
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.checkpoint import read_metadata
from perceptualloss.networks.named import load_network, shipped_styles
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.pictures.images import read_image
from perceptualloss.pictures.listing import picture_files
from perceptualloss.pictures.resize import resize
from tables import SHARED

HELD_OUT = 20
ROUNDS = 3  # passes of the network that are timed
LONG = 500  # steps that the paper gives the optimisation


@dataclass(frozen=True)
class Measured:
    """One photo at one size: objectives, steps and seconds.

    ``losses`` and ``seconds`` are after each step, the start first; ``reached`` is the first step whose objective is
    no higher than the network's, None where none is.
    """

    style: str
    photo: str
    size: int
    content: float
    network: float
    network_seconds: float
    losses: tuple[float, ...]
    seconds: tuple[float, ...]
    evaluations: int
    reached: int | None


def steps_to_reach(losses: Sequence[float], value: float) -> int | None:
    """Return the first step whose loss is no higher than ``value``."""
    return next((step for step, loss in enumerate(losses) if loss <= value), None)


def measure(
    style: str, name: str, network: TransformationNetwork, objective: Loss, photo: Tensor, steps: int, start: str
) -> Measured:
    """Compare the network with the optimisation on one photo (1, 3, H, W)."""
    with torch.no_grad():
        seconds = min(timed(network, photo) for _ in range(ROUNDS))
        painted = network(photo).clamp(0, 1)
        reached, content = (float(objective(picture, photo)) for picture in (painted, photo))
    size = (int(photo.shape[-2]), int(photo.shape[-1]))
    begin = photo if start == "content" else noise(size, 0).to(photo)
    found = optimize_picture(lambda picture: objective.terms(picture, photo), begin, steps)
    step = steps_to_reach(found.losses, reached)
    return Measured(
        style, name, size[0], content, reached, seconds, found.losses, found.seconds, found.evaluations[-1], step
    )


def timed(network: TransformationNetwork, photo: Tensor) -> float:
    begun = time.perf_counter()
    network(photo)
    if photo.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def pictures(data: Path | None, count: int) -> list[Path]:
    """Return the files of ``count`` photos of the validation split, spread over it."""
    files = builtin_photos("validation") if data is None else split_files(picture_files(data), HELD_OUT)[1]
    every = max(1, len(files) // count)
    return files[::every][:count]


def at_size(photo: Tensor, size: int) -> Tensor:
    """Return the middle square of a photo (1, 3, H, W) at ``size`` x ``size``."""
    square = middle(photo[0], min(photo.shape[-2:]))[None]
    return resize(square, size=(size, size)).clamp(0, 1)


def style_file(name: str, folder: Path) -> Path:
    found = [file for file in picture_files(folder) if file.stem == name]
    if not found:
        raise InputError(f"the style picture {name} in {folder}", "none of that name", "Say where with --styles.")
    return found[0]


def spread(values: Sequence[float], digits: int) -> str:
    """Return mean and range, such as ``62 (41-88)``."""
    return f"{statistics.mean(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def summary(found: Sequence[Measured]) -> list[str]:
    """Return the table's line for the photos of one style and size."""
    reached = [one.reached for one in found if one.reached is not None]
    spent = [one.seconds[one.reached] for one in found if one.reached is not None]
    network = statistics.mean(one.network_seconds for one in found)
    a_step = statistics.mean(one.seconds[-1] / max(1, len(one.losses) - 1) for one in found)
    missing = len(found) - len(reached)
    steps = (spread(reached, 0) if reached else "-") + (f", not reached {missing}x" if missing else "")
    return [
        f"{found[0].style}, {found[0].size}",
        spread([one.content for one in found], 2),
        spread([one.network for one in found], 2),
        steps,
        f"{network:.3f}",
        f"{statistics.mean(spent):.2f}" if spent else "-",
        f"{statistics.mean(spent) / network:.0f}" if spent else "-",
        f"{LONG * a_step / network:.0f}",
    ]


HEADS = (
    "style, size",
    "objective of the photo",
    "of the network's picture",
    "steps to the same",
    "network, s",
    "these steps, s",
    "times faster",
    f"than {LONG} steps",
)


def groups(found: Sequence[Measured]) -> Mapping[tuple[str, int], list[Measured]]:
    together: dict[tuple[str, int], list[Measured]] = {}
    for one in found:
        together.setdefault((one.style, one.size), []).append(one)
    return together


def plot(found: Sequence[Measured]) -> Figure:
    """Draw the objective over steps, mean and range over the photos; a row for each style, a column for each size."""
    together = groups(found)
    styles, sizes = (list(dict.fromkeys(key[i] for key in together)) for i in range(2))
    figure = Figure(figsize=(5.2 * len(sizes), 3.4 * len(styles)), layout="constrained")
    axes = figure.subplots(len(styles), len(sizes), squeeze=False)
    for (style, size), some in together.items():
        axis = axes[styles.index(style)][sizes.index(size)]
        length = max(len(one.losses) for one in some)
        curves = torch.tensor([[*one.losses, *[one.losses[-1]] * (length - len(one.losses))] for one in some])
        lines = {"optimisation": curves}
        lines |= {"network, one pass": torch.tensor([[one.network] * length for one in some])}
        lines |= {"photo": torch.tensor([[one.content] * length for one in some])}
        for (label, values), colour in zip(lines.items(), LIGHT.colours, strict=False):
            axis.plot(values.mean(0), label=label, color=colour)
            axis.fill_between(range(length), values.amin(0), values.amax(0), color=colour, alpha=0.15, linewidth=0)
        axis.set(yscale="log", xlabel="L-BFGS steps", ylabel="objective", title=f"{style}, {size} x {size}")
        axis.grid(color=LIGHT.grid)
        axis.legend(frameon=False)
    return figure


def write(found: Sequence[Measured], folder: Path) -> str:
    """Write the plot, the figures and the table; return the table."""
    folder.mkdir(parents=True, exist_ok=True)
    table = markdown(HEADS, [summary(some) for some in groups(found).values()])
    plot(found).savefig(folder / "objectives.png", dpi=110)
    (folder / "figures.json").write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n", encoding="utf-8")
    (folder / "figures.md").write_text(table, encoding="utf-8")
    return table


def compare(options: argparse.Namespace) -> list[Measured]:
    device = find_device(options.device)
    files = options.networks or list(shipped_styles().values())
    if not files:
        raise InputError("style networks", "none that ship", "Name some with --networks.")
    found = []
    for file in files:
        metadata, network = read_metadata(file), load_network(file, str(device))
        if not isinstance(network, StyleTransferNetwork):
            raise InputError("style networks", f"{type(network).__name__} in {file}")
        for number, style in enumerate(saved_styles(metadata)):
            network.style = number
            objective = saved_objective(metadata, style_file(style, options.styles)).to(device)
            for size in options.sizes:
                for photo in pictures(options.photos, options.count):
                    picture = at_size(read_image(photo), size).to(device)
                    one = measure(style, photo.stem, network, objective, picture, options.steps, options.start)
                    found.append(one)
                    print(
                        f"{style} {size} {photo.stem}: network {one.network:.3f}, reached in {one.reached}", flush=True
                    )
                write(found, options.out)  # what is there so far, should the rest be interrupted
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", type=Path, help="style networks (default: those that ship)")
    parser.add_argument("--photos", type=Path, default=PHOTOS, help=f"a folder with photos (default: {PHOTOS})")
    parser.add_argument("--styles", type=Path, default=SHARED / "data" / "styles", help="the style pictures' folder")
    parser.add_argument("--count", type=int, default=10, help="photos")
    parser.add_argument("--sizes", nargs="+", type=int, default=[256, 512])
    parser.add_argument("--steps", type=int, default=200, help="of the optimisation")
    parser.add_argument("--start", choices=("content", "noise"), default="content", help="of the optimisation")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps or cuda:1")
    parser.add_argument("--out", type=Path, default=Path("runs/style_transfer"))
    options = parser.parse_args()
    try:
        print(write(compare(options), options.out))
    except InputError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
