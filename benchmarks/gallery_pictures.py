"""Draw what no other script draws: the perception slider as a strip, a loss map, and what layers keep.

    python benchmarks/gallery_pictures.py [--only perception loss-map layers] [--out docs/images]

The photos are scikit-image's: the cat (CC0), which no training saw, shrunk to a quarter and enlarged again, and for the
layers the astronaut (NASA, public domain). About a minute of one core, most of it for the layers.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from perceptualloss.data.degrade import Downscale
from perceptualloss.data.folder import builtin_photos
from perceptualloss.drawing.cells import detail_cell, lay_out, text_cell
from perceptualloss.networks.named import shipped_network
from perceptualloss.pictures.box import Box
from perceptualloss.pictures.images import read_image
from perceptualloss.pictures.resize import resize
from perceptualloss.studies.layers.loss_map import layer_losses, loss_map_panel
from perceptualloss.studies.layers.reconstruct import reconstruct_layers, reconstruction_panel

SCALE, COLUMN = 4, 250
DETAIL = Box.at(36, 150, 120, 120)  # the start page's: an eye and the fur around it
PERCEPTION = (0.0, 0.25, 0.5, 0.75, 1.0)
LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")


def photo(name: str) -> Tensor:
    """Return a photo of scikit-image as (1, 3, H, W) in [0, 1], its sides multiples of the scale."""
    files = {file.stem: file for part in ("training", "validation") for file in builtin_photos(part)}
    picture = read_image(files[name])
    height, width = (side // SCALE * SCALE for side in picture.shape[-2:])
    return picture[..., :height, :width]


def shrunk(target: Tensor) -> Tensor:
    """Return the photo at a quarter of the size, in 8 bits."""
    return (Downscale(SCALE)(target, np.random.default_rng()) * 255).round() / 255


@torch.no_grad()
def perception() -> Image.Image:
    """Return a detail between the closest pixels (0) and the perceptual loss (1), and the original."""
    target = photo("chelsea")
    low = shrunk(target)
    shown = {f"perception {amount:g}": shipped_network(SCALE, perception=amount)(low) for amount in PERCEPTION}
    shown["original"] = target
    heads = [text_cell([name], 17, COLUMN, bold=True) for name in shown]
    return lay_out([heads, [detail_cell(picture, DETAIL, COLUMN, "#ffffff") for picture in shown.values()]], COLUMN)


@torch.no_grad()
def loss_map() -> Image.Image:
    """Return where the interpolated cat differs from the original, for each layer of the embedded network."""
    target = photo("chelsea")
    output = resize(shrunk(target), SCALE).clamp(0, 1)
    return loss_map_panel(layer_losses(output, target, LAYERS), output, target, COLUMN)


def layers() -> Image.Image:
    """Return pictures, found from noise, that a layer of the embedded network cannot tell from the photo."""
    small = resize(photo("astronaut"), 160 / 512).clamp(0, 1)
    return reconstruction_panel(small, reconstruct_layers(small, LAYERS, steps=60))


PICTURES: dict[str, Callable[[], Image.Image]] = {"perception": perception, "loss-map": loss_map, "layers": layers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PICTURES, default=list(PICTURES), help="which pictures")
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="the folder to write into")
    options = parser.parse_args()
    for name in options.only:
        file = options.out / f"{name}.jpg"
        PICTURES[name]().save(file, quality=90)
        print(f"Wrote {file}")


if __name__ == "__main__":
    main()
