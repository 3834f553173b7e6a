"""How much main memory is free."""

from __future__ import annotations

from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


def free_main_memory() -> int | None:
    """Return the bytes that are free; None where nothing says so (macOS, Windows).

    In a container, what its limit leaves counts.
    """
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
