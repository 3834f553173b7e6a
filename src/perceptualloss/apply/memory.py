"""How much memory there is, to refuse in time what would not fit: a full CPU gives no error but ends the program."""

from __future__ import annotations

from pathlib import Path

import torch

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
