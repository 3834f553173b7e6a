"""Draw the sheet of the styles that ship: photos in the first row, then a painting and what becomes of them in each.

    python benchmarks/style_sheet.py [--networks FILE ...] [--side 320] [--out docs/images/styles.jpg]

Photos are those that no training saw: two faces, a beach and a city of CID22 (CC BY-SA 4.0, and so is the sheet) and
scikit-image's cat. They are painted in their own size, their middle square of 512 pixels, and shrunk to --side.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from loss_network_photos import PHOTOS
from perceptualloss.data.decoding import middle
from perceptualloss.data.folder import builtin_photos
from perceptualloss.losses.style_objective import saved_styles
from perceptualloss.networks.checkpoint import read_metadata
from perceptualloss.networks.named import load_network, shipped_styles
from perceptualloss.pictures.images import read_image
from perceptualloss.pictures.resize import resize
from style_transfer import style_file
from tables import SHARED

NAMES = ("pexels-photo-7114620", "pexels-photo-6635187", "pexels-photo-4577831", "pexels-photo-7078476")
CAT, PAINTED, QUALITY = "chelsea", 512, 88


def photos(data: Path | None) -> list[Tensor]:
    """Return the photos, (1, 3, H, W) each; of CID22 none where its folder is missing."""
    cat = next(file for file in builtin_photos("validation") if file.stem == CAT)
    files = [data / f"{name}.webp" for name in NAMES] if data else []
    return [square(read_image(file), PAINTED) for file in (*files, cat)]


def square(picture: Tensor, side: int) -> Tensor:
    """Return the middle square of a picture (1, 3, H, W), resized to ``side``."""
    cut = middle(picture[0], min(picture.shape[-2:]))[None]
    return cut if cut.shape[-1] == side else resize(cut, size=(side, side)).clamp(0, 1)


@torch.no_grad()
def sheet(files: list[Path], styles: Path, contents: list[Tensor], side: int) -> Tensor:
    """Return all rows as one picture, (1, 3, H, W)."""
    rows = [[torch.ones(1, 3, side, side), *contents]]
    for file in files:
        network = load_network(file)
        name = saved_styles(read_metadata(file))[0]
        rows.append([read_image(style_file(name, styles)), *(network(photo).clamp(0, 1) for photo in contents)])
    return torch.cat([torch.cat([square(cell, side) for cell in row], dim=-1) for row in rows], dim=-2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", type=Path, help="style networks (default: those that ship)")
    parser.add_argument("--photos", type=Path, default=PHOTOS, help=f"CID22's folder (default: {PHOTOS})")
    parser.add_argument("--styles", type=Path, default=SHARED / "data" / "styles", help="the style pictures' folder")
    parser.add_argument("--side", type=int, default=320, help="pixels of each picture")
    parser.add_argument("--out", type=Path, default=Path("docs/images/styles.jpg"))
    options = parser.parse_args()
    files = options.networks or list(shipped_styles().values())
    drawn = sheet(files, options.styles, photos(options.photos), options.side)[0]
    pixels = (drawn.permute(1, 2, 0) * 255).round().byte().numpy()
    Image.fromarray(pixels).save(options.out, quality=QUALITY)


if __name__ == "__main__":
    main()
