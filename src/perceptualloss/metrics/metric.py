"""What a metric is: its name, its direction, how its values are written, and how it stands in the registry."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

Values = Callable[..., Tensor]
"""Takes output and target, (N, C, H, W) in [0, 1], and a mask where one is given; gives one value per picture, (N,)."""
Distance = Callable[..., Tensor]
"""Takes output, and a mask where one is given; gives one value per picture, (N,)."""
Against = Callable[[Tensor], Distance]
"""Takes the target, which is looked at once, and gives the value of each output, (N,)."""
Build = Callable[..., Against]
"""Takes a metric's parameters by keyword; gives the function."""
Report = Literal["sr", "course", "rgb", "comparison", "yardsticks"]
"""Where metrics are reported without being asked for: protocols of ``evaluate``, ``compare``, and what judges ours."""

# Keys that reports treat in their own way; any other key is shown like these.
PSNR, SECONDS = "psnr", "seconds"


@dataclass(frozen=True)
class Metric:
    """A number that pictures or runs are measured by.

    ``note`` explains it in one plain sentence; ``unit`` may be empty; ``label`` names the network or
    measure behind a perceptual distance; ``digits`` are the decimals that are shown, by default 2 of decibels, else 4;
    ``rank`` says how well it tells what looks nearer, 0 where it does not (see :func:`telling`).
    """

    key: str
    label: str
    unit: str
    higher_is_better: bool
    note: str
    digits: int | None = None
    rank: int = 0

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


@dataclass(frozen=True)
class Entry:
    """A metric as it stands in the registry: what it is called, its function, and what it needs.

    Attributes:
        metric: name, unit, direction and note.
        build: gives the function for the metric's parameters, or raises for one out of range.
        by_pixels: whether it sees a convention's pixels (perhaps luminance) or, as networks do, RGB.
        bytes_per_pixel: about how much memory it takes.
        parameters: its parameters with their usual values, which say their types.
        parameter_words: how a label says that a parameter is another than usual, such as ``{"max": "with MAX {:g}"}``;
            what is not here is not said.
        missing: says why it cannot be had on this machine and how it can, or "".
        masks: whether its function takes a mask (:class:`perceptualloss.losses.mask.Mask`) as another argument.
        reports: where it is reported without being asked for.
        curve: what validations log it as; they leave it out without.
        one_by_one: whether it takes pictures one after the other on the CPU, as measures of pixels do.
    """

    metric: Metric
    build: Build
    by_pixels: bool = True
    bytes_per_pixel: int = 0
    parameters: Mapping[str, Any] = field(default_factory=dict)
    parameter_words: Mapping[str, str] = field(default_factory=dict)
    missing: Callable[[], str] = lambda: ""
    masks: bool = False
    reports: tuple[Report, ...] = ()
    curve: str = ""
    one_by_one: bool = False


def plain(function: Values) -> Against:
    """Return a function of output and target as one that is given the target first."""
    return lambda target: lambda output, *mask: function(output, target, *mask)


def telling(metrics: Sequence[Metric]) -> Metric:
    """Return the metric that says best what looks nearer, the one of the highest rank, else the last.

    ST-LPIPS comes first, since it was made outside this package and takes no part in trainings.
    """
    best = max(metrics, key=lambda metric: metric.rank)
    return best if best.rank else metrics[-1]


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
