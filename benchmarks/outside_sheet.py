"""Draw fur and writing at four times the size, as published networks and ours make them.

    python benchmarks/outside_sheet.py [--out docs/images/outside.jpg]

It takes the packages of ``outside_upscalers.py``. Photos and places are those of ``upscaling_sheet.py``: scikit-image's
cat (CC0) and writing (public domain), shrunk bicubically to 8 bits.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from outside_networks import OUTSIDE, check_installed
from perceptualloss.drawing.cells import detail_cell, lay_out, text_cell
from perceptualloss.errors import InputError
from perceptualloss.networks.named import KINDS, shipped_network
from perceptualloss.pictures.resize import resize
from upscaling_sheet import QUALITY, SCALE, WIDTH, place, shrunk


@torch.no_grad()
def sheet() -> Image.Image:
    """Return two rows for each place: bicubic and the others' networks; ours and the original."""
    others = [network for network in OUTSIDE if network.scale == SCALE]
    check_installed(others)
    theirs: dict[str, Callable[[Tensor], Tensor]] = {"bicubic": lambda low: resize(low, SCALE)}
    theirs |= {network.name: network.load() for network in others}
    ours = {f"ours, {kind}": shipped_network(SCALE, kind) for kind in KINDS}
    rows = []
    for photo, box in map(place, ("fur", "writing")):
        low = shrunk(photo)
        for shown in (
            {name: network(low) for name, network in theirs.items()},
            {name: network(low) for name, network in ours.items()} | {"original": photo},
        ):
            cells = [detail_cell(picture, box, WIDTH, "#ffffff") for picture in shown.values()]
            empty = [text_cell([""], 15, WIDTH)] * (len(theirs) - len(cells))
            rows += [[*(text_cell([name], 15, WIDTH, bold=True) for name in shown), *empty], [*cells, *empty]]
    return lay_out(rows, WIDTH)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/images/outside.jpg"))
    options = parser.parse_args()
    try:
        sheet().save(options.out, quality=QUALITY)
    except InputError as error:
        sys.exit(f"error: {error}")
    print(f"Wrote {options.out}")


if __name__ == "__main__":
    main()
