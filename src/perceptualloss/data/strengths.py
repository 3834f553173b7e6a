"""Distortions whose order of strength a network can learn from; none of them is among those that measure one.

Each takes one photo, (3, H, W) in [0, 1], a strength, and a random generator, and returns a photo of the same shape
and range. :mod:`perceptualloss.data.distortions` has the other ones, for measuring.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from perceptualloss.errors import InputError
from perceptualloss.pictures.samples import as_8_bits_show, to_8_bits

Distortion = Callable[[Tensor, float, np.random.Generator], Tensor]


def _saved(photo: Tensor, kind: str, **settings: Any) -> Tensor:
    buffer = io.BytesIO()
    Image.fromarray(to_8_bits(photo).permute(1, 2, 0).numpy()).save(buffer, kind, **settings)
    return torch.from_numpy(np.array(Image.open(buffer).convert("RGB"))).permute(2, 0, 1).float() / 255


def webp(photo: Tensor, strength: float, random: np.random.Generator) -> Tensor:
    """Return the photo saved as WebP at quality 100 - ``strength``."""
    return _saved(photo, "WEBP", quality=round(100 - strength))


def jpeg2000(photo: Tensor, factor: float, random: np.random.Generator) -> Tensor:
    """Return the photo saved as JPEG 2000 at a ``factor``-th of its size."""
    return _saved(photo, "JPEG2000", quality_mode="rates", quality_layers=[factor])


def colour_noise(photo: Tensor, sigma: float, random: np.random.Generator) -> Tensor:
    """Return the photo with noise in its colours, none in its brightness."""
    noise = _normal(photo.shape, random)
    return photo + sigma * (noise - noise.mean(0, keepdim=True))


def blotches(photo: Tensor, sigma: float, random: np.random.Generator) -> Tensor:
    """Return the photo with smooth noise of 8 pixels a wave."""
    height, width = photo.shape[1:]
    coarse = _normal((1, 3, -(-height // 8) + 1, -(-width // 8) + 1), random)
    return photo + sigma * F.interpolate(coarse, scale_factor=8, mode="bicubic")[0, :, :height, :width]


def grain(photo: Tensor, sigma: float, random: np.random.Generator) -> Tensor:
    """Return the photo times noise around 1, so that bright areas change most."""
    return photo * (1 + sigma * _normal(photo.shape, random))


def smoothing(photo: Tensor, sigma: float, random: np.random.Generator) -> Tensor:
    """Return the photo with noise added and averaged away over like pixels, which takes texture with it."""
    noisy = (photo + sigma * _normal(photo.shape, random)).clamp(0, 1)
    near = F.pad(noisy[None], (2,) * 4, mode="replicate").unfold(2, 5, 1).unfold(3, 5, 1)[0].flatten(3)
    weights = torch.exp(-(near - noisy[..., None]).square().mean(0, keepdim=True) / (8 * sigma**2))
    return (near * weights).sum(-1) / weights.sum(-1)


def oversaturation(photo: Tensor, gain: float, random: np.random.Generator) -> Tensor:
    """Return the photo with its colours 1 + ``gain`` times as far from grey."""
    grey = photo.mean(0, keepdim=True)
    return grey + (photo - grey) * (1 + gain)


def colour_fringes(photo: Tensor, pixels: float, random: np.random.Generator) -> Tensor:
    """Return the photo with red moved down and blue moved left by ``pixels``."""
    red, green, blue = photo
    return torch.stack([red.roll(round(pixels), 0), green, blue.roll(-round(pixels), 1)])


def oversharpening(photo: Tensor, gain: float, random: np.random.Generator) -> Tensor:
    """Return the photo with ``gain`` times its difference from a 3 x 3 mean added."""
    mean = F.avg_pool2d(F.pad(photo[None], (1,) * 4, mode="replicate"), 3, 1)[0]
    return photo + gain * (photo - mean)


def jitter(photo: Tensor, pixels: float, random: np.random.Generator) -> Tensor:
    """Return the photo with every pixel taken from a random place nearby."""
    height, width = photo.shape[1:]
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    offset = pixels * _normal((2, height, width), random)
    grid = torch.stack([x + 2 * offset[0] / width, y + 2 * offset[1] / height], -1)
    return F.grid_sample(photo[None], grid[None], padding_mode="border", align_corners=True)[0]


def blocks(photo: Tensor, share: float, random: np.random.Generator) -> Tensor:
    """Return the photo with squares of one colour over about a ``share`` of it."""
    return _squares(photo, share, 24, random, lambda area: torch.from_numpy(random.random((3, 1, 1))).float())


def moved_patches(photo: Tensor, share: float, random: np.random.Generator) -> Tensor:
    """Return the photo with squares over about a ``share`` of it taken from up to 8 pixels away."""

    def source(area: tuple[int, int, int]) -> Tensor:
        top, left, side = area
        y, x = (
            int(np.clip(corner + random.integers(-8, 9), 0, full - side))
            for corner, full in zip((top, left), photo.shape[1:], strict=True)
        )
        return photo[:, y : y + side, x : x + side]

    return _squares(photo, share, 16, random, source)


STRENGTHS: Mapping[str, tuple[Distortion, Sequence[float]]] = {
    "webp": (webp, (10, 40, 65, 85, 97)),
    "jpeg2000": (jpeg2000, (8, 16, 32, 64, 120)),
    "colour noise": (colour_noise, (0.03, 0.06, 0.12, 0.2, 0.35)),
    "blotches": (blotches, (0.01, 0.02, 0.04, 0.08, 0.15)),
    "grain": (grain, (0.02, 0.05, 0.1, 0.2, 0.4)),
    "smoothing": (smoothing, (0.02, 0.04, 0.08, 0.14, 0.22)),
    "oversaturation": (oversaturation, (0.2, 0.5, 1, 1.8, 3)),
    "colour fringes": (colour_fringes, (1, 2, 3, 5, 8)),
    "oversharpening": (oversharpening, (0.5, 1, 2, 4, 8)),
    "jitter": (jitter, (0.3, 0.6, 1.2, 2.4, 4)),
    "blocks": (blocks, (0.01, 0.03, 0.06, 0.11, 0.18)),
    "moved patches": (moved_patches, (0.02, 0.05, 0.1, 0.2, 0.35)),
}
"""Every kind of distortion, and five strengths of it from hardly visible to strong."""


@dataclass
class OrderedBatch:
    """Crops and what became of them: ``crops`` and ``distorted`` (N, 3, H, W), ``kinds`` and ``strengths`` (N,)."""

    crops: Tensor
    distorted: Tensor
    kinds: Tensor
    strengths: Tensor


class OrderedBatches(Dataset[OrderedBatch]):
    """Batches of crops under a few kinds of distortion without end; the n-th is a function of (seed, n) alone.

    Args:
        photos: uint8 photos (3, H, W) of at least ``crop`` pixels, each taken as it is or at half its size.
        batch_size: crops a batch, spread over three kinds.
        crop: height and width of the crops in pixels, at least 32.
        seed: whole number from 0.

    Raises:
        InputError: for a batch too small to order anything, or a crop too small for the distortions.
    """

    KINDS = 3

    def __init__(self, photos: Sequence[Tensor], batch_size: int, crop: int, seed: int = 0) -> None:
        if batch_size < 2 * self.KINDS or crop < 32 or seed < 0:
            expected = f"a batch_size from {2 * self.KINDS}, a crop from 32 and a seed from 0"
            raise InputError(expected, f"{batch_size}, {crop} and {seed}")
        self.photos, self.batch_size, self.crop, self.seed = photos, batch_size, crop, seed

    def __getitem__(self, n: int) -> OrderedBatch:
        """Return batch ``n``."""
        random = np.random.default_rng([self.seed, n])
        known = list(STRENGTHS.values())
        chosen = random.choice(len(known), self.KINDS, replace=False)
        kinds = np.resize(chosen, self.batch_size)
        strengths = random.integers(5, size=self.batch_size)
        crops = torch.stack([self._crop(random) for _ in kinds])
        distorted = []
        for photo, kind, strength in zip(crops, kinds, strengths, strict=True):
            distort, levels = known[kind]
            changed = distort(photo, levels[strength], random)
            distorted.append(as_8_bits_show(changed))
        return OrderedBatch(crops, torch.stack(distorted), torch.from_numpy(kinds), torch.from_numpy(strengths))

    def _crop(self, random: np.random.Generator) -> Tensor:
        photo = self.photos[int(random.integers(len(self.photos)))].float() / 255
        if random.random() < 1 / 3 and min(photo.shape[1:]) >= 2 * self.crop:
            photo = F.avg_pool2d(photo, 2)
        top, left = (int(random.integers(side - self.crop + 1)) for side in photo.shape[1:])
        piece = photo[:, top : top + self.crop, left : left + self.crop]
        return piece.flip(2) if random.random() < 0.5 else piece


def _normal(shape: Sequence[int], random: np.random.Generator) -> Tensor:
    return torch.from_numpy(random.standard_normal(tuple(shape), dtype=np.float32))


def _squares(
    photo: Tensor,
    share: float,
    side: int,
    random: np.random.Generator,
    content: Callable[[tuple[int, int, int]], Tensor],
) -> Tensor:
    """Return a copy with squares of ``side`` pixels, at least one, filled with what ``content`` gives."""
    height, width = photo.shape[1:]
    changed = photo.clone()
    for _ in range(max(1, round(share * height * width / side**2))):
        top, left = int(random.integers(height - side + 1)), int(random.integers(width - side + 1))
        changed[:, top : top + side, left : left + side] = content((top, left, side))
    return changed
