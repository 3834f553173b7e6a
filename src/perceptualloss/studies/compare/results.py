"""What a comparison of losses found: plain, frozen data that the report and ``metrics.json`` are made of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.files import unique_stems
from perceptualloss.metrics.metric import SECONDS, format_value
from perceptualloss.metrics.metric import Metric as Metric  # noqa: PLC0414 (part of what a comparison is made of)

# Settings that the report puts in their own place: the line to run again, and the shaded start of the curves.
COMMAND, WARM_UP_STEPS = "command", "warm_up_steps"


@dataclass(frozen=True)
class Run:
    """One trained loss, or plain interpolation (``steps`` 0, no history).

    ``scores`` maps metric key to the value over all validation photos, ``history`` metric key to
    (step, value) pairs, ``per_photo`` photo name to metric key to value.
    """

    name: str
    label: str
    description: str
    steps: int
    seconds: float
    scores: Mapping[str, float]
    history: Mapping[str, list[tuple[int, float]]] = field(default_factory=dict)
    per_photo: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def trained(self) -> bool:
        """Whether something was trained, rather than interpolated."""
        return self.steps > 0


@dataclass(frozen=True)
class Comparison:
    """All runs of a comparison, interpolation first, and what a reader needs to judge them.

    ``settings`` says what was run and how; its ``command`` is the line that reproduces the comparison and
    its ``warm_up_steps`` (optional) the length of the common start on a pixel loss. ``missing`` gives, for
    a metric that could not be measured, the reason and the remedy. ``verdict`` is a few sentences.
    """

    title: str
    scale: int
    metrics: list[Metric]
    runs: list[Run]
    settings: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    verdict: list[str] = field(default_factory=list)

    @property
    def trained(self) -> list[Run]:
        """The runs that were trained."""
        return [run for run in self.runs if run.trained]

    @property
    def warm_up_steps(self) -> int:
        """Steps of the common start on a pixel loss, 0 where there was none."""
        text = self.settings.get(WARM_UP_STEPS, "0")
        return int(text) if text.strip().isdigit() else 0


@dataclass(frozen=True)
class Photo:
    """A validation photo and what each run made of it: tensors (1, 3, H, W) in [0, 1]."""

    name: str
    target: Tensor
    outputs: Mapping[str, Tensor]

    def __post_init__(self) -> None:
        """Refuse pictures that do not lie over each other."""
        for name, picture in {"target": self.target, **self.outputs}.items():
            if picture.ndim != 4 or picture.shape[:2] != (1, 3) or picture.shape != self.target.shape:
                raise InputError(
                    f"the pictures of {self.name!r} to share one shape (1, 3, H, W)",
                    f"{tuple(picture.shape)} for {name} beside {tuple(self.target.shape)} for the target",
                )


def best_runs(metric: Metric, runs: Iterable[Run]) -> set[str]:
    """Names of the runs with the best score; several where they look the same in print.

    Training time is compared among trained runs, because interpolation would win without taking part. One
    candidate alone is not called the best.
    """
    scores = {
        run.name: run.scores[metric.key]
        for run in runs
        if math.isfinite(run.scores.get(metric.key, math.nan)) and (run.trained or metric.key != SECONDS)
    }
    if len(scores) < 2:
        return set()
    best = (max if metric.higher_is_better else min)(scores.values())
    return {name for name, score in scores.items() if format_value(metric, score) == format_value(metric, best)}


def file_stems(photos: Iterable[Photo]) -> list[str]:
    """One file name per photo, all different (see :func:`unique_stems`)."""
    return unique_stems(photo.name for photo in photos)
