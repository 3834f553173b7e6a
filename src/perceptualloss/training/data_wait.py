"""How long the network waits for pictures."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from typing import Any, Protocol

import lightning as L
import torch

log = logging.getLogger(__name__)

NAME = "waiting for data"  # of the curve: a share of the time
LOUD = 0.1  # the share from which it is told
LONG = 30.0  # seconds of steps from which the line in the end means something
_EVERY = 10  # steps between two points of the curve


class Gaps(Protocol):
    """Adds up the gaps between steps."""

    def step_ended(self) -> None:
        """Begin a gap."""

    def step_begins(self) -> None:
        """End it."""

    def seconds(self) -> float:
        """Return the sum so far."""


class ClockGaps:
    """Of steps that are over when they return, as on a CPU."""

    def __init__(self) -> None:
        self._since, self._sum = time.perf_counter(), 0.0

    def step_ended(self) -> None:
        """Begin a gap."""
        self._since = time.perf_counter()

    def step_begins(self) -> None:
        """End it."""
        self._sum += time.perf_counter() - self._since

    def seconds(self) -> float:
        """Return the sum so far."""
        return self._sum


class CudaGaps:
    """Of steps that a GPU works on after they have returned: only what it stands still counts."""

    def __init__(self) -> None:
        self._gaps: deque[tuple[torch.cuda.Event, torch.cuda.Event]] = deque()
        self._sum = 0.0
        self.step_ended()

    def step_ended(self) -> None:
        """Begin a gap where the work that is queued ends."""
        self._ended = _now_on_the_gpu()

    def step_begins(self) -> None:
        """End it where the GPU gets here, which is at once if it had nothing to do."""
        self._gaps.append((self._ended, _now_on_the_gpu()))

    def seconds(self) -> float:
        """Return the sum of the gaps that the GPU has passed; it does not wait for it."""
        while self._gaps and self._gaps[0][1].query():
            ended, begun = self._gaps.popleft()
            self._sum += ended.elapsed_time(begun) / 1000
        return self._sum


def _now_on_the_gpu() -> torch.cuda.Event:
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


class DataWait(L.Callback):
    """Measures which share of the time steps wait for their batches: to be read, cut, degraded and moved to the device.

    TensorBoard has it as ``waiting for data``, over the last ten steps. From ``LOUD`` on the progress line shows it,
    and after ``LONG`` a line in the end says it of the whole training, and what helps. Validations and checkpoints do
    not count, nor does the first batch, for which worker processes start. Let it be the last callback: what others do
    after a step would count as waiting.
    """

    def __init__(self) -> None:
        self._gaps: Gaps | None = None
        self._whole, self._since = 0.0, 0.0
        self._loud = False
        self._point = (0.0, 0.0)  # waited and whole at the last point of the curve

    @property
    def share(self) -> float:
        """The share of the time so far, 0 before the second step."""
        return self._gaps.seconds() / self._whole if self._gaps is not None and self._whole else 0.0

    def on_train_start(self, *_: Any) -> None:
        """Forget what was measured before."""
        self.__init__()  # type: ignore[misc]

    def on_train_batch_start(self, *_: Any) -> None:
        """Count what the step has waited."""
        if self._gaps is not None:
            self._gaps.step_begins()

    def on_train_batch_end(self, trainer: L.Trainer, task: L.LightningModule, *_: Any) -> None:
        """Count the step; now and then tell the share of the last ones."""
        now = time.perf_counter()
        if self._gaps is None:
            self._gaps = CudaGaps() if trainer.strategy.root_device.type == "cuda" else ClockGaps()
        else:
            self._whole += now - self._since
            if trainer.fit_loop.total_batch_idx % _EVERY == _EVERY - 1:
                waited = self._gaps.seconds()
                share = (waited - self._point[0]) / max(1e-9, self._whole - self._point[1])
                self._point = waited, self._whole
                for logger in trainer.loggers:
                    logger.log_metrics({NAME: share}, step=trainer.global_step)
                self._loud |= share >= LOUD
                if self._loud:
                    task.log(NAME, share, prog_bar=True, logger=False)
        self._begin()

    def on_validation_end(self, *_: Any) -> None:
        """Leave the validation out."""
        self._begin()

    def on_train_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Say it of the whole training."""
        if trainer.is_global_zero and self._whole >= LONG and self.share >= LOUD:
            data = getattr(trainer, "datamodule", None)
            log.warning(self.in_words(getattr(data, "workers", None), getattr(data, "faster", "")))

    def in_words(self, workers: int | None, faster: str = "") -> str:
        """Return the line in the end.

        Args:
            workers: processes that load, where they are known.
            faster: what helps where there are as many of them as cores.
        """
        line = f"the network waited {self.share:.0%} of the time for pictures"
        if workers is None or workers >= (os.cpu_count() or 1):
            return f"{line}: {faster or 'smaller or already shrunk photos are read faster'}"
        return f"{line}: raise workers, now {workers}"

    def _begin(self) -> None:
        self._since = time.perf_counter()
        if self._gaps is not None:
            self._gaps.step_ended()
