"""How the learning rate changes over a run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import lightning as L

from perceptualloss.errors import InputError, check_choice, check_idle

Kind = Literal["cosine", "constant", "steps"]
RISE = 20  # steps over which the learning rate rises, so that Adam's first, unscaled steps do no harm


@dataclass(frozen=True)
class Schedule:
    """What the learning rate is multiplied with at each step.

    Args:
        kind: "cosine" falls to zero over the run along half a cosine, "constant" stays, "steps" falls at once at
            each of the steps in ``at``.
        at: the steps at which "steps" falls.
        factor: what it falls by there.

    Raises:
        InputError: for an unknown kind, "steps" without ``at``, or a factor outside (0, 1] or without "steps".

    >>> Schedule("steps", at=(100, 200), factor=0.5).at_step(150, steps=300)
    0.5
    """

    kind: Kind = "cosine"
    at: tuple[int, ...] = ()
    factor: float = 0.5

    def __post_init__(self) -> None:
        check_choice("kind of schedule", self.kind, get_args(Kind))
        if bool(self.at) != (self.kind == "steps"):
            raise InputError("steps at which to fall for the schedule 'steps' alone", f"{self.kind} at {self.at}")
        if self.kind != "steps":
            check_idle({"factor": self.factor}, {"factor": 0.5}, f"in the schedule {self.kind!r}")
        if not 0 < self.factor <= 1:
            raise InputError("the schedule's factor above 0 and at most 1", repr(self.factor))

    def at_step(self, step: int, steps: float, warm_up: int = 0) -> float:
        """Return the factor, in [0, 1], at a step of a run of so many.

        In a run of infinitely many (by time alone, say), the cosine stays at its start. The first 20 steps, and the
        first 20 after ``warm_up``, where the loss changes, rise to it.
        """
        since = step - warm_up if step >= warm_up else step
        rise = min(1.0, (since + 1) / RISE)
        if self.kind == "cosine":
            return rise * (1 + math.cos(math.pi * min(step / max(1, steps), 1))) / 2
        return rise * self.factor ** sum(step >= fall for fall in self.at)


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
