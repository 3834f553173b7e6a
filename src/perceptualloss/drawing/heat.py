"""Numbers as colours: maps of values, and the scale beside them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib import colormaps
from PIL import Image
from torch import Tensor

from perceptualloss.drawing.cells import text_cell

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
