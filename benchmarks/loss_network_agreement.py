"""How far loss networks find distorted photos, against random networks and mean squared error.

Three figures per distance, all in percent of the pairs that are ordered right:

- same photo: of two strengths of one distortion, the stronger is farther;
- any photos: the same with each strength on another photo (a distance that depends on the photo fails here);
- equal PSNR: blur, JPEG, coarse pixels and a blurry enlargement are farther than noise, changed brightness,
  contrast or gamma, and a shift of one pixel, as people rank them. All have the PSNR of that shift, so mean squared
  error cannot tell them apart. After it, the same against each of the latter alone.

Distortions: fixed seeds. Brightness, contrast and fading colours resemble what training does to its crops; the others
do not occur there. Random weights: mean of three draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from loss_network_photos import validation_photos
from perceptualloss.features.architectures import layers_before_pooling
from perceptualloss.features.network import loss_network
from perceptualloss.metrics.embedded import perceptual_distance
from perceptualloss.studies.loss_network.agreement import (
    Distance,
    NetworkDistance,
    equal_psnr,
    ladders,
    mean_squared_error,
    measure,
    random_distance,
)

LAYERS = {name: layers_before_pooling(name) for name in ("compact", "judge")}
DRAWS = 3  # of random weights; their figures are averaged


def agreement(data: Path | None, *, size: int = 256, weights: Mapping[str, str] | None = None) -> None:
    """Print the table; ``weights`` names files to measure instead of the embedded weights, by network."""
    distances: dict[str, list[Distance]] = {"mean squared error": [mean_squared_error]}
    for name in LAYERS:
        file = (weights or {}).get(name, "default")
        distances[f"{name}, {Path(file).stem}"] = [embedded(name, weights)]
    for name, layers in LAYERS.items():
        distances[f"{name}, random weights"] = [random_distance(name, layers, seed) for seed in range(DRAWS)]
    photos = validation_photos(data, size)
    distorted, equal = ladders(list(photos)), [equal_psnr(photo) for photo in photos]
    print(f"{len(photos)} photos of {photos.shape[2]} x {photos.shape[3]}; pairs ordered right, in percent")
    for number, (label, draws) in enumerate(distances.items()):
        measured = [figures_of(distance, photos, distorted, equal) for distance in draws]
        figures = {figure: sum(m[figure] for m in measured) / len(measured) for figure in measured[0]}
        if number == 0:
            print("| | " + " | ".join(figures) + " |", "|---" * (len(figures) + 1) + "|", sep="\n")
        print(f"| {label} | " + " | ".join(f"{value:.0f}" for value in figures.values()) + " |", flush=True)


def figures_of(
    distance: Distance, photos: Tensor, distorted: dict[str, Tensor], equal: list[dict[str, Tensor]]
) -> dict[str, float]:
    """Return the figures of this page and, for each kind of distortion, the second one."""
    found = measure(distance, photos, distorted, equal)
    first = {"same photo": found.same_photo, "any photos": found.any_photos, "equal PSNR": found.equal_psnr}
    return first | {f"> {better}": value for better, value in found.against.items()} | dict(found.by_kind)


def embedded(name: str, weights: Mapping[str, str] | None = None) -> Distance:
    """Return the distance in an embedded network, or in one from a file that ``weights`` names."""
    file = (weights or {}).get(name, "default")
    if (name, file) == ("judge", "default"):
        return perceptual_distance  # the judge as it ships
    return NetworkDistance(loss_network(name, LAYERS[name], weights=file))
