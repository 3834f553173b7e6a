"""Training data out of shards, as the training loop takes them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import DataLoader

from perceptualloss.data.degrade import Degradation
from perceptualloss.data.inputs import DegradeOn, Sample
from perceptualloss.data.module import TrainingData
from perceptualloss.data.picture_cache import cache_folder
from perceptualloss.data.shards.crops import HeldOut, ShardCrops, ShardPictures, shards_in_group
from perceptualloss.data.shards.index import Index
from perceptualloss.data.shards.names import is_address
from perceptualloss.data.shards.store import Store
from perceptualloss.errors import InputError

log = logging.getLogger(__name__)

HELD_OUT = 256  # pictures, the most that a share of them keeps for validation
_GROUPS = 3  # that the folder of copies must hold: the one that is read, the next, and that of the first samples


class ShardData(TrainingData):
    """Training crops and validation pictures out of shards.

    A shard is a tar file with many pictures. It lies on this machine or in an object store. :func:`pack` makes shards
    of a folder.

    **The same samples on any machine.** Sample n depends on (seed, n) alone. It does not depend on how many processes,
    machines or workers there are, or on where a run was interrupted.

    **Order.** In each epoch every picture comes once. Shards are read in groups of about 2 GiB, and the pictures of a
    group are shuffled together. Every machine reads all shards of a group.

    A sample is (input, target), float32 in [0, 1]: (3, crop / scale, crop / scale) and (3, crop, crop).

    Args:
        degradation: makes the input from the target.
        shards: their paths or addresses.
        validation: how many pictures are kept for validation and never trained on. They are the last ones of the last
            shards. A number below 1 is a share of all, at most 256 pictures.
        crop: height and width of the training targets in pixels.
        batch_size: samples a step, on each device.
        validation_size: of each validation picture the middle is measured; this is its largest height and width in
            pixels.
        shorter_side: pixels to which the shorter side of larger pictures is shrunk first; None leaves them.
        seed: of the order, the crops, the flips and the degradation.
        workers: processes that load samples.
        epoch_samples: as in :class:`PhotoData`; by default one crop for each picture.
        cache_gib: copies of shards from afar take at most this many GiB.
        folder: where these copies are kept; None is a folder of the package's cache.
        degrade_on: as in :class:`TrainingData`.

    Raises:
        InputError: for shards that are missing, broken or without pictures that can be used; too little room for
            copies; or sizes that cannot be.
    """

    faster = "pictures that are packed smaller (pack --shorter-side, or --tile) are read faster"

    def __init__(
        self,
        degradation: Degradation,
        shards: Sequence[str],
        *,
        validation: float = 0.1,
        crop: int = 64,
        batch_size: int = 16,
        validation_size: int = 192,
        shorter_side: int | None = None,
        seed: int = 0,
        workers: int = 0,
        epoch_samples: int | None = None,
        cache_gib: float = 20.0,
        folder: Path | None = None,
        degrade_on: DegradeOn = "auto",
    ) -> None:
        super().__init__(batch_size, workers, epoch_samples, degrade_on)
        store = Store(folder or cache_folder() / "shards", cache_gib * 2**30)
        self.pictures = ShardPictures(store, shards, crop, shorter_side)
        _check_room(shards, self.pictures.indexes, cache_gib)
        usable = [len(numbers) for numbers in self.pictures.usable]
        counts = training_counts(usable, held_out(sum(usable), validation))
        left_out = [(shard, n) for shard, count in enumerate(counts) for n in range(count, usable[shard])]
        self.held_out = HeldOut(self.pictures, left_out, degradation, validation_size)
        self.crops: ShardCrops = ShardCrops(self.pictures, counts, degradation, crop, seed)

    @property
    def files(self) -> list[Path]:
        """The shards that lie on this machine; :meth:`record` names all."""
        return [Path(shard) for shard in self.pictures.shards if not is_address(shard)]

    def record(self) -> dict[str, Any]:
        """Return what a run notes of its data: folders of the shards, numbers, and a hash of all names and sizes."""
        shards, indexes = self.pictures.shards, self.pictures.indexes
        named = [shard if is_address(shard) else str(Path(shard).resolve()) for shard in shards]
        digest = hashlib.sha256("\n".join(index.digest() for index in indexes).encode()).hexdigest()[:16]
        folders = sorted({shard.rpartition("/")[0] for shard in named})
        return {"folders": folders, "files": len(shards), "pictures": len(self.pictures), "names_and_sizes": digest}

    @property
    def usual_samples(self) -> int:
        """How many samples an epoch has by default: one for each picture."""
        return self.crops.order.pictures

    def val_dataloader(self) -> DataLoader[Sample]:
        """Return the middles of the validation pictures, one at a time because their sizes may differ.

        Raises:
            InputError: if none of them decodes.
        """
        if not self.held_out:
            raise InputError("validation pictures that decode", "none")
        return DataLoader(self.held_out, batch_size=1)


def held_out(pictures: int, validation: float) -> int:
    """Return how many pictures are kept for validation.

    Args:
        pictures: how many there are.
        validation: a number from 1; or a share below 1, of which at most 256 are kept.

    Raises:
        InputError: if nothing is left for training, or for validation.

    >>> held_out(50, 0.1), held_out(50, 3), held_out(10**6, 0.1)
    (5, 3, 256)
    """
    count = int(validation) if validation >= 1 else min(HELD_OUT, max(1, round(validation * pictures)))
    if not (validation > 0 and 0 < count < pictures):
        got = f"{pictures} pictures of which {validation:g} are for validation"
        raise InputError("at least one picture each for training and validation", got)
    if validation < 1 and count < round(validation * pictures):
        log.warning(
            "validation: the last %d pictures, and not %g of %d; a number takes more", count, validation, pictures
        )
    return count


def training_counts(usable: Sequence[int], held: int) -> list[int]:
    """Return how many pictures of each shard are for training.

    Args:
        usable: how many pictures each shard has.
        held: how many of the last ones are kept for validation.

    >>> training_counts([4, 3, 2], 3)
    [4, 2, 0]
    """
    left = sum(usable) - held
    before = np.cumsum([0, *usable])[:-1]
    return [int(min(count, max(0, left - first))) for count, first in zip(usable, before, strict=True)]


def _check_room(shards: Sequence[str], indexes: Sequence[Index], cache_gib: float) -> None:
    """Raise InputError if the groups of shards that are needed at once do not fit into the folder of copies."""
    sizes = sorted(
        (index.size for shard, index in zip(shards, indexes, strict=True) if is_address(shard)), reverse=True
    )
    least = sum(sizes[: _GROUPS * shards_in_group(indexes)]) / 2**30
    if least > cache_gib:
        remedy = f"Set cache_gib to {least:.1f} or more, or pack smaller shards."
        raise InputError(f"room for {least:.1f} GiB of shards", f"a cache of {cache_gib:g} GiB", remedy)
