"""Training from two folders: inputs and the pictures they should become, matched by name."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from perceptualloss.data.crops import flip, numbers_of, place
from perceptualloss.data.folder import split_files
from perceptualloss.data.inputs import Sample
from perceptualloss.data.masks import Masks, MaskSource, parted
from perceptualloss.data.module import TrainingData
from perceptualloss.data.pairs import Pairs
from perceptualloss.data.room import Room
from perceptualloss.errors import InputError
from perceptualloss.pictures.pairing import pair_files

log = logging.getLogger(__name__)


class PairedCrops(Dataset[Sample]):
    """Random crops and flips at the same place of input and target; sample n is a pure function of (seed, n).

    Args:
        pairs: uint8 pairs.
        scale: target size / input size.
        crop: height and width of the target, a multiple of the scale.
        seed: whole number from 0.

    A sample is (input, target): float32 in [0, 1], (3, crop / scale, crop / scale) and (3, crop, crop); with masks,
    (1, crop, crop) of which something counts comes third.

    Raises:
        InputError: a crop that is no multiple of the scale.
    """

    def __init__(self, pairs: Pairs, scale: int, crop: int, seed: int = 0) -> None:
        if crop < 1 or crop % scale:
            raise InputError(f"crop to be a multiple of the scale {scale}", f"{crop}")
        self.pairs, self.scale, self.crop, self.seed = pairs, scale, crop, seed

    def __len__(self) -> int:
        """Return the number of samples: as many as are asked for."""
        return sys.maxsize

    def __getitem__(self, index: int) -> Sample:
        """Return sample ``index`` as (input, target) or (input, target, mask)."""
        random = numbers_of(self.seed, index)
        pair = self.pairs[int(random.integers(len(self.pairs)))]
        side = self.crop // self.scale
        top, left = (start // self.scale for start in place(pair[1], self.crop, self.scale, random))
        cut = [
            picture[:, scale * top : scale * (top + side), scale * left : scale * (left + side)]
            for picture, scale in zip(pair, (1, self.scale), strict=True)
        ]
        low, high = flip(cut, random)
        return _sample(low, high)


class PairedData(TrainingData):
    """Training crops and validation pictures from two folders.

    Args:
        inputs: a folder with the inputs.
        targets: a folder with what they should become, of the same names (see :func:`match_names`).
        scale: target size / input size.
        validation: how many of the pairs, the last by the targets' names, are for validation; below 1, what share.
        crop: height and width of the training targets in pixels.
        batch_size: samples a step.
        validation_size: the largest height and width of the pieces of the validation targets, from their middle.
        seed: of crops and flips.
        workers: processes that load samples.
        epoch_samples: as :class:`PhotoData`; unless given, one crop for each pair.
        masks: "alpha", or a folder, for masks of the targets (see :class:`Masks`): batches are (input, target, mask).
        memory_gib: as :class:`PhotoData`.
        cache_gib: as :class:`PhotoData`.

    Raises:
        InputError: for folders without usable pairs, files that fit equally well, or impossible sizes.
    """

    def __init__(
        self,
        inputs: Path,
        targets: Path,
        scale: int = 1,
        *,
        validation: float = 0.1,
        crop: int = 64,
        batch_size: int = 16,
        validation_size: int = 192,
        seed: int = 0,
        workers: int = 0,
        epoch_samples: int | None = None,
        masks: MaskSource | None = None,
        memory_gib: float = 2.0,
        cache_gib: float = 20.0,
    ) -> None:
        super().__init__(batch_size, workers, epoch_samples)
        pairing = pair_files(inputs, targets)
        for file in pairing.unmatched:
            log.warning("skipped %s: no partner of its name", file)
        own = None if masks is None else Masks(masks, [high for _, high in pairing.pairs.values()])
        usable = Pairs(pairing.pairs, scale, crop, memory_limit=0, masks=own)
        chosen = set(split_files([high for _, high in usable.files.values()], validation)[0])
        names = {name for name, (_, high) in usable.files.items() if high in chosen}
        room = Room(memory_gib, cache_gib)
        self.validation_pairs = usable.only(usable.files.keys() - names, room.for_validation, middle=validation_size)
        self.training_pairs = usable.only(names, room.memory - self.validation_pairs.kept.in_memory, room.cache())
        room.say(self.training_pairs.kept)
        self.crops = PairedCrops(self.training_pairs, scale, crop, seed)

    @property
    def files(self) -> list[Path]:
        """The pairs' files in use."""
        pairs = [*self.training_pairs.files.values(), *self.validation_pairs.files.values()]
        return [file for pair in pairs for file in pair]

    @property
    def usual_samples(self) -> int:
        """One for each pair."""
        return len(self.training_pairs)

    def val_dataloader(self) -> DataLoader[Sample]:
        """Return the middle of each validation pair, one at a time because their sizes may differ."""
        return DataLoader(_Middles(self.validation_pairs), batch_size=1)


class _Middles(IterableDataset[Sample]):
    """The middles of the pairs that decode; in turn, because only decoding shows which these are."""

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs

    def __iter__(self) -> Iterator[Sample]:
        """Go through them."""
        count = 0
        for low, high in self.pairs.found():
            yield _sample(low, high)
            count += 1
        if not count:
            raise InputError("validation pairs that decode", f"none of {len(self.pairs)}")


def _sample(low: Tensor, high: Tensor) -> Sample:
    """Return input and target in [0, 1], and the mask where the target has one."""
    target, mask = parted(_unit(high))
    return (_unit(low), target) if mask is None else (_unit(low), target, mask)


def _unit(picture: Tensor) -> Tensor:
    return picture.contiguous().to(torch.float32).div_(255)
