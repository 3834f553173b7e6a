"""How much memory this process has and had at most, as Linux counts it: its resident set."""

from __future__ import annotations

from pathlib import Path

_PROCESS = Path("/proc/self")


def memory_now() -> float:
    """Return the MiB that the process has now."""
    return _status("VmRSS")


def memory_peak() -> float:
    """Return the most MiB that it had, since its start or since :func:`forget_peak`."""
    return _status("VmHWM")


def forget_peak() -> None:
    """Let the kernel count the peak from now on."""
    (_PROCESS / "clear_refs").write_text("5", encoding="ascii")


def _status(entry: str) -> float:
    return int((_PROCESS / "status").read_text(encoding="ascii").split(f"{entry}:")[1].split()[0]) / 1024
