"""What a comparison of losses found: plain, frozen data that the report and ``metrics.json`` are made of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from perceptualloss.metrics.metric import SECONDS, Metric, best_values

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
    a metric that could not be measured, the reason and the remedy. ``verdict`` is a few sentences; ``how`` says what
    the runs have in common, where that is not the network and all but the loss.
    """

    title: str
    scale: int
    metrics: list[Metric]
    runs: list[Run]
    settings: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    verdict: list[str] = field(default_factory=list)
    how: str = ""

    @property
    def trained(self) -> list[Run]:
        """The runs that were trained."""
        return [run for run in self.runs if run.trained]

    @property
    def warm_up_steps(self) -> int:
        """Steps of the common start on a pixel loss, 0 where there was none."""
        text = self.settings.get(WARM_UP_STEPS, "0")
        return int(text) if text.strip().isdigit() else 0


def best_runs(metric: Metric, runs: Iterable[Run]) -> set[str]:
    """Names of the runs with the best score, several where they look the same in print; none where all do.

    Training time is compared among trained runs, because interpolation would win without taking part. One
    candidate alone is not called the best.
    """
    scores = {
        run.name: run.scores[metric.key]
        for run in runs
        if math.isfinite(run.scores.get(metric.key, math.nan)) and (run.trained or metric.key != SECONDS)
    }
    return best_values(metric, scores)
