"""Where to compute."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from perceptualloss.errors import InputError
from perceptualloss.vocabulary import check_value


def find_device(name: str) -> torch.device:
    """Return the device of a name: "auto" (a GPU if there is one), "cpu", "cuda", "mps", or torch's, as "cuda:1".

    Raises:
        InputError: no such name, or a device that this machine does not have.

    >>> find_device("cpu")
    device(type='cpu')
    """
    check_value("device", name)
    has = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available()), "cpu": 1}
    if name == "auto":
        return torch.device(next(kind for kind, count in has.items() if count))
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError("a device: auto, cpu, cuda, mps or cuda:1", repr(name)) from error
    if (device.index or 0) >= has.get(device.type, 0):
        raise InputError(f"the device {name} in this machine", "none that torch finds", "Say device cpu.")
    return device


def device_for(network: nn.Module, device: str | None) -> torch.device:
    """Return the device of a name; without a name, where the network is; without weights, as ``auto``."""
    first = next(network.parameters(), None)
    return first.device if device is None and first is not None else find_device(device or "auto")


_MEMINFO = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


def free_memory(place: torch.device) -> int | None:
    """Return the bytes that are free on a device; None where nothing says so (macOS, Windows).

    In a container, what its limit leaves counts.
    """
    if place.type == "cuda":
        free, _ = torch.cuda.mem_get_info(place)
        return free + torch.cuda.memory_reserved(place) - torch.cuda.memory_allocated(place)
    if place.type != "cpu":
        return None
    try:
        lines = _MEMINFO.read_text(encoding="ascii").splitlines()
        free = 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None
    return min(free, _left_in_group(free))


def _left_in_group(free: int) -> int:
    """Return what the limit of this process's control group leaves, or ``free`` without such a limit."""
    try:
        limit, used = (int((_GROUP / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
        stat = (_GROUP / "memory.stat").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):  # no control group, or "max"
        return free
    cache = sum(int(line.split()[1]) for line in stat if line.startswith("inactive_file "))
    return limit - used + cache
