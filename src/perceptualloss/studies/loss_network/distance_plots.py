"""Plots of distances against the strength of distortions: one small plot for each kind."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from perceptualloss.data.distortions import STRENGTHS, UNITS
from perceptualloss.studies.compare.curves import DARK, LIGHT, MARKERS, Theme, dress

Means = Mapping[str, Sequence[float]]
"""For each kind of distortion, the mean distance at every strength."""

_ACROSS = 4


def relative(means: Means) -> dict[str, list[float]]:
    """Divide distances by their mean over all kinds and strengths, so that different distances share an axis.

    >>> relative({"blur": [1.0, 2.0], "noise": [3.0]})
    {'blur': [0.5, 1.0], 'noise': [1.5]}
    """
    every = [value for values in means.values() for value in values]
    mean = sum(every) / len(every) if any(every) else 1.0
    return {kind: [value / mean for value in values] for kind, values in means.items()}


def distance_colours(count: int) -> list[tuple[str, str]]:
    """Give the colours of ``count`` distances on light and on dark paper; the last one, the plain one, is grey."""
    pairs = list(zip(LIGHT.colours, DARK.colours, strict=True))
    return [*pairs[: count - 1], (LIGHT.muted, DARK.muted)]


def draw_kind(distances: Mapping[str, Means], kind: str, dark: bool = False) -> Figure:
    """Draw one kind: every distance (:func:`relative`) on a logarithmic scale, against the five strengths."""
    theme = DARK if dark else LIGHT
    figure = Figure(figsize=(2.3, 2.0), dpi=200, layout="constrained", facecolor=theme.paper)
    _draw(figure.add_subplot(facecolor=theme.paper), distances, kind, theme)
    return figure


def draw_distances(distances: Mapping[str, Means], dark: bool = False) -> Figure:
    """Draw all kinds on one sheet, with a legend."""
    theme = DARK if dark else LIGHT
    kinds = list(next(iter(distances.values())))
    rows = -(-len(kinds) // _ACROSS)
    figure = Figure(figsize=(2.3 * _ACROSS, 1.9 * rows + 0.4), dpi=150, layout="constrained", facecolor=theme.paper)
    for number, kind in enumerate(kinds):
        _draw(figure.add_subplot(rows, _ACROSS, number + 1, facecolor=theme.paper), distances, kind, theme)
    handles = figure.axes[0].get_legend_handles_labels() if kinds else ([], [])
    figure.legend(*handles, loc="outside lower left", ncols=len(distances), frameon=False, labelcolor=theme.ink)
    return figure


def describe_kind(distances: Mapping[str, Means], kind: str) -> str:
    """Say in words what the plot of a kind shows."""
    low, high = (f"{STRENGTHS[kind][1][end]:g}" for end in (0, -1))
    parts = [f"{name} from {means[kind][0]:.2g} to {means[kind][-1]:.2g}" for name, means in distances.items()]
    return f"Plot of the distance under {kind}, {UNITS[kind]} {low} to {high}: {'; '.join(parts)}."


def _draw(axes: Axes, distances: Mapping[str, Means], kind: str, theme: Theme) -> None:
    strengths = STRENGTHS[kind][1]
    places = range(len(strengths))  # evenly: the strengths rise by about the same factor each time
    colours = [*theme.colours[: len(distances) - 1], theme.muted]
    lowest, highest = _range(distances)
    for number, ((name, means), colour) in enumerate(zip(distances.items(), colours, strict=True)):
        plain = number == len(distances) - 1
        axes.plot(
            places,
            [max(value, lowest) for value in means[kind]],
            color=colour,
            marker=MARKERS[number % len(MARKERS)],
            markersize=3.2,
            linewidth=1.3,
            linestyle=(0, (4, 2)) if plain else "-",
            label=name,
        )
    axes.set_yscale("log")
    axes.set_ylim(lowest / 1.3, highest * 1.3)
    axes.set_xticks(places, labels=[f"{strength:g}" for strength in strengths])
    axes.yaxis.set_major_locator(LogLocator(10))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    dress(axes, theme)
    axes.tick_params(labelsize=7.5)
    axes.set_title(kind, loc="left", color=theme.ink, fontsize=9, fontweight="bold")
    axes.set_xlabel(UNITS[kind], color=theme.muted, fontsize=8)


def _range(distances: Mapping[str, Means]) -> tuple[float, float]:
    """Return the least and the greatest value to show, the same in all plots; a thousandth of the mean at least."""
    values = [v for means in distances.values() for levels in means.values() for v in levels if math.isfinite(v)]
    return max(1e-3, min(values, default=0.1)), max(1.0, *values) if values else 1.0
