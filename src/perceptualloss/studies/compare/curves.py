"""Curves of a comparison: one plot per metric with all losses in it, over training steps."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from perceptualloss.drawing.plots import DARK, LIGHT, MARKERS, Theme, dress
from perceptualloss.files import file_stem
from perceptualloss.metrics.metric import Metric, format_value
from perceptualloss.studies.compare.results import Comparison, Run


def run_colours(comparison: Comparison, dark: bool = False) -> dict[str, str]:
    """Give the colour of each run, grey for interpolation; the same in the curves and on the page."""
    theme = DARK if dark else LIGHT
    colours = {run.name: theme.muted for run in comparison.runs}
    for number, run in enumerate(comparison.trained):
        colours[run.name] = theme.colours[number % len(theme.colours)]
    return colours


def curve_metrics(comparison: Comparison) -> list[Metric]:
    """List the metrics that at least one run was measured by while it trained."""
    return [m for m in comparison.metrics if any(points(run, m) for run in comparison.runs)]


def points(run: Run, metric: Metric) -> list[tuple[int, float]]:
    """List the finite points of a run's curve, in order of steps."""
    return sorted((step, value) for step, value in run.history.get(metric.key, []) if math.isfinite(value))


def plot_curves(comparison: Comparison, folder: Path, warm_up_steps: int | None = None) -> list[Path]:
    """Write ``curves/<metric>.png`` for every metric that has a history; return the paths.

    ``warm_up_steps`` shades the common start of all runs; left out, the comparison's settings say it.
    """
    paths = []
    for metric in curve_metrics(comparison):
        path = folder / "curves" / f"{file_stem(metric.key)}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        figure = draw_curves(comparison, metric, warm_up_steps)
        figure.savefig(path, metadata={"Software": None, "Title": metric.title})
        paths.append(path)
    return paths


def draw_curves(comparison: Comparison, metric: Metric, warm_up_steps: int | None = None, dark: bool = False) -> Figure:
    """Draw one metric of all runs over steps; interpolation is a dashed horizontal line."""
    theme = DARK if dark else LIGHT
    # Small and dense: shown at the width of a phone, the letters are still of reading size.
    labels = [run.label for run in comparison.runs]
    columns = len(labels) if sum(map(len, labels)) + 9 * len(labels) <= 75 else 1 + (max(map(len, labels)) <= 28)
    height = 3.7 + 0.2 * math.ceil(len(labels) / columns)
    figure = Figure(figsize=(5.4, height), dpi=200, layout="constrained", facecolor=theme.paper)
    axes = figure.add_subplot(facecolor=theme.paper)
    colours = run_colours(comparison, dark)
    lines = 0
    for run in comparison.runs:
        lines += _draw_run(axes, run, metric, colours[run.name], lines)
    _leave_out_start(axes, comparison, metric)
    steps = comparison.warm_up_steps if warm_up_steps is None else warm_up_steps
    if steps > 0:
        _shade_warm_up(axes, steps, metric.higher_is_better, theme)
    _label(axes, metric, theme)
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="outside lower left",
        ncols=columns,
        frameon=False,
        labelcolor=theme.ink,
        fontsize=9.5,
        handlelength=2.4,
    )
    return figure


def describe_curves(comparison: Comparison, metric: Metric) -> str:
    """Say in words what the curves of a metric show, for readers who cannot see them."""
    parts = []
    for run in comparison.runs:
        curve = points(run, metric)
        if curve:
            (first, start), (last, end) = curve[0], curve[-1]
            parts.append(
                f"{run.label} goes from {format_value(metric, start)} at step {first} "
                f"to {format_value(metric, end)} at step {last}"
            )
        elif not run.trained and math.isfinite(run.scores.get(metric.key, math.nan)):
            parts.append(f"{run.label} stays at {format_value(metric, run.scores[metric.key])}")
    return f"Plot of {metric.title} over training steps, {metric.direction}: {'; '.join(parts)}."


def _draw_run(axes: Axes, run: Run, metric: Metric, colour: str, number: int) -> bool:
    """Draw one run; say whether it took a line style of its own."""
    curve = points(run, metric)
    if curve:
        steps, values = zip(*curve, strict=True)
        marker = MARKERS[number % len(MARKERS)]
        every = max(1, len(curve) // 8)
        axes.plot(
            steps,
            values,
            color=colour,
            marker=marker,
            markersize=5,
            markevery=every,
            linewidth=2,
            label=run.label,
        )
        return True
    score = run.scores.get(metric.key, math.nan)
    if not run.trained and math.isfinite(score):
        axes.axhline(score, color=colour, linestyle=(0, (5, 3)), linewidth=1.6, label=run.label)
    return False


def _leave_out_start(axes: Axes, comparison: Comparison, metric: Metric) -> None:
    """Let the curves enter from outside where an untrained network would squash all that follows."""
    curves = [points(run, metric) for run in comparison.runs]
    last = max(step for curve in curves for step, _ in curve)
    everything = [value for curve in curves for _, value in curve]
    settled = [value for curve in curves for step, value in curve if step >= last / 10]
    flat = [run.scores.get(metric.key, math.nan) for run in comparison.runs if not run.trained]
    settled += [score for score in flat if math.isfinite(score)]
    low, high = min(settled), max(settled)
    if max(everything) - min(everything) > 2 * (high - low) > 0:
        axes.set_ylim(low - 0.06 * (high - low), high + 0.06 * (high - low))


def _shade_warm_up(axes: Axes, steps: int, up: bool, theme: Theme) -> None:
    left, right = axes.get_xlim()
    axes.axvspan(left, min(steps, right), color=theme.shade, zorder=0, linewidth=0)
    axes.set_xlim(left, right)
    axes.text(
        left,
        0.98 if up else 0.02,  # curves that rise leave the upper corner free, and the others the lower one
        " warm-up",
        transform=axes.get_xaxis_transform(),
        color=theme.muted,
        fontsize=9.5,
        va="top" if up else "bottom",
    )


def _label(axes: Axes, metric: Metric, theme: Theme) -> None:
    name = "\n".join(textwrap.wrap(metric.heading, 48))
    axes.set_title(name, loc="left", color=theme.ink, fontsize=11.5, fontweight="bold", pad=21)
    axes.annotate(
        f"{metric.direction} {metric.arrow}",
        (0, 1),
        (0, 6),
        xycoords="axes fraction",
        textcoords="offset points",
        color=theme.muted,
        fontsize=10,
    )
    axes.set_xlabel("training steps", color=theme.ink, fontsize=10.5)
    axes.set_ylabel(f"{metric.short} ({metric.unit})" if metric.unit else metric.short, color=theme.ink, fontsize=10.5)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.ticklabel_format(useOffset=False)
    dress(axes, theme)
