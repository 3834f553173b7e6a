"""The look of all plots, on light and dark paper, and numbers as colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from PIL import Image
from torch import Tensor

from perceptualloss.drawing.panels import text_cell

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


_SHARE = 0.995  # of the values lies within the scale


_STOPS = 256


_HEIGHT, _ROOM = 24, 8


def scale_end(values: Tensor, least: float) -> float:
    """Return the end of a scale that 99.5% of the values lie within, and at least ``least``."""
    rank = max(1, round(_SHARE * values.numel()))
    return max(least, float(values.flatten().kthvalue(rank).values))


def colour(values: Tensor, highest: float) -> Image.Image:
    """Draw values (H, W): black for none, through purple and orange, to light yellow from ``highest`` on."""
    levels = (values / highest).clamp(0, 1).mul(_STOPS - 1).round().to(torch.uint8).cpu().numpy()
    table = (colormaps["inferno"](np.linspace(0, 1, _STOPS))[:, :3] * 255).round().astype(np.uint8)
    return Image.fromarray(table[levels])


def ramp(width: int) -> Image.Image:
    """Draw the scale itself, from none on the left to its end on the right."""
    return colour(torch.linspace(0, 1, width).expand(_HEIGHT, width), 1.0)


def legend(lines: Sequence[str], scale: Image.Image) -> Image.Image:
    """Draw lines of text with the scale (:func:`ramp`) below them."""
    text = text_cell(lines, 16, scale.width)
    cell = Image.new("RGB", (scale.width, text.height + _ROOM + scale.height), "white")
    cell.paste(text, (0, 0))
    cell.paste(scale, (0, text.height + _ROOM))
    return cell


def as_pixels(picture: Image.Image) -> Tensor:
    """Return a picture as (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float() / 255
