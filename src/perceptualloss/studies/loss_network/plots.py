"""Pictures of what a loss network does: distances over strengths, its filters and its maps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from torch import Tensor, nn
from torchvision.utils import make_grid

from perceptualloss.data.distortions import STRENGTHS, UNITS
from perceptualloss.drawing.plots import DARK, LIGHT, MARKERS, Theme, dress
from perceptualloss.features.architectures import layer_names
from perceptualloss.features.base import LossNetwork
from perceptualloss.pictures.images import write_image

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


_MAPS_ACROSS, _CELL = 8, 128  # pictures in a row of a sheet, and the pixels that each is enlarged to at least


@dataclass(frozen=True)
class LayerMaps:
    """The maps of one layer that differ the most over a photo.

    ``maps``: (n, 3, H, W) in [0, 1], grey, each as bright as it can be. ``channels``: how many maps the layer has.
    ``dark``: how many of them are the same all over the photo, so see nothing in it.
    """

    layer: str
    maps: Tensor
    channels: int
    dark: int


def filter_tiles(features: nn.Sequential) -> Tensor:
    """Return the filters of the first convolution as colour pictures, (n, 3, size, size): grey is a weight of 0."""
    first = next(module for module in features if isinstance(module, nn.Conv2d))
    weight = first.weight.detach().float()
    return 0.5 + weight / (2 * weight.abs().amax((1, 2, 3), keepdim=True)).clamp(min=1e-12)


@torch.no_grad()
def strongest_maps(features: nn.Sequential, photo: Tensor, count: int = 8) -> list[LayerMaps]:
    """Return, for the first activation of every block, the ``count`` maps of ``photo`` that vary the most.

    ``photo``: (3, H, W) in [0, 1].
    """
    layers = [name for name in layer_names(features) if name.startswith("relu") and name.endswith("_1")]
    layer_maps = []
    for layer, maps in LossNetwork(features, layers)(photo[None]).items():
        spread = maps[0].std((1, 2), correction=0)
        best = maps[0, spread.argsort(descending=True)[:count]]
        # A few extreme pixels must not leave the rest of the map black.
        white = best.flatten(1).quantile(0.995, dim=1).clamp(min=1e-6)
        grey = (best / white[:, None, None]).clamp(0, 1)
        dark = int((spread < 1e-6).sum())
        layer_maps.append(LayerMaps(layer, grey[:, None].expand(-1, 3, -1, -1), maps.shape[1], dark))
    return layer_maps


def write_sheet(pictures: Tensor | Sequence[Tensor], path: Path) -> Path:
    """Write pictures (n, 3, H, W) in [0, 1] as one PNG, enlarged without smoothing; return ``path``."""
    batch = torch.stack([*pictures])
    factor = max(1, -(-_CELL // max(batch.shape[2:])))
    large = F.interpolate(batch, scale_factor=factor, mode="nearest")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(make_grid(large, nrow=_MAPS_ACROSS, padding=6, pad_value=1.0), path)
    return path
