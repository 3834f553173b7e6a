"""What a measure is called, and which way it points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_TELLING = ("st_lpips_vgg", "st_lpips_alex", "lpips")


@dataclass(frozen=True)
class Metric:
    """A number that pictures or runs are measured by.

    ``note`` explains it in one plain sentence; ``unit`` may be empty; ``label`` names the network or
    measure behind a perceptual distance; ``digits`` are the decimals that are shown, by default 2 of decibels, else 4.
    """

    key: str
    label: str
    unit: str
    higher_is_better: bool
    note: str
    digits: int | None = None

    @property
    def direction(self) -> str:
        """Say which way is better, in words."""
        return "higher is better" if self.higher_is_better else "lower is better"

    @property
    def arrow(self) -> str:
        """Say which way is better, as an arrow."""
        return "↑" if self.higher_is_better else "↓"

    @property
    def heading(self) -> str:
        """The label with a capital letter, as a line begins."""
        return self.label[:1].upper() + self.label[1:]

    @property
    def short(self) -> str:
        """The label without what stands in brackets, for places with little room."""
        return self.heading.split(" (")[0]

    @property
    def title(self) -> str:
        """The label with the unit, such as ``PSNR (dB)``."""
        return f"{self.heading} ({self.unit})" if self.unit else self.heading


def telling(metrics: Sequence[Metric]) -> Metric:
    """Return the metric that says best what looks nearer: one fitted to people's judgements, else the last.

    ST-LPIPS comes first, since it was made outside this package and takes no part in trainings.
    """
    known = {metric.key: metric for metric in metrics}
    return next((known[key] for key in _TELLING if key in known), metrics[-1])


# Keys of metrics that the report treats in their own way; any other key is shown like these.
MSE, PSNR, SSIM, SECONDS = "mse", "psnr", "ssim", "seconds"


def format_value(metric: Metric, value: float | None) -> str:
    """Give a score the digits that its metric deserves: a dash where there is none, ∞ for the PSNR of equal pictures.

    >>> psnr = Metric("psnr", "PSNR", "dB", True, "")
    >>> format_value(psnr, 27.1234), format_value(psnr, float("nan")), format_value(psnr, float("inf"))
    ('27.12', '–', '∞')
    """
    if value is None or math.isnan(value):
        return "\N{EN DASH}"
    if math.isinf(value):
        return "\N{INFINITY}" if value > 0 else "-\N{INFINITY}"
    digits = metric.digits if metric.digits is not None else 2 if metric.unit == "dB" else 4
    if metric.key == SECONDS:
        return f"{value:.1f}" if abs(value) < 10 else f"{value:.0f}"
    return f"{value:.{digits}f}" if abs(value) >= 0.001 or value == 0 or digits < 3 else f"{value:.2e}"


def best_values(metric: Metric, values: Mapping[str, float]) -> set[str]:
    """Return the names with the best value as it is printed; none of one alone, or where all are alike."""
    texts = {name: format_value(metric, value) for name, value in values.items() if not math.isnan(value)}
    if len(set(texts.values())) < 2:
        return set()
    first = (max if metric.higher_is_better else min)(texts, key=lambda name: values[name])
    return {name for name, text in texts.items() if text == texts[first]}
