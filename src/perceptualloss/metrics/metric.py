"""What a measure is called, and which way it points."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """A number that pictures or runs are measured by.

    ``note`` explains it in one plain sentence; ``unit`` may be empty; ``label`` names the network or
    measure behind a perceptual distance.
    """

    key: str
    label: str
    unit: str
    higher_is_better: bool
    note: str

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
