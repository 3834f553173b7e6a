"""The look of all plots, on light and dark paper, and numbers as colours."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.axes import Axes

# Okabe and Ito's colours, which colour-blind readers can tell apart; the order pairs strong contrasts first.
_LIGHT_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#7A6A00", "#333333")
_DARK_COLOURS = ("#56B4E9", "#FF8C42", "#2FC79A", "#E08BC4", "#F0E442", "#DDDDDD")
# Marker and dash repeat what colour says, for print and for eyes that see none.
MARKERS = ("o", "s", "^", "D", "v", "P")


@dataclass(frozen=True)
class Theme:
    """The colours of a plot on light or on dark paper."""

    ink: str
    muted: str
    grid: str
    paper: str
    shade: str
    colours: tuple[str, ...]


LIGHT = Theme("#1b1f24", "#57606a", "#e3e6ea", "#ffffff", "#eef0f3", _LIGHT_COLOURS)
DARK = Theme("#e8eaed", "#a3abb5", "#343a42", "#181b20", "#23272e", _DARK_COLOURS)


def dress(axes: Axes, theme: Theme) -> None:
    """Give axes the look of all plots: thin grid, no box, quiet numbers."""
    axes.tick_params(colors=theme.muted, labelsize=9.5, length=0)
    axes.grid(color=theme.grid, linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("bottom", "left"))
        spine.set_color(theme.grid)
