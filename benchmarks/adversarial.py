"""Does an adversarial training stay bounded? Gap, ranking and gradient norms over its steps, for several rules.

    python benchmarks/adversarial.py [--steps 400] [--photos FOLDER] [--out runs/adversarial]
    python benchmarks/adversarial.py --show runs/mine runs/other      curves of finished trainings

Trains the x4 upscaler that ships with MSE on against a critic: relativistic, Wasserstein with clipped weights, and
Wasserstein with the gradient penalty, beside the recipe's perceptual loss. Prints each curve's median over the first
tenth of the steps, its largest value after that and its last median, and draws them into OUT/curves.png.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

from loss_network_photos import PHOTOS
from perceptualloss.data.degrade import Downscale
from perceptualloss.networks.course import Critic
from perceptualloss.networks.named import shipped
from perceptualloss.networks.sub_pixel import SubPixelUpscaler
from perceptualloss.training.game import Game
from perceptualloss.training.recipe import Recipe
from perceptualloss.training.train import train

GAMES = {
    "relativistic": Game("relativistic", weight=0.01, ramp_steps=50, betas=(0.5, 0.99)),
    "wasserstein-clip": Game(weight=0.01, ramp_steps=50, clip=0.1, betas=(0.0, 0.99)),
    "wasserstein-penalty": Game(weight=0.001, ramp_steps=50, penalty=10.0),
}
CURVES = ("critic/gap", "critic/ranked right", "critic/gradient norm", "generator/gradient norm")
LOSS = {
    "FeatureReconstructionLoss": {
        "network": "compact",
        "layers": dict.fromkeys(("relu1_1", "relu2_1", "relu3_1", "relu4_1"), 1.0),
        "distance": "unit",
        "augment": "geometric",
    },
    "L1Loss": 1.0,
}
Curve = list[tuple[int, float]]


def train_all(data: Path | None, steps: int, crop: int, out: Path) -> dict[str, Path]:
    """Train by every set of rules; return the folders."""
    for name, game in GAMES.items():
        recipe = Recipe(
            network=SubPixelUpscaler(4),
            loss=LOSS,
            degradation=Downscale(4),
            photos=data,
            start_from=shipped()[4, "mse"],
            adversarial=game,
            critic=Critic(8),
            validation=2,
            crop=crop,
            batch_size=8,
            steps=steps,
            learning_rate=2e-4,
            validate_every=steps,
            checkpoint_every=steps,
            gradient_clip=1.0,
        )
        train(recipe, out / name, progress=True)
    return {name: out / name for name in GAMES}


def read_curves(folder: Path) -> dict[str, Curve]:
    """Read a training's curves from TensorBoard's files."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return {name: [(each.step, each.value) for each in events.Scalars(name)] for name in CURVES}


def summary(curve: Sequence[tuple[int, float]]) -> tuple[float, float, float]:
    """Return the median of the first tenth, the largest size after that, and the median of the last tenth.

    >>> summary([(n, float(n)) for n in range(20)])
    (0.5, 19.0, 18.5)
    """
    values = [value for _, value in curve]
    tenth = max(1, len(values) // 10)
    return median(values[:tenth]), max(map(abs, values[tenth:] or values)), median(values[-tenth:])


def draw(curves: Mapping[str, Mapping[str, Curve]], file: Path) -> None:
    """Draw every curve of every training."""
    figure = Figure(figsize=(12, 7), layout="constrained")
    for axes, name in zip(figure.subplots(2, 2).flat, CURVES, strict=True):
        for label, each in curves.items():
            axes.plot(*zip(*each[name], strict=True), label=label, linewidth=1)
        axes.set(title=name, xlabel="step")
        if "norm" in name:
            axes.set_yscale("log")
        axes.grid(alpha=0.3)
    figure.axes[0].legend()
    figure.savefig(file, dpi=120)


def main() -> None:
    """Train, or read; print the table; draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--crop", type=int, default=64)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--out", type=Path, default=Path("runs/adversarial"))
    parser.add_argument("--show", type=Path, nargs="+", help="folders of finished trainings, instead of training")
    options = parser.parse_args()
    if options.show:
        folders = {folder.name: folder for folder in options.show}
    else:
        folders = train_all(options.photos, options.steps, options.crop, options.out)
    curves = {name: read_curves(folder) for name, folder in folders.items()}
    print("| | curve | at first | largest | at last |\n|---|---|---:|---:|---:|")
    for label, each in curves.items():
        for name in CURVES:
            print(f"| {label} | {name} | " + " | ".join(f"{value:.3g}" for value in summary(each[name])) + " |")
    options.out.mkdir(parents=True, exist_ok=True)
    draw(curves, options.out / "curves.png")
    print(f"curves: {options.out / 'curves.png'}")


if __name__ == "__main__":
    main()
