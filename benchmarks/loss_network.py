"""How far the embedded networks find distorted photos, against a random network and mean squared error.

    python benchmarks/loss_network.py [--photos DIR] [--size 256] [--files judge=FILE ...]

Three figures per network, all in percent of the pairs that are ordered right:

- same photo: of two strengths of one distortion, the stronger is farther;
- any photos: the same with each strength on another photo (a distance that depends on the photo fails here);
- equal PSNR: blur, JPEG, coarse pixels and a blurry enlargement are farther than noise, changed brightness,
  contrast or gamma, and a shift of one pixel, as people rank them. All have the PSNR of that shift, so mean squared
  error cannot tell them apart. After it, the same against each of the latter alone.

Photos: the last 20 by name, which no training saw. Distortions: fixed seeds. Brightness, contrast and fading colours
resemble what training does to its crops; the others do not occur there. Random weights: mean of three draws.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from perceptualloss.data.folder import split_files
from perceptualloss.data.module import middle
from perceptualloss.experiments.agreement import (
    Distance,
    NetworkDistance,
    equal_psnr,
    ladders,
    layers_before_pooling,
    mean_squared_error,
    measure,
    random_distance,
)
from perceptualloss.images import picture_files, read_image
from perceptualloss.loss_networks.loss_network import loss_network

PHOTOS = Path(__file__).parents[2] / "shared" / "data" / "photos"
LAYERS = {name: layers_before_pooling(name) for name in ("compact", "judge")}
DRAWS = 3  # of random weights; their figures are averaged


def figures_of(
    distance: Distance, photos: Tensor, distorted: dict[str, Tensor], equal: list[dict[str, Tensor]]
) -> dict[str, float]:
    """Return the figures of this page and, for each kind of distortion, the second one."""
    found = measure(distance, photos, distorted, equal)
    first = {"same photo": found.same_photo, "any photos": found.any_photos, "equal PSNR": found.equal_psnr}
    return first | {f"> {better}": value for better, value in found.against.items()} | dict(found.by_kind)


def read(folder: Path, size: int, count: int = 20) -> Tensor:
    _, files = split_files(picture_files(folder), count)
    return torch.cat([middle(read_image(file)[0], size)[None] for file in files])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--files", nargs="*", default=[], help="other weights: compact=FILE or judge=FILE")
    options = parser.parse_args()
    distances: dict[str, list[Distance]] = {"mean squared error": [mean_squared_error]}
    for name, layers in LAYERS.items():
        distances[f"{name}, random weights"] = [random_distance(name, layers, seed) for seed in range(DRAWS)]
    for entry in options.files or [f"{name}=default" for name in LAYERS]:
        name, _, file = entry.partition("=")
        distances[f"{name}, {Path(file).stem}"] = [NetworkDistance(loss_network(name, LAYERS[name], weights=file))]
    photos = read(options.photos, options.size)
    distorted, equal = ladders(list(photos)), [equal_psnr(photo) for photo in photos]
    print(f"{len(photos)} photos of {photos.shape[2]} x {photos.shape[3]}; pairs ordered right, in percent")
    for number, (name, draws) in enumerate(distances.items()):
        measured = [figures_of(distance, photos, distorted, equal) for distance in draws]
        figures = {figure: sum(m[figure] for m in measured) / len(measured) for figure in measured[0]}
        if number == 0:
            print("| | " + " | ".join(figures) + " |", "|---" * (len(figures) + 1) + "|", sep="\n")
        print(f"| {name} | " + " | ".join(f"{value:.0f}" for value in figures.values()) + " |", flush=True)


if __name__ == "__main__":
    main()
