"""Whether loss networks rank distorted photos as four metrics do that agree well with people's ratings.

The metrics are FSIM, VSI, HaarPSI and MDSI, as piq computes them; the mean of their ranks stands for people, of whom
there are none here. Over all photos, kinds of distortion and strengths at once, so a distance that depends on the
photo or on the kind falls behind. Spearman's rank correlation with that mean; 1 is the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import piq
import torch
from scipy.stats import rankdata, spearmanr
from torch import Tensor

from loss_network_agreement import LAYERS, embedded
from loss_network_photos import validation_photos
from perceptualloss.metrics.ssim import ms_ssim, ssim
from perceptualloss.studies.loss_network.agreement import Distance, ladders, mean_squared_error, random_distance

Metric = Callable[[Tensor, Tensor], Tensor]
PEOPLE: Mapping[str, Metric] = {
    "FSIM": lambda x, y: 1 - piq.fsim(y, x, reduction="none"),
    "VSI": lambda x, y: 1 - piq.vsi(y, x, reduction="none"),
    "HaarPSI": lambda x, y: 1 - piq.haarpsi(y, x, reduction="none"),
    "MDSI": lambda x, y: piq.mdsi(y, x, reduction="none"),
}


@torch.no_grad()
def metrics(data: Path | None, *, size: int = 256, weights: Mapping[str, str] | None = None, count: int = 10) -> None:
    """Print the table, over ``count`` photos."""
    photos = validation_photos(data, size, count)
    every = ladders(list(photos))
    distorted = torch.cat([levels.flatten(0, 1) for levels in every.values()])
    originals = photos.repeat(len(distorted) // len(photos), 1, 1, 1)
    jpeg = np.concatenate([np.full(levels.shape[0] * levels.shape[1], k == "jpeg") for k, levels in every.items()])

    def values(distance: Distance) -> Tensor:
        pieces = zip(originals.split(len(photos)), distorted.split(len(photos)), strict=True)
        return torch.cat([distance(a, b) for a, b in pieces])

    people = sum(rankdata(values(metric)) for metric in PEOPLE.values())
    distances: dict[str, Distance] = {
        "mean squared error": mean_squared_error,
        "1 - SSIM": lambda x, y: 1 - ssim(y, x),
        "1 - MS-SSIM": lambda x, y: 1 - ms_ssim(y, x),
        "compact, random weights": random_distance("compact", LAYERS["compact"], 0),
        "compact": embedded("compact", weights),
        "judge": embedded("judge", weights),
    }
    print(f"{len(photos)} photos, {len(distorted)} distorted ones: Spearman's correlation with {', '.join(PEOPLE)}")
    print("| | all kinds | JPEG |", "|---|---|---|", sep="\n")
    for name, distance in distances.items():
        found = values(distance)
        together, alone = spearmanr(found, people).statistic, spearmanr(found[jpeg], people[jpeg]).statistic
        print(f"| {name} | {together:.3f} | {alone:.3f} |", flush=True)
