"""What a loss network is worth as a loss: super-resolution trained with its features, and with others."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from perceptualloss.features.architectures import layers_before_pooling
from perceptualloss.losses.base import Loss
from perceptualloss.losses.feature import FeatureReconstructionLoss
from perceptualloss.losses.pixel import L1Loss
from perceptualloss.losses.presets import Preset
from perceptualloss.losses.registry import LOSSES
from perceptualloss.studies.compare.compare import compare
from perceptualloss.studies.compare.results import Run
from perceptualloss.studies.compare.settings import Settings


@dataclass(frozen=True)
class Variant:
    """A loss: L1 plus ``weight`` times the features of ``network``, unit-normalised, in its layers before pooling."""

    label: str
    network: str
    random: bool = False
    weight: float = 4.0

    def preset(self, weights: Mapping[str, str]) -> Preset:
        """Return it as ``compare`` takes losses; ``weights`` names files for the embedded ones, by network."""
        return Preset(self.label, f"features of {self.label}, plus L1", lambda *_, **__: self._loss(weights))

    def _loss(self, weights: Mapping[str, str]) -> Loss:
        chosen = None if self.random else weights.get(self.network, "default")
        with torch.random.fork_rng():  # the same random weights when an interrupted run goes on
            torch.manual_seed(0)
            layers = dict.fromkeys(layers_before_pooling(self.network), self.weight)
            return FeatureReconstructionLoss(self.network, layers, "unit", weights=chosen) + L1Loss()


VARIANTS = {
    "compact": Variant("compact", "compact"),
    "compact-1": Variant("compact, weight 1", "compact", weight=1.0),
    "random": Variant("compact, random weights", "compact", random=True),
    "judge": Variant("judge", "judge"),
}


def training(
    folder: Path,
    data: Path | None,
    *,
    network: Literal["course", "residual"] = "residual",
    steps: int = 1600,
    warm_up: int = 800,
    validation: float = 8,
    weights: Mapping[str, str] | None = None,
    resume: bool = False,
) -> None:
    """Train the same x4 network with MSE and with each of :data:`VARIANTS`; print a table, write panels to ``folder``.

    All share the first ``warm_up`` of ``steps`` steps, which are trained with MSE. An earlier comparison in ``folder``
    is thrown away unless ``resume`` says to go on with it. ``validation`` photos keep the measuring short.
    """
    if not resume and (folder / "settings.json").is_file():
        shutil.rmtree(folder)
    LOSSES.update({name: variant.preset(weights or {}) for name, variant in VARIANTS.items()})
    settings = Settings(
        scale=4,
        network=network,
        photos=data,
        losses=("mse", *VARIANTS),
        steps=steps,
        warm_up_steps=warm_up,
        validation=validation,
    )
    result = compare(settings, folder, progress=True)
    print(f"x4, {steps} steps of which {warm_up} with MSE; means over the validation photos; panels: {folder}")
    print("A distance in brackets is that of the network that trained the row, and proves nothing.")
    _print_table(result.runs)


def _print_table(runs: list[Run]) -> None:
    outside = [name for name in ("st_lpips_vgg", "ssimulacra2") if name in runs[0].scores]
    heads = ["trained with", "PSNR", "SSIM", *outside, "distance, judge", "seconds"]
    print(f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", sep="\n")
    judged = {run.name: run.scores["perceptual_distance"] for run in runs}
    for run in runs:
        variant = VARIANTS.get(run.name)
        own = variant is not None and variant.network == "judge"
        cells = [
            f"{run.scores['psnr']:.2f}",
            f"{run.scores['ssim']:.4f}",
            *(f"{run.scores[name]:.4f}" for name in outside),
        ]
        cells += [_cell(judged[run.name], judged["mse"], own), f"{run.seconds:.0f}"]
        print(f"| {run.label} | {' | '.join(cells)} |")


def _cell(value: float, base: float, own: bool) -> str:
    text = f"{value:.4f} {value / base - 1:+.0%}"
    return f"({text})" if own else text
