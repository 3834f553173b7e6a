"""The moving average of a network's weights, which is steadier than the weights of any single step."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import PARAM_LIST, AveragedModel
from torch.utils.data import DataLoader, IterableDataset

from perceptualloss.data.crops import Numbers
from perceptualloss.errors import InputError
from perceptualloss.numerics import count_not_finite
from perceptualloss.training.processes import world_size
from perceptualloss.training.randomness import own_randomness

log = logging.getLogger(__name__)
BATCHES = 32  # of training samples, from which the statistics of batch norms are estimated


def moving_average(network: nn.Module, decay: float) -> AveragedModel:
    r"""Return a copy of ``network`` whose :meth:`update_parameters` follows it.

    After update n (from 0), :math:`\bar W \leftarrow d_n \bar W + (1 - d_n) W` with
    :math:`d_n = \min(d, \frac{1 + n}{10 + n})`; the first one copies. So a short run forgets its first weights,
    too. Buffers are copied; statistics of batch norm that the average is used with are to be estimated anew
    (:class:`AverageStatistics`). Weights that are not all finite are not followed: one NaN would stay for ever.

    Args:
        network: is copied, and left as it is.
        decay: :math:`d`, above 0 and below 1: 0.999 averages over about the last 1000 steps.

    Raises:
        InputError: for another decay.

    Source: Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992; the rising decay is
    TensorFlow's ``ExponentialMovingAverage``.

    >>> weight = nn.Linear(1, 1, bias=False)
    >>> average = moving_average(weight, 0.5)
    >>> for value in (1.0, 2.0):
    ...     _ = weight.weight.data.fill_(value)
    ...     average.update_parameters(weight)
    >>> round(average.module.weight.item(), 4)  # 2/11 of the first and 9/11 of the second
    1.8182
    """
    if not 0 < decay < 1:
        raise InputError("the decay of the average (ema) above 0 and below 1", repr(decay), "Such as 0.999.")

    @torch.no_grad()
    def follow(averages: PARAM_LIST, currents: PARAM_LIST, count: Tensor | int) -> None:
        kept = min(decay, (1 + int(count)) / (10 + int(count)))
        well = count_not_finite(currents) == 0  # stays on the device
        followed = [torch.where(well, current, average) for current, average in zip(currents, averages, strict=True)]
        torch._foreach_lerp_(averages, followed, 1 - kept)

    average = AveragedModel(network, multi_avg_fn=follow)
    return average.requires_grad_(False)


class AverageStatistics:
    """Mean and variance in the batch norms of an average, estimated with its own weights.

    Those of the network that is trained, which the average copies at every step, are of other features. Here each is
    the mean over 32 batches of training samples (the variance, of each batch's unbiased one), the same at every call:
    the run's first ones from :class:`TrainingData`; from a DataLoader of one's own those that its sampler gives, with
    all generators seeded. So they follow from the average alone, and a resumed run has the same bits. Norms that are
    not trained keep theirs. On several devices each has its part of the batches, as in training, and the norms, which
    are joined, agree.

    Where training data are no DataLoader over numbered samples, a warning says that the copied ones stay.

    Attributes:
        fresh: whether the statistics belong to the average as it is.
    """

    def __init__(self) -> None:
        self.fresh = False
        self._norms: list[tuple[_BatchNorm, _BatchNorm]] = []
        self._trained: list[_BatchNorm] = []
        self._warned = False

    def begin(self, network: nn.Module, average: AveragedModel | None) -> None:
        """Find the norms, once the trainer has put joined ones in their places where it does."""
        if average is not None:
            self._norms = list(zip(_batch_norms(network), _batch_norms(average.module), strict=True))
        self._find_trained()

    def on_step(self) -> None:
        """Take note that the average is about to change, and of which norms are trained, before evaluation hides it."""
        self.fresh = False
        self._find_trained()

    def renew(self, trainer: L.Trainer, task: nn.Module, run: Callable[[Any, int], Any]) -> None:
        """Estimate the statistics, unless they are fresh or there are none; all processes call it at once.

        Args:
            trainer: that trains.
            task: is left as it is, but for the statistics.
            run: shows batch n to the average as a step shows it to the network, in evaluation mode of the task.
        """
        if self.fresh or not self._trained:
            return
        device = next(task.parameters()).device
        if world_size() > 1 and device != trainer.strategy.root_device:  # after the end: joined norms run on GPUs alone
            self._warn(trainer, "the run had ended before")
            return
        loader = trainer.train_dataloader
        if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
            self._warn(trainer, "the training data are no DataLoader over numbered samples")
            return
        old = [value.clone() for norm in self._trained for value in norm.buffers()]
        with torch.no_grad(), own_randomness(0), _estimating(task, self._trained):
            for number, batch in enumerate(_batches(loader)):
                converted = trainer.precision_plugin.convert_input(batch)
                prepared = trainer.lightning_module._on_before_batch_transfer(converted)  # the user's hook
                moved = trainer.strategy.batch_to_device(prepared, device)
                with trainer.precision_plugin.val_step_context():
                    run(moved, number)
        new = [value for norm in self._trained for value in norm.buffers()]
        self.fresh = not count_not_finite(new)
        if not self.fresh:
            for value, before in zip(new, old, strict=True):
                value.copy_(before)
            self._warn(trainer, "those of the average are not finite")

    def _find_trained(self) -> None:
        self._trained = [norm for own, norm in self._norms if own.training and own.track_running_stats]

    def _warn(self, trainer: L.Trainer, why: str) -> None:
        if trainer.is_global_zero and not self._warned:
            log.warning("the average keeps the batch norm statistics of the network in training: %s", why)
        self._warned = True


def _batch_norms(network: nn.Module) -> list[_BatchNorm]:
    return [module for module in network.modules() if isinstance(module, _BatchNorm)]


@contextmanager
def _estimating(task: nn.Module, norms: Sequence[_BatchNorm]) -> Iterator[None]:
    """Let these norms take the mean over all batches within, in evaluation mode but for them."""
    modes = {module: module.training for module in task.modules()}
    momenta = [norm.momentum for norm in norms]
    try:
        task.eval()
        for norm in norms:
            norm.train()
            norm.momentum = None  # a mean, in which all batches weigh the same
            norm.reset_running_stats()
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, mode in modes.items():
            module.training = mode


def _batches(loader: DataLoader[Any]) -> Iterator[Any]:
    """Give batches of a loader's samples, read in this process, so that its workers are left to the training."""
    sampler: Any = loader.sampler
    if isinstance(sampler, Numbers):
        numbers: list[Any] = [list(sampler.of_batch(n)) for n in range(BATCHES)]
    else:
        generator = getattr(sampler, "generator", None) or torch.Generator()
        state = generator.get_state()
        numbers = list(islice(iter(loader.batch_sampler or sampler), BATCHES))
        generator.set_state(state)
    for item in numbers:
        whole = loader.batch_sampler is None  # each sample is a batch
        yield loader.collate_fn(loader.dataset[item] if whole else [loader.dataset[number] for number in item])
