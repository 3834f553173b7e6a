"""Loss maps as pictures: where, and how much, two pictures differ for each layer of a loss network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from perceptualloss.drawing.cells import lay_out, text_cell, to_picture, whole_cell
from perceptualloss.drawing.heat import as_pixels, colour, legend, ramp, scale_end
from perceptualloss.errors import check_image_batch, check_same_shape
from perceptualloss.features.network import loss_network as named_loss_network
from perceptualloss.losses.feature import enlarged, loss_maps
from perceptualloss.pictures.ranges import check_pair
from perceptualloss.vocabulary import renamed

_HEAT = 0.7  # of the colour is the map's, the rest the picture's
_MIDDLE = "#808080"  # the picture's share of the legend
_LEAST = 1e-6  # equal pictures must not look different


@dataclass(frozen=True)
class LayerLoss:
    """The map of one layer, (H, W) at the picture's size, and the layer's loss: the mean before it was enlarged."""

    layer: str
    map: Tensor
    loss: float


@torch.no_grad()
@renamed("loss-map")
def layer_losses(
    output: Tensor,
    target: Tensor,
    layers: Sequence[str],
    loss_network: str = "compact",
    weights: str | Path | None = "default",
    distance: str = "mse",
) -> list[LayerLoss]:
    """Return where two pictures (1, 3, H, W) in [0, 1] differ for each layer.

    Args:
        output: the picture to look at.
        target: what it should look like.
        layers: of the loss network, such as "relu2_2".
        loss_network: its name.
        weights: its weights (see :func:`loss_network`).
        distance: "mse", "l1" or "unit" (see :func:`perceptualloss.losses.feature.loss_maps`).

    Raises:
        InputError: for pictures of different size, an unknown layer, network or distance.
    """
    check_image_batch("output", output)
    check_same_shape("output", output, "target", target)
    check_pair(output, target, finite=True)
    height, width = output.shape[-2:]
    maps = loss_maps(output, target, named_loss_network(loss_network, layers, weights), distance=distance)
    return [
        LayerLoss(layer, enlarged(places, (height, width))[0].cpu(), float(places.mean()))
        for layer, places in maps.items()
    ]


def overlay(values: Tensor, highest: float, picture: Tensor) -> Image.Image:
    """Draw a map (H, W) over the grey picture (1, 3, H, W): dark where nothing differs, yellow from ``highest`` on."""
    return Image.blend(to_picture(picture).convert("L").convert("RGB"), colour(values, highest), _HEAT)


def loss_map_panel(layers: Sequence[LayerLoss], output: Tensor, target: Tensor, column: int = 320) -> Image.Image:
    """Draw both pictures and, for each layer, its map over the target with a legend of its own scale."""
    ends = [scale_end(layer.map, _LEAST) for layer in layers]
    bar = Image.blend(Image.new("RGB", ramp(column).size, _MIDDLE), ramp(column), _HEAT)
    maps = [as_pixels(overlay(layer.map, end, target)) for layer, end in zip(layers, ends, strict=True)]
    legends = [
        legend([f"loss {layer.loss:.4g}", f"0 (dark) to {end:.3g} and more"], bar)
        for layer, end in zip(layers, ends, strict=True)
    ]
    blank = text_cell([""], 16, column)
    rows = [
        [text_cell([text], 20, column, bold=True) for text in ("output", "target", *(layer.layer for layer in layers))],
        [whole_cell(picture, (), column) for picture in (output, target, *maps)],
        [blank, blank, *legends],
    ]
    return lay_out(rows, column)
