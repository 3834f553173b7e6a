"""Which samples a step of a training takes: numbers that follow from the step alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import lightning as L
from torch.utils.data import Dataset, DistributedSampler


class Numbers(DistributedSampler[int]):
    """The numbers of the samples of one epoch, batch after batch, each process taking its own.

    They begin where the trainer is when the epoch, or what a resume leaves of it, begins: every epoch and every resumed
    run goes on with samples that were not seen. Run by steps alone, the whole run is one epoch. A DistributedSampler,
    because a Trainer of one's own would put another one in the place of any other sampler.

    Args:
        trainer: of which the step is taken; without one, numbers begin at 0.
        batch_size: samples a batch, in each process.
        batches: batches of an epoch in each process.
        always: whether these make an epoch in a run by steps alone, too.
    """

    def __init__(self, trainer: L.Trainer | None, batch_size: int, batches: int, *, always: bool = False) -> None:
        ranks, rank = (trainer.world_size, trainer.global_rank) if trainer else (1, 0)
        super().__init__(cast(Dataset[int], range(ranks)), num_replicas=ranks, rank=rank, shuffle=False)
        self.trainer, self.batch_size, self.batches = trainer, batch_size, batches
        if trainer is not None and trainer.max_epochs == -1 and trainer.max_steps != -1 and not always:
            self.batches = trainer.max_steps * trainer.accumulate_grad_batches

    def __len__(self) -> int:
        """Return how many samples an epoch has in each process."""
        return self.batches * self.batch_size

    def __iter__(self) -> Iterator[int]:
        """Yield the numbers from the trainer's step on."""
        seen = self.trainer.global_step * self.trainer.accumulate_grad_batches if self.trainer else 0
        for batch in range(seen, seen + self.batches):
            first = (batch * self.num_replicas + self.rank) * self.batch_size
            yield from range(first, first + self.batch_size)
