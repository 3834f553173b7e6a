"""Draw the pictures of the start page's slider: one photo at four times the size, as the networks that ship make it.

    python benchmarks/start_page.py [--out docs/images]

The photo is scikit-image's cat (CC0), which no training saw, shrunk to a quarter and enlarged again. It writes
start-original.jpg and start-KIND.jpg for mse, perceptual and adversarial.
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
from perceptualloss.networks.named import KINDS, shipped_network
from perceptualloss.pictures.images import read_image

SCALE, QUALITY = 4, 95


@torch.no_grad()
def pictures() -> dict[str, Tensor]:
    """Return the photo and what each network makes of its small version, (3, H, W)."""
    photo = read_image(next(file for file in builtin_photos("validation") if file.stem == "chelsea"))
    height, width = (side // SCALE * SCALE for side in photo.shape[-2:])
    photo = photo[..., :height, :width]
    low = (Downscale(SCALE)(photo, np.random.default_rng()) * 255).round() / 255
    found: dict[str, Tensor] = {"original": photo}
    found.update({kind: shipped_network(SCALE, kind)(low) for kind in KINDS})
    return {name: picture[0].clamp(0, 1) for name, picture in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="the folder to write into")
    options = parser.parse_args()
    for name, picture in pictures().items():
        file = options.out / f"start-{name}.jpg"
        pixels = (picture.permute(1, 2, 0) * 255).round().byte().numpy()
        Image.fromarray(pixels).save(file, quality=QUALITY, subsampling=0)
        print(f"Wrote {file}")


if __name__ == "__main__":
    main()
