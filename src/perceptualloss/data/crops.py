"""Training samples: random crops and flips of photos with their degraded input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, DistributedSampler

from perceptualloss.data.degrade import Degradation
from perceptualloss.data.inputs import Clean, CropSource, Inputs, Sample
from perceptualloss.data.masks import parted
from perceptualloss.errors import InputError

TRIES = 8  # draws of a place where something counts under a mask, before one is taken around a pixel that does


class Crops(CropSource):
    """Random crops; sample n is a pure function of (seed, n).

    So the order needs no state: a resumed run, another number of workers or of machines sees the same
    samples. Photos are equally likely whatever their size.

    Args:
        photos: uint8 pictures, (3, H, W), such as :class:`perceptualloss.data.folder.Photos`; with a mask as fourth
            channel, something counts in every crop, and samples have the mask, (1, crop, crop), as a third part.
        degradation: Makes the input from the crop.
        crop: Height and width of the target, a multiple of the degradation's scale.
        samples: The length of the data set.
        seed: Whole number from 0; another seed gives other samples.
        flip: Whether to mirror and transpose at random (the eight symmetries of a square).

    A sample is (input, target): float32 in [0, 1], (3, crop / scale, crop / scale) and (3, crop, crop).

    Raises:
        InputError: A crop that is no multiple of the scale, no photos, or a photo smaller than the crop.
    """

    def __init__(
        self,
        photos: Sequence[Tensor],
        degradation: Degradation,
        crop: int,
        samples: int,
        *,
        seed: int = 0,
        flip: bool = True,
    ) -> None:
        scale = degradation.scale
        if crop < 1 or crop % scale:
            near = max(1, round(crop / scale)) * scale
            raise InputError(f"crop to be a multiple of the scale {scale}", f"{crop}", f"Take {near}.")
        if len(photos) == 0:
            raise InputError("at least one photo", "none")
        if samples < 1 or seed < 0:
            raise InputError("at least one sample and a seed from 0", f"samples={samples}, seed={seed}")
        self.photos, self.degradation, self.inputs = photos, degradation, Inputs(degradation, seed)
        self.crop, self.samples, self.seed, self.flip = crop, samples, seed, flip

    def __len__(self) -> int:
        """Return the number of samples asked for."""
        return self.samples

    def clean(self, index: int) -> Clean:
        """Return the crop of sample ``index`` before it is degraded."""
        if not 0 <= index < self.samples:
            raise IndexError(f"sample {index} of {self.samples}")
        random = numbers_of(self.seed, index)
        photo = self.photos[int(random.integers(len(self.photos)))]
        top, left = place(photo, self.crop, self.degradation.scale, random)
        cut = photo[:, top : top + self.crop, left : left + self.crop]
        if self.flip:
            (cut,) = flip([cut], random)
        return Clean(cut[None].contiguous(), (index,))


def numbers_of(seed: int, index: int) -> np.random.Generator:
    """Return the random numbers of sample ``index``: of (seed, index) alone, and independent of other samples'."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, index])))


def whole(photo: Tensor, degradation: Degradation, seed: int = 0) -> Sample:
    """Return (input, target) for a whole photo, cropped at the right and bottom to a multiple of the scale.

    Args:
        photo: uint8, or floating point in [0, 1]; (3, H, W), or (4, H, W) with a mask, which then comes third.
        degradation: Makes the input from the target.
        seed: Of the degradation's randomness.

    Returns:
        float32 in [0, 1], (3, H' / scale, W' / scale) and (3, H', W').

    Raises:
        InputError: A photo smaller than the scale.
    """
    scale = degradation.scale
    height, width = (side // scale * scale for side in photo.shape[-2:])
    if not (height and width):
        raise InputError(f"a photo of at least {scale} x {scale} pixels", f"{tuple(photo.shape[-2:])}")
    target = photo[:, :height, :width].to(torch.float32)
    target, mask = parted(target / 255 if photo.dtype == torch.uint8 else target.contiguous())
    low = degradation(target[None], np.random.default_rng(seed))[0]
    return (low, target) if mask is None else (low, target, mask)


def place(photo: Tensor, crop: int, scale: int, random: np.random.Generator) -> tuple[int, int]:
    """Return where a crop begins, (top, left), on the input's grid: multiples of ``scale``.

    In a photo with a mask something counts in the crop: a place where nothing does is drawn anew, and after a few draws
    the crop lies around a pixel that counts.

    Raises:
        InputError: A photo smaller than the crop.
    """
    height, width = photo.shape[-2:]
    if min(height, width) < crop:
        raise InputError(f"a crop of at most {min(height, width)} pixels", f"{crop}", "Skip small photos.")
    last = (height - crop) // scale, (width - crop) // scale
    _, mask = parted(photo)
    for _ in range(1 if mask is None else TRIES):
        top, left = (scale * int(random.integers(most + 1)) for most in last)
        if mask is None or mask[:, top : top + crop, left : left + crop].any():
            return top, left
    counts = photo[3].nonzero()
    middle = counts[int(random.integers(len(counts)))].tolist()
    top, left = (scale * min(max(at - crop // 2, 0) // scale, most) for at, most in zip(middle, last, strict=True))
    return top, left


def flip(pictures: Sequence[Tensor], random: np.random.Generator) -> list[Tensor]:
    """Return the pictures, (..., H, W), after one of the eight symmetries of a square, the same for all."""
    transpose, vertical, horizontal = (bool(bit) for bit in random.integers(2, size=3))
    axes = [axis for axis, chosen in ((-2, vertical), (-1, horizontal)) if chosen]
    turned = [picture.mT if transpose else picture for picture in pictures]
    return [picture.flip(axes) if axes else picture for picture in turned]


class Numbers(DistributedSampler[int]):
    """The numbers of the samples of one epoch, batch after batch, each process taking its own.

    They begin where the trainer is when the epoch, or what a resume leaves of it, begins: every epoch and every resumed
    run goes on with samples that were not seen. Run by steps alone, the whole run is one epoch. A DistributedSampler,
    because a Trainer of one's own would put another one in the place of any other sampler.

    Args:
        trainer: of which the step is taken; without one, numbers begin at 0.
        batch_size: samples a batch, in each process.
        batches: batches of an epoch in each process.
        always: whether these make an epoch in a run by steps alone, too.
        start: a batch, counted over the run, and the number of its first sample: after another number of processes, or
            another batch size, that is not what this one's batches before it would have.
    """

    def __init__(
        self,
        trainer: L.Trainer | None,
        batch_size: int,
        batches: int,
        *,
        always: bool = False,
        start: tuple[int, int] = (0, 0),
    ) -> None:
        ranks, rank = (trainer.world_size, trainer.global_rank) if trainer else (1, 0)
        super().__init__(cast(Dataset[int], range(ranks)), num_replicas=ranks, rank=rank, shuffle=False)
        self.trainer, self.batch_size, self.batches = trainer, batch_size, batches
        self.shift = start[1] - start[0] * ranks * batch_size
        if trainer is not None and trainer.max_epochs == -1 and trainer.max_steps != -1 and not always:
            self.batches = trainer.max_steps * trainer.accumulate_grad_batches

    def __len__(self) -> int:
        """Return how many samples an epoch has in each process."""
        return self.batches * self.batch_size

    def __iter__(self) -> Iterator[int]:
        """Yield the numbers from the trainer's step on."""
        first_batch = self.trainer.global_step * self.trainer.accumulate_grad_batches if self.trainer else 0
        for batch in range(first_batch, first_batch + self.batches):
            yield from (number + self.shift for number in self.of_batch(batch))

    def of_batch(self, batch: int) -> range:
        """Return the numbers in this process's part of a batch, counted from 0, of a run without another ``start``."""
        first = (batch * self.num_replicas + self.rank) * self.batch_size
        return range(first, first + self.batch_size)
