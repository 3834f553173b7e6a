"""What the restorers that ship do for damaged photos: each damage at three strengths, before and after.

    python benchmarks/restoration.py [--photos FOLDER] [--count 20] [--networks FILE FILE]

The photos are the last --count of a folder by name, by default the 20 validation photos of ../shared/data/photos, which
no training saw. They are damaged with a fixed seed, rounded to 8 bits and restored by tiles in 32 bits; all is
measured in RGB, in 8 bits, without a border. Beside the networks stand methods of scikit-image, which are told
the strength: non-local means (h = 0.8 sigma, fast mode, as in its gallery) and the unsharp mask (radius = sigma,
amount 1). It has nothing for JPEG.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.filters import unsharp_mask
from skimage.restoration import denoise_nl_means
from torch import Tensor

from perceptualloss.apply.tiles import transform_in_tiles
from perceptualloss.data.damage import Blur, Jpeg
from perceptualloss.errors import InputError
from perceptualloss.metrics.metric import format_value
from perceptualloss.networks.named import load_network, shipped_restorers
from perceptualloss.pictures.images import read_image, write_image
from perceptualloss.pictures.listing import picture_files
from perceptualloss.studies.evaluate.evaluate import evaluate

SHARED = Path(os.environ.get("PERCEPTUALLOSS_SHARED", Path(__file__).resolve().parents[2] / "shared"))
PHOTOS = SHARED / "data" / "photos"
METRICS = ("psnr", "st_lpips_vgg", "ssimulacra2")

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A damage, the network that undoes it, and what scikit-image has for it."""

    words: str
    network: str
    damage: Callable[[Tensor, np.random.Generator], Tensor]
    other: Callable[[Floats], Floats] | None = None


def noise(level: int) -> Case:
    sigma = level / 255

    def other(picture: Floats) -> Floats:
        settings = {"patch_size": 5, "patch_distance": 6, "fast_mode": True, "channel_axis": -1}
        found: Floats = denoise_nl_means(picture, h=0.8 * sigma, sigma=sigma, **settings)
        return found

    return Case(f"noise, sigma {level} of 255", "denoise", partial(with_noise, sigma), other)


def with_noise(sigma: float, pictures: Tensor, random: np.random.Generator) -> Tensor:
    """Return pictures with NumPy's noise: these tables' pictures stay what they are, whatever trainings draw."""
    random.uniform()  # as when the strength was drawn first
    noise = random.standard_normal(tuple(pictures.shape[1:]), dtype=np.float32)
    return (pictures + sigma * torch.from_numpy(noise)).clamp(0, 1)


def compression(quality: int) -> Case:
    return Case(f"JPEG, quality {quality}", "dejpeg", Jpeg((quality, quality)))


def defocus(sigma: float) -> Case:
    grain = 1 / 255

    def other(picture: Floats) -> Floats:
        # not channel_axis=-1, with which scikit-image 0.26 gives noise
        found: Floats = unsharp_mask(picture, radius=sigma, amount=1.0, channel_axis=2)  # type: ignore[no-untyped-call]
        return found

    def damage(pictures: Tensor, random: np.random.Generator) -> Tensor:
        return with_noise(grain, Blur((sigma, sigma))(pictures, random), random)

    return Case(f"blur, sigma {sigma:g}, and noise of 1 of 255", "deblur", damage, other)


CASES = (
    *(noise(level) for level in (15, 25, 50)),
    *(compression(quality) for quality in (40, 20, 10)),
    *(defocus(sigma) for sigma in (1.0, 1.5, 2.0)),
)


def rows(networks: Mapping[str, Path], photos: Path = PHOTOS, count: int = 20) -> tuple[list[str], list[list[str]]]:
    """Return the head and the rows of the table: every damage, and what becomes of the measures."""
    files = sorted(picture_files(photos))[-count:]
    if not files:
        raise InputError(f"photos in {photos}", "none")
    found = []
    for case in CASES:
        if case.network in networks:
            with tempfile.TemporaryDirectory() as folder:
                found.append([case.words, *_measured(case, networks[case.network], files, Path(folder))])
    titles = ("PSNR (dB) ↑", "ST-LPIPS VGG ↓", "SSIMULACRA 2 ↑")
    return ["damage", *(f"{title}: damaged → restored (scikit-image)" for title in titles)], found


def _measured(case: Case, network: Path, files: list[Path], folder: Path) -> list[str]:
    """Write damaged and restored pictures into folders, and return the cells of a row."""
    model = load_network(network)
    folders = {name: folder / name for name in ("truth", "damaged", "restored", *(["other"] if case.other else []))}
    for place in folders.values():
        place.mkdir()
    for number, file in enumerate(files):
        truth, name = read_image(file), f"{number}.png"
        write_image(truth, folders["truth"] / name)
        write_image(case.damage(truth, np.random.default_rng(number)), folders["damaged"] / name)
        damaged = read_image(folders["damaged"] / name)  # what a file holds
        write_image(transform_in_tiles(model, damaged).clamp(0, 1), folders["restored"] / name)
        if case.other is not None:
            other = case.other(damaged[0].movedim(0, -1).double().numpy()).clip(0, 1)
            write_image(torch.from_numpy(other).movedim(-1, 0)[None].float(), folders["other"] / name)
    outputs = [place for name, place in folders.items() if name != "truth"]
    result = evaluate(outputs, folders["truth"], protocol="rgb", metrics=METRICS)
    cells = []
    for metric in result.metrics:
        before, after, *others = (format_value(metric, each[metric.key].value) for each in result.means.values())
        cells.append(f"{before} → **{after}**" + "".join(f" ({value})" for value in others))
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=PHOTOS, help="a folder of photos")
    parser.add_argument("--count", type=int, default=20, help="how many of them, the last by name")
    parser.add_argument(
        "--networks", type=Path, nargs="+", help="saved networks NAME.safetensors in place of those that ship"
    )
    options = parser.parse_args()
    networks = {file.stem: file for file in options.networks} if options.networks else shipped_restorers()
    try:
        heads, found = rows(networks, options.photos, options.count)
    except InputError as error:
        sys.exit(f"error: {error}")
    for line in (heads, ["---"] * len(heads), *found):
        print(f"| {' | '.join(line)} |")


if __name__ == "__main__":
    main()
