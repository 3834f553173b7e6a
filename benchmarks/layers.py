"""Which layers and distance restore most: the same network, trained with feature losses that differ.

    python benchmarks/layers.py [--steps 2000] [--warm-up-steps 1000] [--scale 2] [--photos DIR] [--only NAME ...]

`perceptualloss compare` with one loss after another, all from the same warm-up, on the embedded loss network;
prints PSNR, SSIM and the judge's perceptual distance over the validation photos. The panels show the rest.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Literal

from perceptualloss.losses.base import Loss
from perceptualloss.losses.feature import FeatureReconstructionLoss
from perceptualloss.losses.pixel import L1Loss
from perceptualloss.losses.presets import Preset
from perceptualloss.losses.registry import LOSSES
from perceptualloss.studies.compare.compare import compare
from perceptualloss.studies.compare.settings import STEPS, WARM_UP_STEPS, Settings

FIRST, LAST = ("relu1_1", "relu2_1", "relu3_1"), ("relu1_2", "relu2_2", "relu3_3")
# name: layers, distance, weight of L1
VARIANTS: dict[str, tuple[tuple[str, ...], Literal["mse", "l1", "unit"], float]] = {
    "four-unit": ((*FIRST, "relu4_1"), "unit", 1.0),
    "first-unit": (FIRST, "unit", 1.0),
    "first-l1": (FIRST, "l1", 1.0),
    "last-unit": (LAST, "unit", 1.0),
    "last-l1": (LAST, "l1", 1.0),
    "last-unit-no-pixel": (LAST, "unit", 0.0),
    "deep-unit": (FIRST[1:], "unit", 1.0),
    "johnson": (("relu2_2",), "mse", 0.0),
}


def register(name: str) -> None:
    layers, distance, pixel = VARIANTS[name]

    def build(network: str) -> Loss:
        features = FeatureReconstructionLoss(network, dict.fromkeys(layers, 1.0), distance)
        return features + pixel * L1Loss() if pixel else features

    LOSSES[name] = Preset(name, f"{' + '.join(layers)}, {distance}, plus {pixel:g} x L1", build)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--warm-up-steps", type=int, default=WARM_UP_STEPS)
    parser.add_argument("--scale", type=int, default=2, choices=(2, 4))
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    arguments = parser.parse_args()
    for name in arguments.only:
        register(name)
    settings = Settings(
        scale=arguments.scale,
        photos=arguments.photos,
        losses=("mse", *arguments.only),
        steps=arguments.steps,
        warm_up_steps=arguments.warm_up_steps,
    )
    result = compare(settings, Path("runs/layers"), progress=True)
    print(f"{'loss':52} PSNR   SSIM    distance  to MSE")
    base = result.runs[1].scores["perceptual_distance"]
    for run in result.runs:
        psnr, ssim, distance = (run.scores[key] for key in ("psnr", "ssim", "perceptual_distance"))
        print(f"{run.description:52} {psnr:.2f}  {ssim:.4f}  {distance:.4f}  {distance / base - 1:+.0%}")


if __name__ == "__main__":
    main()
