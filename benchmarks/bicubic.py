"""Compare plain interpolation with the published figures: python benchmarks/bicubic.py [folder].

A low-resolution picture is the ground truth reduced by ``resize`` and rounded to 8 bits; it is enlarged by
``resize`` and rounded again. PSNR and SSIM are of the luminance, rounded to 8 bits, without a border of
``scale`` pixels. A picture stored with one channel is measured as it is, not as the luminance of its grey
(which spans 219 instead of 255 levels and would add 1.3 dB): so did the published evaluations.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from PIL import Image
from torch import Tensor

from perceptualloss.images import luminance, read_image
from perceptualloss.metrics.psnr import psnr
from perceptualloss.metrics.ssim import ssim
from perceptualloss.resize import resize

# Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution" (EDSR), 2017.
PUBLISHED = {
    ("Set5", 2): (33.66, 0.9299),
    ("Set5", 3): (30.39, 0.8682),
    ("Set5", 4): (28.42, 0.8104),
    ("Set14", 2): (30.24, 0.8688),
    ("Set14", 3): (27.55, 0.7742),
    ("Set14", 4): (26.00, 0.7027),
}
SHARED = Path(__file__).resolve().parents[2] / "shared"


def to_8_bits(images: Tensor) -> Tensor:
    """Return what a file with 8 bits a channel keeps of ``images``."""
    return images.clamp(0, 1).mul(255).round() / 255


def measured(images: Tensor, grey: bool) -> Tensor:
    """Return the luminance rounded to 8 bits, or the grey itself, as three equal channels."""
    return images if grey else to_8_bits(luminance(images)).expand(-1, 3, -1, -1)


def bicubic_figures(folder: Path, scale: int) -> tuple[float, float]:
    """Return the mean PSNR in dB and SSIM of bicubic interpolation over a set's pictures."""
    files = sorted((folder / f"image_SRF_{scale}").glob("*_HR.png"))
    if not files:
        raise SystemExit(f"no pictures in {folder}/image_SRF_{scale}")
    total_psnr = total_ssim = 0.0
    for file in files:
        target = read_image(file)
        height, width = (side // scale * scale for side in target.shape[-2:])
        target = target[..., :height, :width]
        output = to_8_bits(resize(to_8_bits(resize(target, 1 / scale)), scale))
        with Image.open(file) as picture:
            grey = picture.mode == "L"
        pair = measured(output, grey), measured(target, grey)
        total_psnr += psnr(*pair, crop_border=scale).item()
        total_ssim += ssim(*pair, crop_border=scale).item()
    return total_psnr / len(files), total_ssim / len(files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = Path(os.environ.get("PERCEPTUALLOSS_SHARED", SHARED))
    parser.add_argument("folder", type=Path, nargs="?", default=shared / "data" / "benchmarks")
    folder = parser.parse_args().folder
    print(f"{'':9} {'PSNR':>7} {'published':>9} {'':>7}  {'SSIM':>6} {'published':>9}")
    for (name, scale), (published_psnr, published_ssim) in PUBLISHED.items():
        ours_psnr, ours_ssim = bicubic_figures(folder / name, scale)
        print(
            f"{name:6} x{scale} {ours_psnr:7.3f} {published_psnr:9.2f} {ours_psnr - published_psnr:+7.3f}"
            f"  {ours_ssim:6.4f} {published_ssim:9.4f} {ours_ssim - published_ssim:+8.4f}"
        )


if __name__ == "__main__":
    main()
