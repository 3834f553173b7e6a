"""What it costs to start: CPU seconds of the command line's help and of imports, side by side with PyTorch's own.

    python benchmarks/startup.py [--rounds 5]

Each is a process of its own, in turn, so that a noisy machine is noisy for all. The median of user and system time over
the rounds is printed, after one round that does not count and that fills the disk's cache, and the ratio to importing
torch and torchvision. CPU seconds on cores that others use, too, are more than on idle ones: compare within one run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys

from timing import Row, compared

REFERENCE = "import torch, torchvision"
PROGRAMS = {
    "python alone": "pass",
    REFERENCE: REFERENCE,
    "import perceptualloss": "import perceptualloss",
    "every public name": "from perceptualloss import *",
    **{
        f"perceptualloss {words}": f"from perceptualloss.cli import main; main({words.split()})"
        for words in ("--help", "--version", "upscale --help", "stylize --help", "train --help")
    },
}


def cpu_seconds(program: str) -> float:
    """Return the user and system seconds of a Python process that runs a program.

    Raises:
        CalledProcessError: for one that fails.
    """
    command = [sys.executable, "-c", program]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return usage.ru_utime + usage.ru_stime


def rows(rounds: int = 3) -> list[Row]:
    """Return what importing everything here, and the command line's help, cost beside importing other packages."""
    ours = {"start-up: `from perceptualloss import *`": "from perceptualloss import *"}
    ours["start-up: `perceptualloss --help`"] = PROGRAMS["perceptualloss --help"]
    peers = {f"`{words}`": words for words in (REFERENCE, "import lpips", "import piq", "import torchmetrics")}
    times = of_each(ours | peers, rounds)
    found = []
    for what in ours:
        beside = {name: times[name] for name in (peers if what == next(iter(ours)) else [f"`{REFERENCE}`"])}
        found += compared(what, {"ours": times[what], **beside}, "ours")
    return found


def startup(programs: dict[str, str], rounds: int) -> dict[str, float]:
    """Return each program's median CPU seconds over ``rounds`` turns, after one that does not count."""
    return {name: statistics.median(each) for name, each in of_each(programs, rounds).items()}


def of_each(programs: dict[str, str], rounds: int) -> dict[str, list[float]]:
    """Return each program's CPU seconds in each of ``rounds`` turns, after one that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for turn in range(rounds + 1):
        for name, program in programs.items():
            taken = cpu_seconds(program)
            if turn:
                seconds[name].append(taken)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description="What it costs to start, in CPU seconds.")
    parser.add_argument("--rounds", type=int, default=5)
    seconds = startup(PROGRAMS, parser.parse_args().rounds)
    for name, value in seconds.items():
        print(f"{name:32s} {value:7.2f} s   {value / seconds[REFERENCE]:5.2f} x")


if __name__ == "__main__":
    main()
