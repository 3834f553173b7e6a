"""What shows how a training goes: the progress bar, and pictures for TensorBoard."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import lightning as L
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from rich.progress import TaskID
from torch import Tensor
from torch.nn import functional as F

from perceptualloss.bars import EVERY, bars
from perceptualloss.training.precision import precision_word
from perceptualloss.training.schedule import run_steps


class ProgressBar(L.Callback):
    """Show the steps of the whole run, those before a resume included, with the loss and the PSNR of the last one.

    Lightning's own bars count the batches of an epoch; here samples are drawn at random and there are no epochs.
    """

    EVERY = 10  # steps between updates: reading the loss waits for the GPU

    def __init__(self) -> None:
        self.bar = bars(steps=True)
        self.task: TaskID | None = None
        self.steps, self.last = math.inf, 0.0

    def on_train_start(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Show the bar where the run stands."""
        if trainer.is_global_zero:
            self.steps = run_steps(trainer)
            total = None if self.steps == math.inf else self.steps
            self.task = self.bar.add_task(
                f"Training in {precision_word(trainer)}", total=total, completed=trainer.global_step, note=""
            )
            self.bar.start()

    def on_train_batch_end(self, trainer: L.Trainer, task: L.LightningModule, *_: Any) -> None:
        """Move it one step on."""
        if self.task is None:
            return
        due = trainer.global_step % self.EVERY == 0 or trainer.global_step == self.steps
        if due or time.monotonic() - self.last >= EVERY:  # steps may take minutes
            self.last = time.monotonic()
            values = trainer.progress_bar_metrics.items()
            note = " ".join(f"{name.removeprefix('train ')} {float(value):.3g}" for name, value in values)
            self.bar.update(self.task, completed=trainer.global_step, note=note)

    def on_train_end(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Leave the full bar."""
        self.bar.stop()

    def on_exception(self, trainer: L.Trainer, task: L.LightningModule, exception: BaseException) -> None:
        """Give the terminal back."""
        self.bar.stop()


@runtime_checkable
class ShowsPictures(Protocol):
    """A task that has pictures to look at."""

    def pictures(self, batch: Any) -> dict[str, Tensor]:
        """Return the pictures of a row by name, (N, 3, H, W); the last one says the size."""


class ImageRows(L.Callback):
    """Write rows of pictures, such as input | output | target, to TensorBoard at every validation.

    Args:
        rows: how many validation photos.
        size: height and width of the piece, from the photo's middle, in pixels of the target.
    """

    def __init__(self, rows: int = 4, size: int = 256) -> None:
        self.rows, self.size = rows, size

    def on_validation_batch_end(
        self, trainer: L.Trainer, task: L.LightningModule, outputs: Any, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        """Add the row of one photo."""
        logger = trainer.logger
        if batch_idx >= self.rows or trainer.sanity_checking or not isinstance(logger, TensorBoardLogger):
            return
        if not isinstance(task, ShowsPictures):
            return
        with torch.no_grad():
            pictures = task.pictures(batch)
        row = image_row(list(pictures.values()), self.size)
        logger.experiment.add_image(f"{' | '.join(pictures)}/{batch_idx}", row.cpu().numpy(), trainer.global_step)


def image_row(pictures: Sequence[Tensor], size: int) -> Tensor:
    """Return the middles of pictures side by side, (3, h, n * w), at the last one's size (without smoothing)."""
    height, width = pictures[-1].shape[-2:]
    same = [F.interpolate(picture.float(), size=(height, width), mode="nearest") for picture in pictures]
    top, left = max(0, (height - size) // 2), max(0, (width - size) // 2)
    return torch.cat([x[0, :, top : top + size, left : left + size] for x in same], dim=-1).clamp(0, 1)
