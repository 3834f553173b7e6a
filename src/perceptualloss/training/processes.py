"""Several processes that train one network: which of them is the first, and what all agree on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy, Strategy
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from perceptualloss.errors import InputError
from perceptualloss.losses.adversarial import Scores
from perceptualloss.training.meeting import LostProcess


class Agreement:
    """What one process wishes, all do at the same step, for a process that stops alone leaves the others waiting.

    The wishes travel over a group of their own on the CPU, so that no GPU is waited for.
    """

    def __init__(self) -> None:
        self._group: distributed.ProcessGroup | None = None

    def open(self) -> None:
        """Make the group; all processes do so at once. Nothing for a single process."""
        if distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1:
            self._group = cast(distributed.ProcessGroup, distributed.new_group(backend="gloo"))

    def on(self, *wishes: bool) -> tuple[bool, ...]:
        """Return for each wish whether any process has it; all processes ask at once."""
        if self._group is None:
            return wishes
        flags = torch.tensor(wishes, dtype=torch.int32)
        distributed.all_reduce(flags, distributed.ReduceOp.MAX, group=self._group)
        return tuple(bool(flag) for flag in flags.tolist())

    def close(self) -> None:
        """Leave the group."""
        if self._group is not None and distributed.is_initialized():
            distributed.destroy_process_group(self._group)
        self._group = None


def world_size() -> int:
    """Return how many processes train together."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


@torch.no_grad()
def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Replace every gradient by its mean over all processes, in one message; nothing for a single process.

    For gradients that DistributedDataParallel does not see, such as those of two optimisers in turn and second
    derivatives. All processes call it at once, with the same parameters.
    """
    if world_size() == 1:
        return
    gradients = [cast(Tensor, parameter.grad) for parameter in parameters]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    for gradient, mean in zip(gradients, (flat / world_size()).split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


@torch.no_grad()
def average_over_processes(value: Tensor) -> Tensor:
    """Return the mean of a tensor over all processes, which all ask at once."""
    if world_size() == 1:
        return value
    total = value.clone()
    distributed.all_reduce(total)
    return total / world_size()


def joined_scores(scores: Scores) -> Scores:
    """Return a critic's scores of the pictures of all processes, map by map (see :func:`joined`)."""
    return joined(scores) if isinstance(scores, Tensor) else [joined(one) for one in scores]


def joined(values: Tensor) -> Tensor:
    """Return the values of all R processes, (R N, ...), in their order; gradients reach this process's own alone.

    Whatever a loss makes of them, also with means of the batch, it is the joined batch's on every process. Each has its
    own part of that loss's gradient, which is multiplied by R, so that the mean over processes is the whole.
    """
    size = world_size()
    if size == 1:
        return values
    parts = [torch.empty_like(values) for _ in range(size)]
    distributed.all_gather(parts, values.detach().contiguous())
    parts[distributed.get_rank()] = values + (size - 1) * (values - values.detach())
    return torch.cat(parts)


def check_norms(network: nn.Module, processes: int) -> None:
    """Refuse batch norm that would know its own process's part of the batch alone.

    Raises:
        InputError: for a batch norm that is trained on several processes and does not ask the others.
    """
    for module in network.modules():
        if processes > 1 and isinstance(module, _BatchNorm) and module.training:
            if isinstance(module, nn.SyncBatchNorm):
                continue
            remedy = "Train it on one device, or on GPUs with Trainer(sync_batchnorm=True), which no CPU has."
            got = f"a {type(network).__name__} with batch norm on {processes} processes"
            raise InputError("norms whose statistics are those of the whole batch", got, remedy)


def check_strategy(strategy: Strategy) -> None:
    """Refuse what divides a training among devices in a way that gives other results here.

    Raises:
        InputError: for another strategy than one device or DistributedDataParallel.
    """
    if type(strategy) not in (SingleDeviceStrategy, DDPStrategy):
        remedy = "Clipping, averages and checkpoints would see parts of the weights alone; strategy='ddp' is right."
        raise InputError("one device, or the strategy 'ddp' on several", type(strategy).__name__, remedy)


def check_group(error: BaseException, kept: str) -> None:
    """Say in a line what an error of torch's between processes means.

    Args:
        error: that was raised in a training.
        kept: which checkpoint there is, in words.

    Raises:
        LostProcess: where the connection to another process broke.
        InputError: where parameters took no part in a step, whose gradients the processes would wait for.
    """
    text = str(error)
    if isinstance(error, distributed.DistError) or "gloo" in text or "NCCL" in text:
        remedy = f"Its own message, or what started it, says why. {kept}"
        raise LostProcess("all processes to go on", "an end of the connection to another one", remedy) from error
    if "Expected to have finished reduction" in text or "were not used in producing the loss" in text:  # Lightning's
        remedy = "Take them out of the network, or name them in freeze."
        expected = "a network on several processes whose parameters all take part in every step"
        raise InputError(expected, "some that do not", remedy) from error
