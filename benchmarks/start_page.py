"""Draw the pictures of the start page and of the README: a photo at four times the size, by the networks that ship.

    python benchmarks/start_page.py [--out docs/images]

The photo is scikit-image's cat (CC0), which no training saw, shrunk to a quarter and enlarged again. It writes
start-NAME.jpg for the slider (original, mse, perceptual, adversarial), and start.jpg, a detail of each in a row.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from perceptualloss.data.degrade import Downscale
from perceptualloss.data.folder import builtin_photos
from perceptualloss.drawing.cells import detail_cell, lay_out, text_cell
from perceptualloss.networks.named import KINDS, shipped_network
from perceptualloss.pictures.box import Box
from perceptualloss.pictures.images import read_image
from perceptualloss.pictures.resize import resize

SCALE, QUALITY = 4, 95
DETAIL, WIDTH = Box.at(36, 150, 120, 120), 250
LABELS = {
    "bicubic": "interpolated",
    "mse": "trained with MSE",
    "perceptual": "perceptual loss",
    "adversarial": "... and a critic",
    "original": "original",
}


@torch.no_grad()
def pictures() -> dict[str, Tensor]:
    """Return the photo and what becomes of its small version, (1, 3, H, W)."""
    photo = read_image(next(file for file in builtin_photos("validation") if file.stem == "chelsea"))
    height, width = (side // SCALE * SCALE for side in photo.shape[-2:])
    photo = photo[..., :height, :width]
    low = (Downscale(SCALE)(photo, np.random.default_rng()) * 255).round() / 255
    found: dict[str, Tensor] = {"bicubic": resize(low, SCALE).clamp(0, 1)}
    found.update({kind: shipped_network(SCALE, kind)(low).clamp(0, 1) for kind in KINDS})
    return {**found, "original": photo}


def row(shown: dict[str, Tensor]) -> Image.Image:
    """Return a detail of each picture under its name."""
    heads = [text_cell([LABELS[name]], 17, WIDTH, bold=True) for name in shown]
    return lay_out([heads, [detail_cell(picture, DETAIL, WIDTH, "#ffffff") for picture in shown.values()]], WIDTH)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="the folder to write into")
    options = parser.parse_args()
    shown = pictures()
    row(shown).save(options.out / "start.jpg", quality=QUALITY)
    for name, picture in shown.items():
        if name != "bicubic":
            pixels = (picture[0].permute(1, 2, 0) * 255).round().byte().numpy()
            Image.fromarray(pixels).save(options.out / f"start-{name}.jpg", quality=QUALITY, subsampling=0)
    print(f"Wrote start.jpg and start-*.jpg in {options.out}")


if __name__ == "__main__":
    main()
