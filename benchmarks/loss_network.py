"""How far the embedded networks find distorted photos, against a random network and mean squared error.

    python benchmarks/loss_network.py [--photos DIR] [--size 256] [--files judge=FILE ...]

Three figures per network, all in percent of the pairs that are ordered right:

- same photo: of two strengths of one distortion, the stronger is farther;
- any photos: the same with each strength on another photo (a distance that depends on the photo fails here);
- equal PSNR: blur, JPEG, coarse pixels and a blurry enlargement are farther than noise, changed brightness,
  contrast or gamma, and a shift of one pixel, as people rank them. All have the PSNR of that shift, so mean squared
  error cannot tell them apart. After it, the same against each of the latter alone.

Photos: the last 20 by name, which no training saw. Distortions: fixed seeds. Brightness, contrast and fading colours
resemble what training does to its crops; the others do not occur there. Random weights: mean of three draws.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from perceptualloss.data.folder import split_files
from perceptualloss.data.module import middle
from perceptualloss.images import picture_files, read_image
from perceptualloss.loss_networks.loss_network import LossNetwork, loss_network
from perceptualloss.losses.distance import unit_channels
from perceptualloss.metrics.perceptual_distance import LAYERS as JUDGE_LAYERS

PHOTOS = Path(__file__).parents[2] / "shared" / "data" / "photos"
LAYERS = {"compact": ("relu1_2", "relu2_2", "relu3_3", "relu4_3"), "judge": JUDGE_LAYERS}
DRAWS = 3  # of random weights; their figures are averaged
Distance = Callable[[Tensor, Tensor], Tensor]
Distortion = Callable[[Tensor, float], Tensor]  # one photo (3, H, W) in [0, 1] and a strength


def blur(photo: Tensor, sigma: float) -> Tensor:
    radius = max(1, int(3 * sigma + 0.5))
    taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
    kernel = (taps / taps.sum()).expand(3, 1, 1, -1)
    wide = F.pad(photo[None], (radius,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(wide, kernel, groups=3), kernel.transpose(2, 3), groups=3)[0]


def motion(photo: Tensor, length: float) -> Tensor:
    # A horizontal streak; the fractional end keeps the strength continuous.
    whole, rest = int(length), length % 1
    taps = torch.tensor([1.0] * whole + [rest])
    wide = F.pad(photo[None], (0, len(taps) - 1, 0, 0), mode="replicate")
    return F.conv2d(wide, (taps / taps.sum()).expand(3, 1, 1, -1), groups=3)[0]


def noise(photo: Tensor, sigma: float) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return (photo + sigma * torch.randn(photo.shape, generator=generator)).clamp(0, 1)


def speckle(photo: Tensor, share: float) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    hit, value = torch.rand(2, *photo.shape[1:], generator=generator)
    return torch.where(hit < share, value.round(), photo)


def jpeg(photo: Tensor, strength: float) -> Tensor:
    buffer = io.BytesIO()
    array = (photo * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(array).save(buffer, "JPEG", quality=max(1, round(100 - strength)))
    return torch.from_numpy(np.array(Image.open(buffer))).permute(2, 0, 1).float() / 255


def down_up(photo: Tensor, factor: float) -> Tensor:
    size = photo.shape[1:]
    small = F.interpolate(photo[None], [round(s / factor) for s in size], mode="bicubic", antialias=True)
    return F.interpolate(small, size, mode="bicubic", antialias=True)[0].clamp(0, 1)


def pixelate(photo: Tensor, factor: float) -> Tensor:
    size = photo.shape[1:]
    small = F.interpolate(photo[None], [round(s / factor) for s in size], mode="area")
    return F.interpolate(small, size, mode="nearest")[0]


def quantise(photo: Tensor, step: float) -> Tensor:
    return ((photo / step).round() * step).clamp(0, 1)


def brightness(photo: Tensor, offset: float) -> Tensor:
    return (photo + offset).clamp(0, 1)


def contrast(photo: Tensor, loss: float) -> Tensor:
    return photo.mean() + (photo - photo.mean()) * (1 - loss)


def gamma(photo: Tensor, change: float) -> Tensor:
    return photo.clamp(min=1e-4) ** (1 + change)


def fade(photo: Tensor, loss: float) -> Tensor:
    return torch.lerp(photo, photo.mean(0, keepdim=True), loss)


def shift(photo: Tensor, pixels: float) -> Tensor:
    return F.pad(photo[None], (round(pixels), 0, 0, 0), mode="replicate")[0, :, :, : photo.shape[2]]


def wave(photo: Tensor, pixels: float) -> Tensor:
    height, width = photo.shape[1:]
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    grid = torch.stack([x + 2 * pixels / width * torch.sin(20 * y), y + 2 * pixels / height * torch.sin(20 * x)], -1)
    return F.grid_sample(photo[None], grid[None], mode="bicubic", padding_mode="border", align_corners=True)[0].clamp(
        0, 1
    )


STRENGTHS: dict[str, tuple[Distortion, Sequence[float]]] = {
    "blur": (blur, (0.5, 0.8, 1.3, 2.1, 3.4)),
    "motion": (motion, (2, 3, 5, 8, 13)),
    "noise": (noise, (0.01, 0.02, 0.04, 0.08, 0.16)),
    "speckle": (speckle, (0.002, 0.005, 0.012, 0.03, 0.07)),
    "jpeg": (jpeg, (20, 50, 70, 85, 93)),
    "down-up": (down_up, (1.5, 2, 3, 4, 6)),
    "pixelate": (pixelate, (1.5, 2, 3, 4, 6)),
    "quantise": (quantise, (0.03, 0.06, 0.12, 0.2, 0.33)),
    "brightness": (brightness, (0.02, 0.04, 0.08, 0.16, 0.3)),
    "contrast": (contrast, (0.05, 0.1, 0.2, 0.4, 0.7)),
    "gamma": (gamma, (0.05, 0.1, 0.2, 0.4, 0.8)),
    "fade": (fade, (0.1, 0.2, 0.4, 0.7, 1.0)),
    "shift": (shift, (1, 2, 3, 5, 8)),
    "wave": (wave, (0.3, 0.7, 1.5, 3, 6)),
}
# What people mind more and less at the same PSNR, with the strongest setting to look for.
WORSE = {"blur": 8.0, "jpeg": 99.0, "pixelate": 16.0, "down-up": 16.0}
BETTER = {"brightness": 0.5, "contrast": 0.95, "gamma": 2.0, "noise": 0.5}


def mse(first: Tensor, second: Tensor) -> Tensor:
    return (first - second).square().mean((1, 2, 3))


def through(network: LossNetwork) -> Distance:
    """Return the distance in the network's layers: channels of unit length, squared differences, their mean."""
    seen: dict[tuple[int, int], list[Tensor]] = {}  # the photos themselves come again and again

    @torch.no_grad()
    def distance(first: Tensor, second: Tensor) -> Tensor:
        key = first.data_ptr(), len(first)
        if key not in seen:
            seen.clear()
            seen[key] = unit_maps(network, first)
        pairs = zip(seen[key], unit_maps(network, second), strict=True)
        return torch.stack([(a - b).square().sum(1).mean((1, 2)) for a, b in pairs]).mean(0)

    return distance


def random_weights(name: str, layers: Sequence[str], seed: int) -> Distance:
    torch.manual_seed(seed)
    return through(loss_network(name, layers, weights=None))


def unit_maps(network: LossNetwork, images: Tensor) -> list[Tensor]:
    return [unit_channels(maps) for maps in network(images).values()]


def at_psnr(photo: Tensor, kind: str, strongest: float, target: float) -> Tensor | None:
    """Return ``photo`` distorted so that its mean squared error is within 20% of ``target``, if that can be."""
    distort = STRENGTHS[kind][0]
    low, high = 1e-3 if kind not in {"down-up", "pixelate", "motion"} else 1.0, strongest
    for _ in range(14):
        middle = (low + high) / 2
        candidate = distort(photo, middle)
        error = (candidate - photo).square().mean().item()
        if abs(error / target - 1) < 0.02:
            break
        low, high = (middle, high) if error < target else (low, middle)
    return candidate if abs(error / target - 1) < 0.2 else None


def ladders(photos: Sequence[Tensor]) -> dict[str, Tensor]:
    """Return for each kind of distortion the photos at its strengths, (strengths, N, 3, H, W)."""
    return {
        kind: torch.stack([torch.stack([distort(photo, s) for photo in photos]) for s in strengths])
        for kind, (distort, strengths) in STRENGTHS.items()
    }


def measure(
    distance: Distance, photos: Tensor, distorted: dict[str, Tensor], equal: list[dict[str, Tensor]]
) -> dict[str, float]:
    """Return the figures of this page and, for each kind of distortion, the second one."""
    same, across, by_kind = [], [], {}
    for kind, levels in distorted.items():
        far = torch.stack([distance(photos, level) for level in levels])  # (strengths, N)
        other = []
        for weak, strong in combinations(range(len(far)), 2):
            same.append((far[strong] > far[weak]).float().mean())
            other.append((far[strong][:, None] > far[weak][None, :]).float().mean())
        across += other
        by_kind[kind] = 100 * torch.stack(other).mean().item()
    right: dict[str, list[bool]] = {name: [] for name in ("shift", *BETTER)}
    for photo, cases in zip(photos, equal, strict=True):
        names = list(cases)
        value = {name: distance(photo[None], cases[name][None]).item() for name in names}
        for better in right.keys() & value.keys():
            right[better] += [value[worse] > value[better] for worse in WORSE.keys() & value.keys()]
    means = {
        "same photo": torch.stack(same),
        "any photos": torch.stack(across),
        "equal PSNR": torch.tensor([r for ordered in right.values() for r in ordered], dtype=torch.float32),
    } | {f"> {better}": torch.tensor(ordered, dtype=torch.float32) for better, ordered in right.items()}
    return {name: 100 * values.mean().item() for name, values in means.items()} | by_kind


def equal_psnr(photo: Tensor) -> dict[str, Tensor]:
    """Return ``photo`` under each kind at the error of a shift by one pixel."""
    shifted = shift(photo, 1)
    target = (shifted - photo).square().mean().item()
    cases = {kind: at_psnr(photo, kind, most, target) for kind, most in (WORSE | BETTER).items()}
    return {"shift": shifted} | {kind: case for kind, case in cases.items() if case is not None}


def read(folder: Path, size: int, count: int = 20) -> Tensor:
    _, files = split_files(picture_files(folder), count)
    return torch.cat([middle(read_image(file)[0], size)[None] for file in files])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--files", nargs="*", default=[], help="other weights: compact=FILE or judge=FILE")
    options = parser.parse_args()
    distances: dict[str, list[Distance]] = {"mean squared error": [mse]}
    for name, layers in LAYERS.items():
        distances[f"{name}, random weights"] = [random_weights(name, layers, seed) for seed in range(DRAWS)]
    for entry in options.files or [f"{name}=default" for name in LAYERS]:
        name, _, file = entry.partition("=")
        distances[f"{name}, {Path(file).stem}"] = [through(loss_network(name, LAYERS[name], weights=file))]
    photos = read(options.photos, options.size)
    distorted, equal = ladders(list(photos)), [equal_psnr(photo) for photo in photos]
    print(f"{len(photos)} photos of {photos.shape[2]} x {photos.shape[3]}; pairs ordered right, in percent")
    for number, (name, draws) in enumerate(distances.items()):
        measured = [measure(distance, photos, distorted, equal) for distance in draws]
        figures = {figure: sum(m[figure] for m in measured) / len(measured) for figure in measured[0]}
        if number == 0:
            print("| | " + " | ".join(figures) + " |", "|---" * (len(figures) + 1) + "|", sep="\n")
        print(f"| {name} | " + " | ".join(f"{value:.0f}" for value in figures.values()) + " |", flush=True)


if __name__ == "__main__":
    main()
