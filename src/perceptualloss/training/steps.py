"""How many steps a run has, whether its trainer was told steps or epochs."""

from __future__ import annotations

import math
from collections.abc import Callable

import lightning as L

from perceptualloss.training.schedule import Schedule


def run_steps(trainer: L.Trainer) -> float:
    """Return the optimiser steps of a run: by ``max_steps``, or by the epochs and the length of the training data.

    Infinite where nobody can know: a run by ``max_time`` alone, or epochs of data without a length. Call it where the
    trainer has its data, or where it may load them: not before a checkpoint is restored if workers load samples.
    """
    steps = trainer.estimated_stepping_batches
    return steps if steps >= 0 else math.inf


def over_run(schedule: Schedule, trainer: L.Trainer, warm_up: int = 0) -> Callable[[int], float]:
    """Return the factor of the learning rate by step, over the run of a trainer.

    The first step's is the same in a run of any length. So building a scheduler does not load the data, whose workers
    would begin with samples from before a resume.
    """

    def factor(step: int) -> float:
        return schedule.at_step(step, run_steps(trainer) if step else math.inf, warm_up)

    return factor
