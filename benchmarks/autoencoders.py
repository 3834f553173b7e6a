"""Draw a sheet of autoencoders: what L1, a perceptual loss and a critic make of the same details.

    python benchmarks/autoencoders.py --runs RUNS [--photos FOLDER] [--out docs/images/autoencoders.jpg]

RUNS is the folder with the runs autoencoder-{kl,fsq}-{l1,perceptual,adversarial}. The table beside it is that of
``perceptualloss compare --runs`` with the same six folders. Photos are of the last 20 by name of CID22's training part
(CC BY-SA 4.0, and so is the sheet), which are for validation.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from perceptualloss.apply.tiles import transform_in_tiles
from perceptualloss.drawing.cells import DETAIL_COLOURS, detail_cell, lay_out, text_cell, whole_cell
from perceptualloss.drawing.details import Photo, find_details
from perceptualloss.networks.named import load_network
from perceptualloss.pictures.images import read_image
from tables import SHARED

CODES = {"kl": "upper rows: KL code, 1 bit a pixel", "fsq": "lower row: FSQ code, 0.25 bits a pixel"}
LOSSES = {"l1": "L1", "perceptual": "L1 + perceptual", "adversarial": "L1 + perceptual + adversarial"}
COLUMN, DETAIL, QUALITY = 200, 96, 78


def decoded(runs: Path, picture: Tensor) -> dict[tuple[str, str], Tensor]:
    """Return what every run makes of a picture, by code and loss."""
    pictures = {}
    for code in CODES:
        for loss in LOSSES:
            network = load_network(runs / f"autoencoder-{code}-{loss}" / "network.safetensors")
            pictures[code, loss] = transform_in_tiles(network, picture).clamp(0, 1)
    return pictures


def rows_of(name: str, picture: Tensor, runs: Path) -> list[list[Image.Image]]:
    """Return a row for each code: where the detail is or which code, the detail itself, and after each loss."""
    pictures = decoded(runs, picture)
    photo = Photo(name, picture, {" ".join(key): value for key, value in pictures.items()})
    box = find_details(photo, size=DETAIL)[0]
    rows = []
    for number, code in enumerate(CODES):
        first = text_cell([CODES[code]], 15, COLUMN, bold=True) if number else whole_cell(picture, [box], COLUMN)
        details = [picture, *(pictures[code, loss] for loss in LOSSES)]
        rows.append([first, *(detail_cell(pixels, box, COLUMN, DETAIL_COLOURS[0]) for pixels in details)])
    return rows


def sheet(runs: Path, files: list[Path]) -> Image.Image:
    """Return all photos' rows under a heading."""
    heads = [CODES["kl"], "original", *LOSSES.values()]
    rows = [[text_cell([head], 15, COLUMN, bold=True) for head in heads]]
    for file in files:
        rows += rows_of(file.stem, read_image(file), runs)
    return lay_out(rows, COLUMN)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="the folder with the six runs")
    parser.add_argument("--photos", type=Path, default=SHARED / "data" / "photos", help="CID22's training part")
    parser.add_argument("--names", nargs="+", required=True, help="names of photos, without their endings")
    parser.add_argument("--out", type=Path, default=Path("docs/images/autoencoders.jpg"))
    options = parser.parse_args()
    with torch.no_grad():
        drawn = sheet(options.runs, [options.photos / f"{name}.webp" for name in options.names])
    drawn.save(options.out, quality=QUALITY)


if __name__ == "__main__":
    main()
