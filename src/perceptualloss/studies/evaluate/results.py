"""What was measured of several candidates on the same pictures: values, means, and whether it is more than noise."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from perceptualloss.metrics.metric import Metric, best_values, format_value, telling
from perceptualloss.studies.evaluate.candidates import Loaded
from perceptualloss.studies.evaluate.statistics import Paired


@dataclass(frozen=True)
class Mean:
    """The mean of a metric over the pictures and the ends of its 95% interval; not a number where there is none.

    Attributes:
        value: The mean; one infinite value, as the PSNR of equal pictures is, makes it infinite.
        low: The lower end of the interval.
        high: The upper end.
        infinite: On how many pictures the value is infinite.
        rest: The mean over the others.
    """

    value: float
    low: float
    high: float
    infinite: int = 0
    rest: float = math.nan


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found: values of every picture, means with intervals, and comparisons.

    Attributes:
        metrics: the measures, in the order asked for.
        values: by candidate, metric's key and picture, a value. All candidates have the same pictures.
        convention: what of the pictures was measured, in words.
        look: reads a picture by its name again, with every candidate's output.
        means: by candidate and metric's key, the mean over the pictures with its interval.
        pairs: by candidate after the first, and metric's key, its comparison with the first one.
        settings: what was measured, and how.
        missing: why a usual metric could not be had, by its name.
        unmatched: files without a partner in every candidate.
        problems: what could not be measured, and why: a picture, or one measure of it.
        failed: the pictures of which nothing could be measured, because a file does not open or does not fit.
        verdict: what came out, in sentences.
    """

    metrics: list[Metric]
    values: Mapping[str, Mapping[str, Mapping[str, float]]]
    means: Mapping[str, Mapping[str, Mean]]
    pairs: Mapping[str, Mapping[str, Paired]]
    convention: str
    look: Callable[[str], Loaded] = field(repr=False, compare=False)
    settings: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    unmatched: list[Path] = field(default_factory=list)
    problems: Mapping[str, str] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    verdict: list[str] = field(default_factory=list)

    @property
    def candidates(self) -> list[str]:
        """The names of what was measured."""
        return list(self.values)

    @property
    def pictures(self) -> list[str]:
        """The names of the pictures that were measured, sorted."""
        first = next(iter(self.values.values()))
        return sorted({name for values in first.values() for name in values})

    def differing(self) -> tuple[list[str], Metric]:
        """Return the pictures by how much the first two candidates differ, most first, and by which metric.

        The metric is the most telling one. Of one candidate alone, the worst picture comes first.
        """
        metric = telling(self.metrics)
        values = [self.values[name].get(metric.key, {}) for name in self.candidates[:2]]

        def rank(picture: str) -> tuple[float, str]:
            pair = [each.get(picture, math.nan) for each in values]
            if len(pair) == 2:
                gap = 0.0 if pair[0] == pair[1] else abs(pair[0] - pair[1])  # infinity less infinity is no number
            else:
                gap = pair[0] * (-1 if metric.higher_is_better else 1)
            return (math.inf if math.isnan(gap) else -gap, picture)

        return sorted(self.pictures, key=rank), metric


def best(metric: Metric, means: Mapping[str, Mapping[str, Mean]]) -> set[str]:
    """Return the candidates with the best mean as it is printed; none of one alone."""
    return best_values(metric, {name: means_by_metric[metric.key].value for name, means_by_metric in means.items()})


def value_lines(evaluation: Evaluation, candidate: str, picture: str) -> list[str]:
    """Return lines such as ``PSNR 27.12 dB`` with a candidate's values on one picture."""
    by_metric = evaluation.values[candidate]
    return [
        f"{metric.short} {format_value(metric, by_metric[metric.key][picture])} {metric.unit}".rstrip()
        for metric in evaluation.metrics
        if picture in by_metric[metric.key]
    ]


def sentence(metric: Metric, name: str, other: str, paired: Paired) -> str:
    """Say whether ``name`` is better than ``other`` by a metric, or whether that is noise.

    >>> metric = Metric("psnr", "PSNR", "dB", True, "")
    >>> sentence(metric, "new", "old", Paired(0.5, 0.3, 0.7, 0.001, 13, 1, 14))
    'PSNR: new is better than old, 0.50 dB higher on average (95% interval 0.30 to 0.70), on 13 of 14 pictures.'
    """
    ahead, behind = (name, other) if (paired.difference > 0) == metric.higher_is_better else (other, name)
    wins = paired.wins if ahead == name else paired.losses
    size, low, high = (abs(v) for v in (paired.difference, *sorted((paired.low, paired.high), key=abs)))
    unit = f" {metric.unit}" if metric.unit else ""
    way = "higher" if metric.higher_is_better else "lower"
    on = f"{wins} of {paired.pictures} {'picture' if paired.pictures == 1 else 'pictures'}"
    if paired.unbounded:
        return _unbounded(metric, name, other, paired)
    if paired.difference == 0 and paired.wins + paired.losses:
        each = f"{name} is better on {paired.wins} and {other} on {paired.losses} of {paired.pictures} pictures"
        return f"{metric.short}: {name} and {other} are alike on average; {each}."
    if paired.difference == 0 or math.isnan(paired.difference):
        return f"{metric.short}: {name} and {other} do not differ."
    if paired.sure:
        return (
            f"{metric.short}: {ahead} is better than {behind}, {format_value(metric, size)}{unit} {way} on average "
            f"(95% interval {format_value(metric, low)} to {format_value(metric, high)}), on {on}."
        )
    start = (
        f"{metric.short}: {ahead} is {format_value(metric, size)}{unit} {way} than {behind} on average, on {on}, but "
    )
    if wins == paired.pictures:
        return f"{start}so few pictures do not tell: chance alone gives that in {paired.chance:.0%} of the cases."
    return (
        f"{start}that is within the noise between pictures (chance gives as much in {paired.chance:.0%} of the cases)."
    )


def _unbounded(metric: Metric, name: str, other: str, paired: Paired) -> str:
    """Say who is better where values differ by infinity, which no mean tells: by the numbers of pictures."""
    ahead, behind, wins = (name, other, paired.wins) if paired.wins > paired.losses else (other, name, paired.losses)
    of = f"{paired.pictures} {'picture' if paired.pictures == 1 else 'pictures'}, infinitely on {paired.unbounded}"
    if paired.wins == paired.losses:
        return f"{metric.short}: {name} and {other} are each better on {wins} of {of}."
    start = f"{metric.short}: {ahead} is better than {behind} on {wins} of {of}"
    if paired.sure:
        return f"{start}."
    return f"{start}, but so few pictures do not tell: chance alone gives that in {paired.chance:.0%} of the cases."


def as_data(evaluation: Evaluation) -> dict[str, Any]:
    """Return everything but the pictures, for a file."""
    return {
        "convention": evaluation.convention,
        "settings": dict(evaluation.settings),
        "metrics": [asdict(metric) for metric in evaluation.metrics],
        "candidates": {
            name: {
                "mean": {key: asdict(mean) for key, mean in evaluation.means[name].items()},
                "pictures": {p: {m: v[p] for m, v in values.items() if p in v} for p in evaluation.pictures},
            }
            for name, values in evaluation.values.items()
        },
        "against_the_first": {
            name: {key: asdict(p) | {"win_rate": p.win_rate, "sure": p.sure} for key, p in paired.items()}
            for name, paired in evaluation.pairs.items()
        },
        "verdict": evaluation.verdict,
        "missing": dict(evaluation.missing),
        "unmatched": [str(file) for file in evaluation.unmatched],
        "problems": dict(evaluation.problems),
        "failed": evaluation.failed,
    }


def csv_text(evaluation: Evaluation) -> str:
    """Return a line for each picture and candidate, with a column for each metric, all digits."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["picture", "candidate", *(metric.key for metric in evaluation.metrics)])
    for picture in evaluation.pictures:
        for name, values in evaluation.values.items():
            writer.writerow([picture, name, *(values[m.key].get(picture, "") for m in evaluation.metrics)])
    return file.getvalue()
