"""Photos, split and degraded, as the training loop takes them."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import lightning as L
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from perceptualloss.data.crops import Crops, Numbers, whole
from perceptualloss.data.degrade import Degradation
from perceptualloss.data.folder import Photos, builtin_photos, split_files
from perceptualloss.data.inputs import Clean, CleanCrops, CropSource, DegradeOn, Sample, joined
from perceptualloss.data.masks import Masks, MaskSource
from perceptualloss.data.room import Room
from perceptualloss.errors import InputError, check_choice, check_idle
from perceptualloss.pictures.listing import picture_files

log = logging.getLogger(__name__)


class TrainingData(L.LightningDataModule):
    """Batches of training samples, from the step at which the trainer is.

    Step s takes samples s * batch_size and on, so a resumed run goes on with the samples that it would have seen, and
    every epoch has new ones (see :class:`Numbers`). With another number of processes or batch size than before, it goes
    on with the first sample that was not seen. A subclass sets ``crops``, whose sample n depends on n and its seed
    alone, and defines ``val_dataloader`` and ``files``.

    Args:
        batch_size: samples a step (on each device).
        workers: processes that load samples; 0 loads them in the training process.
        epoch_samples: about how many samples an epoch has on all devices, rounded to whole batches, at least one.
            Unless given, ``usual_samples``; in a run by steps alone, the whole run is one epoch.
        degrade_on: where crops that are a :class:`CropSource` are degraded: one by one in the "loader", its workers if
            there are any; or on the "device" that trains, a batch at once, from crops of 8 bits, before the task sees
            the batch. The pictures are the same. "auto" is the device if that is a GPU, or a CPU without workers.
            A degradation that takes no batch (:class:`BatchDegradation`) stays in the loader, with a warning if the
            device was asked for.

    Raises:
        InputError: for impossible sizes.
    """

    crops: Dataset[Sample]
    faster = "smaller or already shrunk photos, or more room (memory_gib, cache_gib), are read faster"
    """What to do where reading is slow although all cores read."""

    def __init__(
        self, batch_size: int, workers: int, epoch_samples: int | None = None, degrade_on: DegradeOn = "auto"
    ) -> None:
        super().__init__()
        check_choice("degrade_on", degrade_on, get_args(DegradeOn))
        if epoch_samples is not None and epoch_samples < 1:
            raise InputError("epoch_samples from 1", str(epoch_samples))
        if batch_size < 1 or workers < 0:
            raise InputError("a batch_size from 1 and workers from 0", f"{batch_size} and {workers}")
        self.batch_size, self.workers, self.epoch_samples = batch_size, workers, epoch_samples
        self.degrade_on: DegradeOn = degrade_on
        self._start = 0, 0  # a batch of the run, and how many samples all processes had seen before it

    @property
    def files(self) -> list[Path]:
        """The files that are trained and validated on."""
        raise NotImplementedError

    @property
    def usual_samples(self) -> int:
        """How many samples an epoch has unless ``epoch_samples`` says it."""
        raise NotImplementedError

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the batches of an epoch, from the step at which the trainer is."""
        ranks = 1 if self.trainer is None else self.trainer.world_size
        samples = self.usual_samples if self.epoch_samples is None else self.epoch_samples
        batches = max(1, round(samples / (self.batch_size * ranks)))
        always = self.epoch_samples is not None
        sampler = Numbers(self.trainer, self.batch_size, batches, always=always, start=self._start)
        source = self._degraded_on_device()
        return DataLoader(
            self.crops if source is None else CleanCrops(source),
            self.batch_size,
            sampler=sampler,
            collate_fn=None if source is None else joined,
            num_workers=self.workers,
            worker_init_fn=_leave_signals_to_the_trainer,
            persistent_workers=self.workers > 0,
            pin_memory=self._device == "cuda",
        )

    def state_dict(self) -> dict[str, int]:
        """Return for a checkpoint how many batches and samples all processes have seen."""
        if self.trainer is None:
            return {}
        batch = self.trainer.global_step * self.trainer.accumulate_grad_batches
        before, samples = self._start
        return {"batch": batch, "samples": samples + (batch - before) * self.trainer.world_size * self.batch_size}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Go on from there."""
        if state_dict:
            self._start = state_dict["batch"], state_dict["samples"]

    @property
    def _device(self) -> str | None:
        return None if self.trainer is None else self.trainer.strategy.root_device.type

    def _degraded_on_device(self) -> CropSource | None:
        """Return the crops if their batches are degraded where they are trained on."""
        if not isinstance(self.crops, CropSource) or self.degrade_on == "loader":
            return None
        if not self.crops.inputs.degradation.batched:
            if self.degrade_on == "device":
                log.warning(
                    "%s takes no batch: the loader makes the inputs", type(self.crops.inputs.degradation).__name__
                )
            return None
        useful = self._device == "cuda" or (self._device == "cpu" and not self.workers)
        return self.crops if useful or self.degrade_on == "device" else None

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Degrade clean crops, then do what the task itself does with a batch."""
        assert self.trainer is not None
        if isinstance(batch, Clean) and isinstance(self.crops, CropSource):
            batch = self.trainer.precision_plugin.convert_input(self.crops.inputs(batch))
        return self.trainer.lightning_module.on_after_batch_transfer(batch, dataloader_idx)


class PhotoData(TrainingData):
    """Training crops and validation photos with their degraded inputs.

    Sample n of the training depends on (seed, n) alone, and step s takes samples s * batch_size and on, so a
    resumed run goes on with the samples that it would have seen.

    Args:
        degradation: what makes the input from the target.
        photos: a folder with photos; None takes the built-in ones.
        validation: how many of the folder's photos, the last by name, are for validation; below 1, what share. The
            built-in ones are split as they are.
        crop: height and width of the training targets in pixels.
        batch_size: samples a step (on each device).
        validation_size: the largest height and width of the pieces, from the middle of the validation photos,
            that are measured while training.
        shorter_side: pixels to which the shorter side of larger photos is shrunk first; None leaves them.
        seed: of crops, flips and degradations.
        workers: processes that load samples; 0 loads them in the training process.
        epoch_samples: about how many samples an epoch has on all devices, rounded to whole batches, at least one.
            Unless given, one crop for each photo; in a run by steps alone, the whole run is one epoch.
        masks: "alpha", or a folder, for masks that say which pixels of the targets count (see :class:`Masks`): batches
            then are (input, target, mask).
        degrade_on: as :class:`TrainingData`; validation photos are always degraded one by one in the loader.
        memory_gib: gibibytes of memory for decoded photos, which loading processes share.
        cache_gib: gibibytes of the disk for decoded photos beyond that, in :func:`cache_folder`; 0 for none.

    Raises:
        InputError: for a folder without usable pictures, a crop that does not fit, or impossible sizes.
    """

    crops: CropSource

    def __init__(
        self,
        degradation: Degradation,
        photos: Path | None = None,
        *,
        validation: float = 0.1,
        crop: int = 64,
        batch_size: int = 16,
        validation_size: int = 192,
        shorter_side: int | None = None,
        seed: int = 0,
        workers: int = 0,
        epoch_samples: int | None = None,
        masks: MaskSource | None = None,
        degrade_on: DegradeOn = "auto",
        memory_gib: float = 2.0,
        cache_gib: float = 20.0,
    ) -> None:
        super().__init__(batch_size, workers, epoch_samples, degrade_on)
        if photos is None:
            where = "without a folder of photos: the built-in ones have theirs"
            check_idle({"validation": validation}, {"validation": 0.1}, where)
        self.degradation, self.validation_size = degradation, validation_size
        files = builtin_photos() if photos is None else picture_files(photos)
        own = None if masks is None else Masks(masks, files)
        usable = Photos(files, min_size=crop, memory_limit=0, shorter_side=shorter_side, masks=own)
        if photos is None:
            training, held_out = builtin_photos("training"), builtin_photos("validation")
        else:  # after unusable files are out, so that they do not make up the validation photos
            training, held_out = split_files(usable.files, validation)
        room = Room(memory_gib, cache_gib)
        self.validation_photos = usable.only(held_out)
        self._middles = usable.only(held_out, room.for_validation, middle=validation_size)
        self.training_photos = usable.only(training, room.memory - self._middles.kept.in_memory, room.cache())
        room.say(self.training_photos.kept)
        self.crops = Crops(self.training_photos, degradation, crop, samples=sys.maxsize, seed=seed)

    @property
    def files(self) -> list[Path]:
        """The photos in use."""
        return [*self.training_photos.files, *self.validation_photos.files]

    @property
    def usual_samples(self) -> int:
        """One for each photo."""
        return len(self.training_photos)

    def val_dataloader(self) -> DataLoader[Sample]:
        """Return the middle of each validation photo, one at a time because their sizes may differ."""
        return DataLoader(_Middles(self._middles, self.degradation), batch_size=1)

    def validation_pairs(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Yield (name, input, target) of every validation photo, each (1, 3, H, W)."""
        for i, (file, photo) in enumerate(self.validation_photos.found()):
            low, high = whole(photo, self.degradation, seed=i)[:2]
            yield file.stem, low[None], high[None]


def _leave_signals_to_the_trainer(_: int) -> None:
    """Ignore what is sent to the whole group of processes: the trainer finishes its step, and then ends its workers."""
    for name in ("SIGINT", "SIGTERM", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


class _Middles(IterableDataset[Sample]):
    """The middles that decode and of which something counts; in turn, because only decoding shows which these are."""

    def __init__(self, photos: Photos, degradation: Degradation) -> None:
        self.photos, self.degradation, self.said = photos, degradation, False

    def __iter__(self) -> Iterator[Sample]:
        """Go through them."""
        count = left_out = 0
        for _, photo in self.photos.found():
            if len(photo) > 3 and not photo[3].any():
                left_out += 1
                continue
            yield whole(photo, self.degradation, seed=count)
            count += 1
        if left_out and not self.said:
            log.warning("skipped the middles of %d validation photos: nothing counts", left_out)
            self.said = True
        if not count:
            got = f"none of {len(self.photos)}, of {left_out} of which nothing counts"
            raise InputError("validation photos that decode and of whose middles something counts", got)
