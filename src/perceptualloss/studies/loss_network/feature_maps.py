"""Pictures of what a loss network has learned: its first filters, and the maps that it makes of a photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.utils import make_grid

from perceptualloss.features.network import LossNetwork, layer_names
from perceptualloss.pictures.images import write_image

_ACROSS, _CELL = 8, 128  # pictures in a row of a sheet, and the pixels that each is enlarged to at least


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
    found = []
    for layer, maps in LossNetwork(features, layers)(photo[None]).items():
        spread = maps[0].std((1, 2), correction=0)
        best = maps[0, spread.argsort(descending=True)[:count]]
        # A few extreme pixels must not leave the rest of the map black.
        white = best.flatten(1).quantile(0.995, dim=1).clamp(min=1e-6)
        grey = (best / white[:, None, None]).clamp(0, 1)
        dark = int((spread < 1e-6).sum())
        found.append(LayerMaps(layer, grey[:, None].expand(-1, 3, -1, -1), maps.shape[1], dark))
    return found


def write_sheet(pictures: Tensor | Sequence[Tensor], path: Path) -> Path:
    """Write pictures (n, 3, H, W) in [0, 1] as one PNG, enlarged without smoothing; return ``path``."""
    batch = torch.stack([*pictures])
    factor = max(1, -(-_CELL // max(batch.shape[2:])))
    large = F.interpolate(batch, scale_factor=factor, mode="nearest")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(make_grid(large, nrow=_ACROSS, padding=6, pad_value=1.0), path)
    return path
