"""Draw details of photos at four times the size, as the networks that ship make them: docs/images/upscaling.jpg.

    python benchmarks/upscaling_sheet.py [--networks NAME ...] [--out docs/images/upscaling.jpg]

No training saw the photos. The places were chosen for what is in them, on the originals alone: fur (scikit-image's cat,
CC0), writing (public domain), and of CID22 (CC BY-SA 4.0, and so is the sheet) foliage, a face and a dark wall.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from loss_network_photos import PHOTOS
from perceptualloss.data.degrade import Downscale
from perceptualloss.data.folder import builtin_photos
from perceptualloss.drawing.cells import detail_cell, lay_out, text_cell
from perceptualloss.networks.named import KINDS, load_network, shipped_network
from perceptualloss.pictures.box import Box
from perceptualloss.pictures.images import read_image
from perceptualloss.pictures.resize import resize

SCALE, SIDE, WIDTH, QUALITY = 4, 96, 200, 90
PLACES = {  # what is there, the file, and the window's top and left
    "fur": ("chelsea.png", 8, 176),
    "writing": ("text.png", 40, 180),
    "foliage": ("pexels-photo-635405.webp", 390, 290),
    "face": ("pexels-photo-7114620.webp", 110, 150),
    "dark and smooth": ("pexels-photo-6926600.webp", 20, 60),
}


def place(words: str, photos: Path | None = PHOTOS) -> tuple[Tensor, Box]:
    """Return a place's photo, cut to a multiple of the scale, and the window in it."""
    name, top, left = PLACES[words]
    own = builtin_photos("validation")[0].parent / name
    picture = read_image(own if own.is_file() or photos is None else photos / name)
    height, width = (side // SCALE * SCALE for side in picture.shape[-2:])
    return picture[..., :height, :width], Box.at(top, left, SIDE, SIDE)


def shrunk(photo: Tensor) -> Tensor:
    """Return what is enlarged: the photo, shrunk bicubically, in 8 bits."""
    return (Downscale(SCALE)(photo, np.random.default_rng()) * 255).round() / 255


@torch.no_grad()
def sheet(photos: Path | None, networks: list[str]) -> Image.Image:
    """Return a row for each place: bicubic, what the networks make, the original."""
    models = [load_network(name) for name in networks] or [shipped_network(SCALE, kind) for kind in KINDS]
    heads = ["bicubic", *(networks or KINDS), "original"]
    rows = [[text_cell([head], 15, WIDTH, bold=True) for head in heads]]
    for words in PLACES:
        photo, box = place(words, photos)
        low = shrunk(photo)
        outputs = [resize(low, SCALE), *(model(low) for model in models), photo]
        rows.append([detail_cell(output, box, WIDTH, "#ffffff") for output in outputs])
    return lay_out(rows, WIDTH)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=[], help="names or files in place of those that ship, by kind")
    parser.add_argument("--photos", type=Path, default=PHOTOS, help=f"CID22's folder (default: {PHOTOS})")
    parser.add_argument("--out", type=Path, default=Path("docs/images/upscaling.jpg"))
    options = parser.parse_args()
    sheet(options.photos, options.networks).save(options.out, quality=QUALITY)
    print(f"Wrote {options.out}")


if __name__ == "__main__":
    main()
