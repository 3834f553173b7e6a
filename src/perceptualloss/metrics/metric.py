"""What a measure is called, and which way it points."""

from __future__ import annotations

from collections.abc import Sequence
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
