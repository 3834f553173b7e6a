"""What is not finite: gradients are counted and left out, and a training that has gone wrong stops and says so."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, NoReturn

import lightning as L
import torch
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.numerics import count_not_finite

log = logging.getLogger(__name__)
# As many steps as this, without a finite one between them, are no accident: bf16 gives one now and then, and the scale
# of fp16, which starts at 2**16 and is halved at each, has fallen to nothing by then.
IN_A_ROW = 20
READ_EVERY = 10  # steps; reading waits for the GPU
REMEDY = "Lower the learning rate, or train in 32 bits (precision fp32); look at the loss and at the pictures."


def gradients(parameters: Iterable[Tensor]) -> Iterator[Tensor]:
    """Give the gradients of those parameters that have one."""
    return (parameter.grad for parameter in parameters if parameter.grad is not None)


def zero_not_finite(parameters: Iterable[Tensor]) -> None:
    """Set what of the gradients is not finite to zero; does not wait for a GPU.

    bf16 gives such entries now and then, and Adam would keep them for good. To be called before gradients are clipped:
    their norm would spread one such entry to all.
    """
    for gradient in gradients(parameters):
        gradient.nan_to_num_(0.0, 0.0, 0.0)


def state_of(trainer: L.Trainer) -> dict[str, Tensor]:
    """Return all numbers that a checkpoint holds of networks, their averages and optimisers, by name."""
    state = {name: value for name, value in trainer.lightning_module.state_dict().items() if isinstance(value, Tensor)}
    for number, optimizer in enumerate(trainer.optimizers):
        for entry, values in enumerate(optimizer.state.values()):
            for name, value in values.items():
                if isinstance(value, Tensor):
                    state[f"optimizer {number}'s {name} of parameter {entry}"] = value
    return state


class Counts(NamedTuple):
    """What was counted.

    Attributes:
        row: the last so many steps all had a loss or a gradient that is not finite.
        steps: how many steps had, in the whole run.
        first: the first of them, counted from 1; 0 for none.
        entries: how many entries of its gradient were not finite.
        of: of so many.
        loss: 1 if its loss was not finite.
        state: how many entries of weights, averages and optimisers are not finite now.
    """

    row: int
    steps: int
    first: int
    entries: int
    of: int
    loss: int
    state: int


class NotFinite(InputError):
    """A training that has gone wrong and was stopped.

    Attributes:
        suspect: a checkpoint of this step is no good one, if the run went on after it: its weights gave what is not
            finite. None if there is no such step.
    """

    def __init__(self, expected: str, got: str, suspect: int | None, kept: str = "") -> None:
        super().__init__(expected, got, f"{kept} {REMEDY}".strip())
        self.suspect = suspect

    def with_kept(self, kept: str) -> NotFinite:
        """Return the same error with a sentence on which checkpoint is the last good one."""
        return NotFinite(self.expected, self.got, self.suspect, kept)


class WatchFinite(L.Callback):
    """Count the steps whose loss or gradient is not finite; warn of the first; stop where it is no accident.

    The training stops, with :class:`NotFinite`, after 20 such steps in a row (or where it ends in two), and where a
    weight, an average of weights or an optimiser's state is not finite, which no further step can mend. This is looked
    at every 10 steps. A callback for any task; :func:`fit` and the tasks of this package have it. "steps not finite" is
    logged, and a checkpoint has the counts, so that a resumed run counts on.
    """

    def __init__(self) -> None:
        self._counts = torch.zeros(6, dtype=torch.int64)  # all of Counts but the state
        self._entries = self._loss = torch.tensor(0)
        self._of, self._began, self._warned = 0, 0, False
        self._nan_metrics: set[str] = set()

    def on_train_start(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Bring the counts to the device."""
        self._counts = self._counts.to(task.device)
        self._began, self._warned = trainer.global_step, bool(self._counts[1])
        self._forget()

    def on_before_backward(self, trainer: L.Trainer, task: L.LightningModule, loss: Tensor) -> None:
        """Look at a loss."""
        self._loss = self._loss | count_not_finite([loss.detach()]).clamp(max=1)

    def on_after_backward(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Look at the gradient, before it is clipped."""
        grads = list(gradients(task.parameters()))
        self._entries = self._entries + count_not_finite(grads)
        self._of += sum(gradient.numel() for gradient in grads)

    def on_train_batch_end(self, trainer: L.Trainer, task: L.LightningModule, *_: Any) -> None:
        """Count the step; look at the counts now and then."""
        bad = (self._entries + self._loss > 0).long()
        row, steps = (self._counts[0] + 1) * bad, self._counts[1] + bad
        step = torch.full_like(row, trainer.global_step)
        now = torch.stack([step, self._entries.to(row), torch.full_like(row, self._of), self._loss.to(row)])
        first = torch.where((steps == 1) & (bad == 1), now, self._counts[2:])
        self._counts = torch.cat([row[None], steps[None], first])
        self._forget()
        task.log("steps not finite", steps.float())
        if trainer.global_step % READ_EVERY == 0:
            self._look(trainer)

    def on_train_end(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Look once more."""
        counts = self._look(trainer)
        if counts.row >= min(2, trainer.global_step - self._began):
            self._stop(trainer, counts)
        if counts.steps > 1:
            log.warning("%d steps had a loss or gradient that is not finite.", counts.steps)

    def on_validation_start(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Remember what was not a number before."""
        self._nan_metrics = _not_numbers(trainer)

    def on_validation_end(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Warn of what is measured and is not a number."""
        if names := sorted(_not_numbers(trainer) - self._nan_metrics):
            log.warning("step %d: not a number on the validation photos: %s", trainer.global_step, ", ".join(names))

    def state_dict(self) -> dict[str, Any]:
        """Return the counts."""
        return {"counts": self._counts.tolist()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Count on."""
        self._counts = torch.tensor(state_dict["counts"], dtype=torch.int64)

    def read(self, trainer: L.Trainer) -> Counts:
        """Return the counts, the largest of any process; all processes ask at once."""
        state = count_not_finite(state_of(trainer).values()).to(self._counts)
        return Counts(*_largest(trainer, torch.cat([self._counts, state[None]])))

    def _look(self, trainer: L.Trainer) -> Counts:
        counts = self.read(trainer)
        if counts.steps and not self._warned:
            self._warned = True
            log.warning("%s", warning(counts, trainer.precision))
        if counts.row >= IN_A_ROW or counts.state:
            self._stop(trainer, counts)
        return counts

    def _stop(self, trainer: L.Trainer, counts: Counts) -> NoReturn:
        step = trainer.global_step
        if counts.state:
            bad = [name for name, value in state_of(trainer).items() if count_not_finite([value])]
            expected = "a training whose weights stay finite"
            got = f"NaN or infinity in {bad[0] if bad else 'another process'} after step {step}"
        else:
            expected = "a training whose losses and gradients are finite"
            got = f"{counts.row} steps in a row, up to step {step}, where they are not"
        suspect = step - counts.row if counts.row else None
        raise NotFinite(expected, got, suspect if suspect is not None and suspect > self._began else None)

    def _forget(self) -> None:
        """Begin to count a step."""
        self._entries = self._loss = torch.zeros_like(self._counts[0])
        self._of = 0


def is_well(trainer: L.Trainer) -> bool:
    """Whether a checkpoint is worth writing: all in it is finite, and so were the last step's loss and gradient.

    Weights may be finite and yet of no use, as after a step of 1e30; their own loss, which the next step sees, tells.
    All processes ask at once.
    """
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, WatchFinite):
            counts = callback.read(trainer)
            return not counts.state and not counts.row
    return not any(_largest(trainer, count_not_finite(state_of(trainer).values())[None]))


def warning(counts: Counts, precision: str) -> str:
    """Return what to say of the first step that is not finite.

    >>> warning(Counts(1, 1, 7, 3, 12, 0, 0), "32-true")
    'step 7: 25% of the entries of the gradient are not finite; they count as zero.'
    """
    part = f"{100 * counts.entries / max(1, counts.of):.3g}%"
    what = "the loss is not finite, and " if counts.loss else ""
    scaled = " Some such steps are how fp16 finds its scale." if precision == "16-mixed" else ""
    entries = f"{part} of the entries of the gradient are not finite; they count as zero."
    return f"step {counts.first}: {what}{entries}{scaled}"


def _largest(trainer: L.Trainer, values: Tensor) -> list[int]:
    """Return the largest of any process, element by element."""
    reduced = trainer.strategy.reduce(values, reduce_op="max")
    return [int(value) for value in reduced.tolist()] if isinstance(reduced, Tensor) else []


def _not_numbers(trainer: L.Trainer) -> set[str]:
    return {name for name, value in trainer.callback_metrics.items() if bool(torch.isnan(value).any())}
