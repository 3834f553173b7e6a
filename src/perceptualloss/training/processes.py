"""Several processes that train one network: which of them is the first, and what all agree on."""

from __future__ import annotations

import os
from typing import cast

import torch
from torch import distributed


def is_first_process() -> bool:
    """Whether this process is the only one of its run or the first, which alone writes and prints.

    Read from the environment, as Lightning, torchrun, SLURM and LSF set it, because it must be known before a trainer
    is there.
    """
    if "RANK" in os.environ:
        return int(os.environ["RANK"]) == 0
    names = ("LOCAL_RANK", "NODE_RANK") if "LOCAL_RANK" in os.environ else ("NODE_RANK", "SLURM_PROCID")
    return not any(int(os.environ.get(name) or 0) for name in (*names, "JSM_NAMESPACE_RANK"))


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
