"""Trainings that are finished, of any recipes on the same photos: measured and shown side by side."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from perceptualloss.apply.tiles import transform_in_tiles
from perceptualloss.data.degrade import Unchanged
from perceptualloss.data.module import PhotoData
from perceptualloss.drawing.details import Photo
from perceptualloss.errors import InputError
from perceptualloss.files import write_json, write_whole
from perceptualloss.metrics.metric import SECONDS, Metric, format_value
from perceptualloss.metrics.registry import at_hand, list_metrics, metric
from perceptualloss.metrics.report import measure_all
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.diffusers_autoencoder import DiffusersAutoencoder
from perceptualloss.networks.named import load_network
from perceptualloss.pictures.resize import resize
from perceptualloss.studies.compare.compare import INTERPOLATION, TIME, verdict
from perceptualloss.studies.compare.curves import plot_curves
from perceptualloss.studies.compare.panels import write_panels
from perceptualloss.studies.compare.report import write_report
from perceptualloss.studies.compare.results import Comparison, Run, best_runs
from perceptualloss.training.checkpoints import newest_checkpoint
from perceptualloss.training.recipe import Recipe
from perceptualloss.training.recipe_file import read_recipe
from perceptualloss.training.recipe_settings import build_recipe
from perceptualloss.training.run_folder import CONFIGURATION, in_words, read_record
from perceptualloss.training.train import result_in, training_data

INPUT = "input"
CODE = Metric(
    "bits_per_pixel",
    "size of the code",
    "bits/pixel",
    False,
    "What is kept of a picture; a KL code's numbers count 16 bits each.",
    digits=3,
)
_SAME = ("photos", "validation", "shorter_side", "degradation")  # of all runs, as they say what is measured


@dataclass(frozen=True)
class Finished:
    """A training that is finished: its folder, recipe, network, and what its last checkpoint and its record say."""

    folder: Path
    recipe: Recipe
    network: TransformationNetwork
    seconds: float
    steps: int
    history: Mapping[str, list[tuple[int, float]]]
    data: Mapping[str, Any]

    @property
    def description(self) -> str:
        """The loss, the critic's rules and what it started from, in words."""
        parts = [in_words(self.recipe.loss)]
        if self.recipe.adversarial is not None:
            parts.append(f"against {in_words(self.recipe.critic)}")
        if self.recipe.start_from is not None:
            parts.append(f"from {self.recipe.start_from.parent.name or self.recipe.start_from}")
        return ", ".join(parts)


def compare_runs(
    runs: Sequence[Path],
    folder: Path,
    *,
    say: Callable[[str], None] = lambda line: None,
) -> Comparison:
    """Measure the results of finished trainings on their validation photos, and write a report.

    Args:
        runs: folders of trainings with degradations, on the same photos and with the same degradation.
        folder: for everything that is written: ``metrics.json``, ``table.md``, ``curves/``, ``panels/`` and
            ``report.html``.
        say: is called with a line of text before each stage.

    Returns:
        The scores of all runs. Where an input is another picture than its target, the input comes first (enlarged, if
        it is smaller).

    Raises:
        InputError: for fewer than two runs, one that is not finished, one of styles, pairs or masks, or runs on other
            photos than the first.
    """
    names = {run.resolve().name for run in runs} - {INPUT, INTERPOLATION}
    if len(runs) < 2 or len(names) < len(runs):
        raise InputError("two or more folders of runs, of different names", " ".join(map(str, runs)) or "none")
    finished = [read_finished(run) for run in runs]
    _check_same(finished)
    data = training_data(finished[0].recipe)
    if not isinstance(data, PhotoData):  # there are no pairs here
        raise InputError("runs on photos in a folder", f"shards, {finished[0].recipe.photos}", "Train on a folder.")
    say(f"Measuring {len(data.validation_photos)} whole validation photos")
    photos, scores = _measured(finished, data)
    comparison = _comparison(finished, scores, runs)
    say("Drawing the report")
    write_json(asdict(comparison), folder / "metrics.json")
    write_whole(markdown_table(comparison).encode(), folder / "table.md")
    plot_curves(comparison, folder)
    write_panels(comparison, photos, folder)
    write_report(comparison, photos, folder)
    return comparison


def read_finished(folder: Path) -> Finished:
    """Read the folder of a training that is finished.

    Raises:
        InputError: for one that is not, or is none.
    """
    if not (folder / CONFIGURATION).is_file():
        raise InputError("the folder of a finished training", f"no {CONFIGURATION} in {folder}")
    settings = read_recipe(folder / CONFIGURATION)
    recipe = build_recipe({name: value for name, value in settings.items() if name not in ("name", "out")})
    result = result_in(folder, recipe)
    if not result.exists():
        remedy = f"Finish it: perceptualloss train --resume {folder}"
        raise InputError("the folder of a finished training", f"no {result.name} in {folder}", remedy)
    autoencoder = isinstance(recipe.network, DiffusersAutoencoder)
    network = DiffusersAutoencoder(result) if autoencoder else load_network(result)
    record, checkpoint = read_record(folder) or {}, newest_checkpoint(folder)
    state: dict[str, Any] = {}
    if checkpoint is not None:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    return Finished(
        folder,
        recipe,
        network.eval(),
        float(state.get("seconds", 0.0)),
        int(state.get("global_step", 0)) or recipe.steps,
        state.get("history", {}),
        record.get("data", {}),
    )


def _check_same(finished: Sequence[Finished]) -> None:
    for run in finished:
        for name in ("style", "inputs", "masks"):
            if (given := getattr(run.recipe, name)) is not None:
                raise InputError(f"runs without {name}, whose targets are whole photos", f"{given} in {run.folder}")
    first = finished[0]
    for other in finished[1:]:
        for name in _SAME:
            mine, theirs = (in_words(getattr(run.recipe, name)) for run in (first, other))
            if mine != theirs:
                raise InputError(
                    f"runs with the same {name}", f"{mine} in {first.folder} and {theirs} in {other.folder}"
                )
        if first.data.get("names_and_sizes") != other.data.get("names_and_sizes"):
            raise InputError("runs on the same photos", f"others in {first.folder} than in {other.folder}")


@torch.no_grad()
def _measured(
    finished: Sequence[Finished], data: PhotoData
) -> tuple[list[Photo], dict[str, dict[str, dict[str, float]]]]:
    """Return the photos with every run's output, and run -> photo -> metric -> score."""
    photos = []
    scores: dict[str, dict[str, dict[str, float]]] = {}
    for name, low, target in data.validation_pairs():
        outputs = _inputs(low, target, data)
        for run in finished:
            outputs[run.folder.resolve().name] = transform_in_tiles(run.network, low)
        outputs = {run: output.clamp(0, 1) for run, output in outputs.items()}
        for key, values in measure_all(outputs, target).items():
            scores.setdefault(key, {})[name] = {metric: float(value) for metric, value in values.items()}
        photos.append(Photo(name, target, outputs))
    return photos, scores


def _inputs(low: Tensor, target: Tensor, data: PhotoData) -> dict[str, Tensor]:
    """Return the input as a picture to compare with, unless it is the target."""
    if isinstance(data.degradation, Unchanged):
        return {}
    if data.degradation.scale == 1:
        return {INPUT: low}
    return {INTERPOLATION: resize(low, size=(target.shape[-2], target.shape[-1]), method="bilinear")}


def _comparison(
    finished: Sequence[Finished], scores: dict[str, dict[str, dict[str, float]]], folders: Sequence[Path]
) -> Comparison:
    trained = {run.folder.resolve().name: run for run in finished}
    runs = []
    for name, per_photo in scores.items():
        keys = next(iter(per_photo.values()))
        mean = {key: sum(photo[key] for photo in per_photo.values()) / len(per_photo) for key in keys}
        if name not in trained:
            runs.append(Run(name, name, "what the networks begin with", 0, 0.0, mean, {}, per_photo))
            continue
        run = trained[name]
        bits = getattr(run.network, CODE.key, None)
        mean |= {SECONDS: run.seconds} | ({} if bits is None else {CODE.key: float(bits)})
        runs.append(Run(name, name, run.description, run.steps, run.seconds, mean, dict(run.history), per_photo))
    measured = [metric(name) for name in list_metrics("comparison") if name in runs[-1].scores]
    extra = [one for one in (CODE, TIME) if any(one.key in run.scores for run in runs)]
    first = finished[0].recipe
    return Comparison(
        title=f"Trainings side by side: {', '.join(trained)}",
        scale=first.network.scale,
        metrics=[*(one for one in extra if one is CODE), *measured, *(one for one in extra if one is TIME)],
        runs=runs,
        settings={
            "command": shlex.join(["perceptualloss", "compare", "--runs", *map(str, folders)]),
            "data": str(first.photos or "built-in photos of scikit-image"),
            "degradation": in_words(first.degradation),
            **{f"steps of {name}": str(run.steps) for name, run in trained.items()},
        },
        missing=at_hand("comparison")[1],
        verdict=verdict(runs),
        how="The same photos; networks, losses and steps are each run's own, as its folder says.",
    )


def markdown_table(comparison: Comparison) -> str:
    """Return the scores as a table in Markdown, a row for each run, the best of each column in bold."""
    heads = ["", *(f"{one.title} {one.arrow}" for one in comparison.metrics)]
    lines = [heads, ["---"] * len(heads)]
    best = {one.key: best_runs(one, comparison.runs) for one in comparison.metrics}
    for run in comparison.runs:
        cells = [format_value(one, run.scores.get(one.key)) for one in comparison.metrics]
        bold = [run.name in best[one.key] for one in comparison.metrics]
        lines.append(
            [run.label, *(f"**{cell}**" if strong else cell for cell, strong in zip(cells, bold, strict=True))]
        )
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
