"""Random draws of a training step that depend on (seed, step, process) alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning as L
import numpy as np
import torch


class SeededSteps(L.Callback):
    """Seed torch's, NumPy's and Python's generators before every step, by (seed, step, process).

    Whatever a step draws (a loss's geometric changes or random projections, dropout, losses of your own) is then the
    same after a kill and a resume, and no state of a generator has to be kept. :func:`fit` has it; a trainer of your
    own takes it as a callback.

    Args:
        seed: a whole number from 0.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: L.Trainer, *_: Any) -> None:
        """Seed this step."""
        seed_all(self.seed, trainer.global_step, trainer.global_rank)


def seed_all(*numbers: int) -> None:
    """Seed torch's, NumPy's and Python's generators by some whole numbers from 0."""
    torchs, numpys, pythons = np.random.SeedSequence(numbers).generate_state(3, np.uint64)
    torch.manual_seed(int(torchs))
    np.random.seed(int(numpys % 2**32))
    random.seed(int(pythons))


@contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Seed all generators within, and leave the caller's as they were.

    >>> torch.manual_seed(1).initial_seed()
    1
    >>> with own_randomness(0):
    ...     _ = torch.rand(2)
    >>> torch.initial_seed()
    1
    """
    of_numpy, of_python = np.random.get_state(), random.getstate()
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        try:
            torch.manual_seed(seed)
            np.random.seed(seed % 2**32)
            random.seed(seed)
            yield
        finally:
            np.random.set_state(of_numpy)
            random.setstate(of_python)
