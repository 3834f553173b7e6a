"""How near paintings come to the painting, and to the photo, as VGG-16 sees them: a yardstick that trains nothing here.

    python benchmarks/style_error.py [--networks FILE ...] [--size 256] [--optimize 100 500] [--weights FILE]

Style error: the mean over relu1_2, relu2_2, relu3_3 and relu4_3 of the squared difference of the Gram matrices over the
style's own squares; the style picture has 384 pixels on its longer side. Content error: the squared difference of
relu3_3 over the photo's squares. 1 is what a picture without features would have; lower is nearer. Means over the first
ten of the last 20 photos of --photos by name, which no training saw; by default in their own size, 512 x 512.

Compared are the photo itself, the style networks (those that ship, unless others are named), and with --optimize the
photo optimised by L-BFGS for the style error plus 0.08 of the content error plus twice the squared total variation.
Frames a second are the best of three passes on a CPU, worth something on an idle machine only.
--pictures FOLDER keeps what is measured.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from filling import markdown
from loss_network_photos import PHOTOS
from perceptualloss.apply.optimize_picture import optimize_picture
from perceptualloss.data.folder import builtin_photos, split_files
from perceptualloss.errors import InputError
from perceptualloss.losses.style_objective import saved_styles, style_objective
from perceptualloss.losses.sums import WeightedLoss
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.checkpoint import read_metadata
from perceptualloss.networks.named import load_network, shipped_styles
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.pictures.images import read_image, write_image
from perceptualloss.pictures.listing import picture_files
from perceptualloss.pictures.resize import resize
from style_transfer import HELD_OUT, ROUNDS, style_file, timed
from tables import SHARED

LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
CONTENT, STYLE_SIZE = "relu3_3", 384
CONTENT_WEIGHT, VARIATION_WEIGHT = 0.08, 2.0  # of the optimisation
COUNT = 10
WEIGHTS = SHARED / "weights" / "vgg16-imagenet-half.safetensors"
HEADS = ("style", "picture", "style error", *LAYERS, "content error", "frames/s")

Errors = Mapping[str, float]


def both_errors(style: Path, weights: str) -> WeightedLoss:
    """Return the two errors as the terms of a loss."""
    settings = {
        "PerceptualLoss": {
            "network": "vgg16",
            "weights": weights,
            "layers": [CONTENT],
            "distance": "relative",
            "style_layers": list(LAYERS),
            "style_distance": "relative",
        }
    }
    return style_objective(settings, style, STYLE_SIZE).eval()


@torch.no_grad()
def errors(measure: WeightedLoss, picture: Tensor, photo: Tensor) -> Errors:
    """Return the style error by layer and the content error, under "content", of one picture in 32 bits."""
    terms = measure.terms(picture, photo)
    return {"content": float(terms["feature"])} | {layer: float(terms[f"style/{layer}"]) for layer in LAYERS}


def objective(measure: WeightedLoss, picture: Tensor, photo: Tensor) -> dict[str, Tensor]:
    """Return what the optimisation minimises, from the same terms."""
    terms = dict(measure.terms(picture, photo))
    across, down = picture.diff(dim=-1).square().mean(), picture.diff(dim=-2).square().mean()
    content = CONTENT_WEIGHT * terms.pop("feature")
    style = torch.stack([*terms.values()]).mean()
    return {"style": style, "content": content, "total_variation": VARIATION_WEIGHT * (across + down)}


def painted(network: TransformationNetwork | None, photo: Tensor) -> tuple[Tensor, float]:
    """Return what a network makes of a photo and the seconds it takes; of None, the photo."""
    if network is None:
        return photo, 0.0
    with torch.no_grad():
        seconds = min(timed(network, photo) for _ in range(ROUNDS))
        return network(photo).clamp(0, 1), seconds


def line(style: str, label: str, found: list[Errors], seconds: list[float]) -> list[str]:
    """Return the means over the photos as a line of the table."""
    mean = {name: statistics.mean(one[name] for one in found) for name in found[0]}
    style_error = statistics.mean(mean[layer] for layer in LAYERS)
    figures = (style_error, *(mean[layer] for layer in LAYERS), mean["content"])
    speed = f"{1 / statistics.mean(seconds):.1f}" if any(seconds) else "-"
    return [style, label, *(f"{figure:.3f}" for figure in figures), speed]


def rows(options: argparse.Namespace) -> Iterator[list[str]]:
    """Yield the table's lines, the photo's before each style's networks."""
    photos = {file.stem: sized(read_image(file), options.size) for file in first_photos(options.photos, options.count)}
    networks = styles_of(options.networks or list(shipped_styles().values()))
    for style in dict.fromkeys(style for style, _, _ in networks):
        measure = both_errors(style_file(style, options.styles), str(options.weights))
        own = [(label, network) for other, label, network in networks if other == style]
        for label, network in [("photo", None), *own]:
            made = {name: painted(network, photo) for name, photo in photos.items()}
            found = [errors(measure, picture, photos[name]) for name, (picture, _) in made.items()]
            keep({name: picture for name, (picture, _) in made.items()}, options.pictures, f"{style}-{label}")
            yield line(style, label, found, [seconds for _, seconds in made.values()])
        best = {name: optimised(measure, photo, options.optimize) for name, photo in photos.items()}
        for steps in options.optimize:
            keep({name: pictures[steps] for name, pictures in best.items()}, options.pictures, f"{style}-{steps}")
            found = [errors(measure, pictures[steps], photos[name]) for name, pictures in best.items()]
            yield line(style, f"{steps} steps of L-BFGS", found, [])


def optimised(measure: WeightedLoss, photo: Tensor, wanted: Sequence[int]) -> dict[int, Tensor]:
    """Return the picture after each of the wanted numbers of steps: the last one where no further step helps."""
    course: list[Tensor] = []
    if wanted:
        optimize_picture(
            lambda picture: objective(measure, picture, photo),
            photo,
            max(wanted),
            progress=lambda step: course.append(step.picture),
        )
    return {steps: course[min(steps, len(course) - 1)] for steps in wanted}


def first_photos(data: Path | None, count: int) -> list[Path]:
    """Return the first ``count`` of the photos that are for validation."""
    files = builtin_photos("validation") if data is None else split_files(picture_files(data), HELD_OUT)[1]
    return files[:count]


def sized(photo: Tensor, size: int | None) -> Tensor:
    """Return a photo (1, 3, H, W) with its longer side resized to ``size``."""
    return photo if size is None else resize(photo, size / max(photo.shape[-2:])).clamp(0, 1)


def styles_of(files: list[Path]) -> list[tuple[str, str, StyleTransferNetwork]]:
    """Return (style, label, network) for every style of every file."""
    found = []
    for file in files:
        for number, style in enumerate(saved_styles(read_metadata(file))):
            network = load_network(file)
            if not isinstance(network, StyleTransferNetwork):
                raise InputError("style networks", f"{type(network).__name__} in {file}")
            network.style = number
            found.append((style, file.stem if file.stem != "network" else file.parent.name, network))
    return found


def keep(made: Mapping[str, Tensor], folder: Path | None, name: str) -> None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for photo, picture in made.items():
            write_image(picture, folder / f"{name}-{photo}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", type=Path, help="style networks (default: those that ship)")
    parser.add_argument("--photos", type=Path, default=PHOTOS, help=f"a folder with photos (default: {PHOTOS})")
    parser.add_argument("--styles", type=Path, default=SHARED / "data" / "styles", help="the style pictures' folder")
    parser.add_argument("--weights", default=WEIGHTS if WEIGHTS.is_file() else "default", help="of VGG-16")
    parser.add_argument("--count", type=int, default=COUNT, help="photos")
    parser.add_argument("--size", type=int, help="longer side of the photos in pixels (default: their own)")
    parser.add_argument("--optimize", nargs="+", type=int, default=[], metavar="STEPS", help="L-BFGS, so many steps")
    parser.add_argument("--pictures", type=Path, help="a folder for the pictures that are measured")
    options = parser.parse_args()
    try:
        print(markdown(HEADS, []), end="")
        for found in rows(options):
            print(f"| {' | '.join(found)} |", flush=True)
    except InputError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
