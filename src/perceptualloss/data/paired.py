"""Training from two folders: inputs and the pictures they should become, matched by name."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from perceptualloss.data.crops import flip, numbers_of, place
from perceptualloss.data.folder import decode, picture_size, split_files
from perceptualloss.data.inputs import Sample
from perceptualloss.data.masks import Masks, MaskSource, parted
from perceptualloss.data.module import TrainingData
from perceptualloss.errors import InputError
from perceptualloss.pictures.pairing import pair_files

log = logging.getLogger(__name__)
Pair = tuple[Tensor, Tensor]  # of 8 bits, the target perhaps with a mask as fourth channel


class Pairs:
    """Inputs with their targets: ``pairs[i]`` is (input, target), uint8, (3, H, W) and (3, scale H, scale W).

    Pairs whose sizes do not go together or are too small, or of which one does not decode, are skipped with a warning
    in the log. Should a file turn unreadable later, the next pair takes the place of its own.

    Args:
        files: (input, target) by name.
        scale: target size / input size.
        crop: height and width that each target must have.
        memory_limit: bytes to keep decoded pictures in.
        masks: masks that become the targets' fourth channel; a pair whose mask cannot be used is skipped.

    Raises:
        InputError: if no pair is left.
    """

    def __init__(
        self,
        files: Mapping[str, tuple[Path, Path]],
        scale: int = 1,
        crop: int = 1,
        memory_limit: int = 2 * 2**30,
        masks: Masks | None = None,
    ) -> None:
        self._masks = masks
        self.files = {name: pair for name, pair in files.items() if _fit(*pair, scale, crop)}
        self._kept: dict[str, Pair | None] = {}
        self._room = memory_limit
        if not self.files:
            expected = f"at least one pair of {crop} pixels or more whose target is {scale} times its input's size"
            raise InputError(expected, f"none in {len(files)}")

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.files)

    def __getitem__(self, index: int) -> Pair:
        """Return one pair."""
        names = list(self.files)
        for name in names[index:] + names[:index]:
            pair = self._kept[name] if name in self._kept else self._read(name)
            if pair is not None:
                return pair
        raise InputError("at least one pair that decodes", f"none in {len(names)} any more")

    def _read(self, name: str) -> Pair | None:
        low, high = decode(self.files[name][0]), decode(self.files[name][1], masks=self._masks)
        pair = None if low is None or high is None else (low, high)
        size = 0 if pair is None else sum(picture.numel() for picture in pair)
        if size <= self._room:
            self._kept[name] = pair
            self._room -= size
        return pair


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
    ) -> None:
        super().__init__(batch_size, workers, epoch_samples)
        pairing = pair_files(inputs, targets)
        for file in pairing.unmatched:
            log.warning("skipped %s: no partner of its name", file)
        usable = Pairs(pairing.pairs, scale, crop).files
        training, _ = split_files([high for _, high in usable.values()], validation)
        chosen = set(training)
        self.scale, self.validation_size = scale, validation_size
        own = None if masks is None else Masks(masks, [high for _, high in usable.values()])
        parts = [{name: pair for name, pair in usable.items() if (pair[1] in chosen) == side} for side in (True, False)]
        self.training_pairs, self.validation_pairs = (Pairs(part, scale, masks=own) for part in parts)
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
        return DataLoader(_Middles(self.validation_pairs, self.scale, self.validation_size), batch_size=1)


class _Middles(Dataset[Sample]):
    def __init__(self, pairs: Pairs, scale: int, size: int) -> None:
        self.pairs, self.scale, self.size = pairs, scale, max(1, size // scale)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        low, high = self.pairs[index]
        top, left = (max(0, (side - self.size) // 2) for side in low.shape[1:])
        bottom, right = (min(side, start + self.size) for side, start in zip(low.shape[1:], (top, left), strict=True))
        area = high[:, self.scale * top : self.scale * bottom, self.scale * left : self.scale * right]
        return _sample(low[:, top:bottom, left:right], area)


def _fit(low: Path, high: Path, scale: int, crop: int) -> bool:
    """Whether both files are pictures whose sizes go together; if not, log why."""
    sizes = picture_size(low), picture_size(high)
    if sizes[0] is None or sizes[1] is None:
        return False
    if tuple(scale * side for side in sizes[0]) != sizes[1] or min(sizes[1]) < crop:
        log.warning("skipped %s: %s for an input of %s, scale %d and crop %d", high, sizes[1], sizes[0], scale, crop)
        return False
    return True


def _sample(low: Tensor, high: Tensor) -> Sample:
    """Return input and target in [0, 1], and the mask where the target has one."""
    target, mask = parted(_unit(high))
    return (_unit(low), target) if mask is None else (_unit(low), target, mask)


def _unit(picture: Tensor) -> Tensor:
    return picture.contiguous().to(torch.float32).div_(255)
