"""What every x4 network makes after the same short training: a picture and a table for docs/networks.md.

    python benchmarks/network_effects.py

Each is trained with MSE for 75 steps, on the first crops and with the seed of ``loss_effects.py``, and enlarges
scikit-image's cat (CC0), which no training saw. It writes docs/images/networks/upscalers.jpg and fills the table.
Seconds are what one thread computed. About two minutes of one core.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from PIL import Image
from torch import Tensor, nn

import loss_effects_made as made
import perceptualloss as p
from filling import ROOT, fill, markdown
from loss_effects import figures
from loss_effects_drawn import COLUMN
from perceptualloss.drawing.cells import lay_out, text_cell, to_picture

NETWORKS: tuple[Callable[[], nn.Module], ...] = (
    p.SubPixelUpscaler,
    p.ResidualUpscaler,
    p.SuperResolutionNetwork,
    p.Upscale4x,
    p.Generator,
)
STEPS = 75
COLUMNS = 4  # of the sheet
PICTURE = ROOT / "docs" / "images" / "networks" / "upscalers.jpg"


def trained(kind: Callable[[], nn.Module], steps: int) -> tuple[Tensor, float]:
    """Return the cat as a network enlarges it after its training, and the seconds that this took."""

    def build() -> nn.Module:
        torch.manual_seed(0)
        return kind()

    start = time.thread_time()
    large = made.trained(p.MSELoss(), steps, build)
    return large, time.thread_time() - start


def sheet(pictures: dict[str, Tensor]) -> Image.Image:
    """Lay out the cat's eye in rows, with a name over each."""
    cells = []
    names = list(pictures)
    for first in range(0, len(names), COLUMNS):
        row = names[first : first + COLUMNS]
        cells.append([text_cell([name], 14, COLUMN, bold=True) for name in row])
        eyes = [to_picture(made.EYE.cut(pictures[name])) for name in row]
        cells.append([eye.resize((COLUMN, COLUMN), Image.Resampling.NEAREST) for eye in eyes])
    return lay_out(cells, COLUMN)


def table(results: dict[str, tuple[Tensor, float]], before: Tensor) -> str:
    """Return PSNR and SSIM over the whole photo, and the seconds of the training."""
    start = figures(before, made.cat())
    rows = [["interpolated", f"{start['psnr']:.2f}", f"{start['ssim']:.3f}", ""]]
    for name, (picture, seconds) in results.items():
        now = figures(picture, made.cat())
        psnr = f"{now['psnr']:.2f} ({now['psnr'] - start['psnr']:+.2f})"
        rows.append([f"`{name}`", psnr, f"{now['ssim']:.3f} ({now['ssim'] - start['ssim']:+.3f})", f"{seconds:.0f}"])
    return markdown(["", "PSNR (dB) ↑", "SSIM ↑", "seconds"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=STEPS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    before = made.enlarged(made.network())
    results = {kind.__name__: trained(kind, options.steps) for kind in NETWORKS}
    pictures = {
        "interpolated": before,
        **{name: picture for name, (picture, _) in results.items()},
        "truth": made.cat(),
    }
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    sheet(pictures).save(PICTURE, quality=82, optimize=True)
    fill(
        [ROOT / "docs" / "networks.md"],
        {"network-effects": lambda: table(results, before)},
        check=False,
        leave=["networks"],
    )
    print(table(results, before))


if __name__ == "__main__":
    main()
