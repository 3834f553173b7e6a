"""When a run's state is written: every so many steps, every few minutes, and before it stops on a signal."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L

from perceptualloss.errors import TrainingInterrupted
from perceptualloss.training.checkpoints import save_checkpoint
from perceptualloss.training.processes import Agreement


class BetweenSteps(L.Callback):
    """Something that is done after a step when all of it is done, its validation included.

    A checkpoint from before the validation would lose that: after a resume, the trainer goes on with the next step.
    """

    def after_step(self, trainer: L.Trainer) -> None:
        """Do it."""
        raise NotImplementedError

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Do it now, unless a validation follows."""
        if not _validation_follows(trainer):
            self.after_step(trainer)

    def on_validation_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Do it after the validation."""
        if not trainer.sanity_checking and trainer.state.fn == "fit":
            self.after_step(trainer)


def _validation_follows(trainer: L.Trainer) -> bool:
    every = trainer.val_check_batch
    return trainer.enable_validation and every is not None and (trainer.fit_loop.total_batch_idx + 1) % every == 0


class SaveCheckpoint(BetweenSteps):
    """Write a checkpoint after one step.

    Args:
        folder: of a run of its own; the file goes into its ``checkpoints/``.
        at: the step.
    """

    def __init__(self, folder: Path, at: int) -> None:
        self.folder, self.at = folder, at

    def after_step(self, trainer: L.Trainer) -> None:
        """Write it if the step is right, and finite."""
        if trainer.global_step == self.at:
            save_checkpoint(trainer, self.folder)


class KeepState(BetweenSteps):
    """Write checkpoints now and then; on Ctrl-C or SIGTERM, write one and raise :class:`TrainingInterrupted`.

    Of several processes, all stop after the same step, whichever got the signal. A second Ctrl-C stops at once,
    without a checkpoint.

    Args:
        folder: the run's.
        every: steps between two checkpoints.
        minutes: at most so many are between two of them, but for the length of a step and its validation.
    """

    # SIGUSR1 is how SLURM warns of the end of a job's time.
    SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name))

    def __init__(self, folder: Path, every: int, minutes: float) -> None:
        self.folder, self.every, self.seconds = folder, every, 60 * minutes
        self.asked = self._due = False
        self._written, self._at = 0.0, -1  # when, and after which step
        self._agreement = Agreement()
        self._before: dict[int, Any] = {}

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen while a training runs, where Python lets a thread listen; give the signals back after it."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.getsignal(number) for number in self.SIGNALS}
            self._listen()
        try:
            yield
        finally:
            self._give_back()
            self._agreement.close()

    def on_train_start(self, trainer: L.Trainer, *_: Any) -> None:
        """Start the clock; take SIGTERM back from Lightning, whose answer stops without a checkpoint."""
        if self._before and not self.asked:
            self._listen()
        self._written, self._at = time.monotonic(), trainer.global_step
        self._agreement.open()

    def after_step(self, trainer: L.Trainer) -> None:
        """Write a checkpoint if it is time; stop here if asked to."""
        late = time.monotonic() - self._written >= self.seconds
        stop, late = self._agreement.on(self.asked, late)
        if stop or late or self._due or trainer.global_step % self.every == 0:
            self.save(trainer)
        if stop:
            raise TrainingInterrupted(self.folder)

    def save(self, trainer: L.Trainer) -> None:
        """Write a checkpoint, unless there is one of this step; after one that is not finite, at the next that is."""
        if trainer.global_step != self._at:
            self._due = not save_checkpoint(trainer, self.folder)
            if self._due:
                return
        self._written, self._at = time.monotonic(), trainer.global_step

    def _listen(self) -> None:
        for number in self._before:
            signal.signal(number, self._ask)

    def _ask(self, *_: Any) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, self._before[signal.SIGINT])  # so that a second Ctrl-C stops at once

    def _give_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
