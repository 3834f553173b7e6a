"""From clean crops to training samples: what a degradation makes of crop n is a function of (seed, n) alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from perceptualloss.data.degrade import Degradation

PIXELS = 2**16  # that a CPU degrades at once: so much stays in its caches
DegradeOn = Literal["auto", "loader", "device"]
Sample = tuple[Tensor, ...]
"""Input and target, and a mask of the target where the photos have one."""


class Clean(NamedTuple):
    """Crops that are not degraded yet: 8 bits, (N, 3, H, W), or (N, 4, H, W) with a mask, and their sample numbers."""

    photos: Tensor
    numbers: tuple[int, ...]


def joined(crops: Sequence[Clean]) -> Clean:
    """Return several as one batch; a loader's ``collate_fn``. Numbers stay on the host, where they are asked for."""
    return Clean(torch.cat([crop.photos for crop in crops]), tuple(n for crop in crops for n in crop.numbers))


class Inputs:
    """Makes the samples of clean crops, on the device where they are.

    All that is random about sample n follows from (seed, n), whatever batch, process, or device it is in. On a CPU a
    batch has the bits of its samples one by one; a GPU rounds noise, blur and resizing otherwise, by about 1e-6, and
    what is rounded to 8 bits after that (JPEG) may fall on the other side.

    Args:
        degradation: makes the inputs.
        seed: whole number from 0.
    """

    def __init__(self, degradation: Degradation, seed: int = 0) -> None:
        self.degradation, self.seed = degradation, seed

    @torch.no_grad()
    def __call__(self, crops: Clean) -> Sample:
        """Return (input, target) or (input, target, mask), float32 in [0, 1], each with a first axis of N."""
        whole = crops.photos.to(torch.float32).div_(255)
        target = whole[:, :3].contiguous()
        randoms = [damage_numbers(self.seed, number) for number in crops.numbers]
        count = max(1, PIXELS // target[0, 0].numel()) if target.device.type == "cpu" else len(target)
        with torch.autocast(target.device.type, enabled=False):
            parts = [
                self.degradation.each(target[first : first + count], randoms[first : first + count])
                for first in range(0, len(target), count)
            ]
        low = parts[0] if len(parts) == 1 else torch.cat(parts)
        return (low, target) if whole.shape[1] == 3 else (low, target, whole[:, 3:].contiguous())


class CropSource(Dataset[Sample]):
    """Samples that are made of clean crops, one by one here, or a batch at a time by ``inputs``.

    Attributes:
        inputs: makes the samples.
    """

    inputs: Inputs

    def clean(self, index: int) -> Clean:
        """Return the crop of sample ``index``, a batch of one."""
        raise NotImplementedError

    def __getitem__(self, index: int) -> Sample:
        """Return sample ``index`` as (input, target) or (input, target, mask)."""
        return tuple(part[0] for part in self.inputs(self.clean(index)))


class CleanCrops(Dataset[Clean]):
    """The clean crops of a source, for a loader whose batches are degraded afterwards."""

    def __init__(self, source: CropSource) -> None:
        self.source = source

    def __getitem__(self, index: int) -> Clean:
        """Return the crop of sample ``index``, a batch of one."""
        return self.source.clean(index)


def damage_numbers(seed: int, index: int) -> np.random.Generator:
    """Return the random numbers of the degradation of sample ``index``; those of its crop are others."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, index, 3])))
