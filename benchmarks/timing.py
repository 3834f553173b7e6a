"""Time functions side by side: in turn, so that a noisy machine is noisy for all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Functions = Mapping[str, Callable[[], object]]


def in_turn(
    functions: Functions, rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Return the seconds of each function in each of ``rounds`` turns, after one turn that does not count.

    Args:
        functions: by name.
        rounds: how often each is called.
        clock: gives seconds; ``time.thread_time`` counts what this thread computed alone.
    """
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(rounds + 1):
        for name, function in functions.items():
            start = clock()
            function()
            if turn:
                seconds[name].append(clock() - start)
    return seconds


def side_by_side(
    functions: Functions,
    rounds: int,
    of: Callable[[list[float]], float] = statistics.median,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Return the seconds of each function over ``rounds`` turns (see :func:`in_turn`).

    Args:
        functions: by name.
        rounds: how often each is called.
        of: what of its times is returned: the median, or the least where the machine has other work.
        clock: as of :func:`in_turn`.
    """
    return {name: of(times) for name, times in in_turn(functions, rounds, clock).items()}


def ratio_of(slow: Sequence[float], fast: Sequence[float]) -> float:
    """Return how many times as long as ``fast`` the function ``slow`` took: the median over the turns."""
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))


def print_ratios(seconds: dict[str, float], reference: str) -> None:
    """Print every median and how many times faster it is than ``reference``."""
    for name, value in seconds.items():
        print(f"{name:42s} {1000 * value:9.1f} ms   {seconds[reference] / value:5.2f} x")


@dataclass(frozen=True)
class Row:
    """What one thing costs here and elsewhere, as ``speed.py`` lists it.

    Attributes:
        what: what was done.
        ours: what it costs in this package, in ``unit``.
        other: what it costs as ``peer`` does it.
        peer: another package, or plain PyTorch.
        ratio: how many times as much the peer takes: the median over the turns.
        unit: "s" or "MiB"; "GFLOP/s" is better where it is more, and the ratio is ours through the other's.
        goal: the least ratio that is wanted, where one is.
    """

    what: str
    ours: float
    other: float
    peer: str
    ratio: float
    unit: str = "s"
    goal: float | None = None


def compared(what: str, times: Mapping[str, Sequence[float]], ours: str, goal: float | None = None) -> list[Row]:
    """Return a row for each other way whose times (:func:`in_turn`) stand beside ours."""
    own = times[ours]
    return [
        Row(what, statistics.median(own), statistics.median(other), peer, ratio_of(other, own), goal=goal)
        for peer, other in times.items()
        if peer != ours
    ]


def cost(value: float, unit: str) -> str:
    """Return a cost with its unit, seconds below one as milliseconds."""
    if unit == "s" and value < 1:
        value, unit = 1000 * value, "ms"
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f} {unit}"


def print_rows(rows: Sequence[Row]) -> None:
    """Print rows as lines."""
    for row in rows:
        goal = "" if row.goal is None else f" (goal {row.goal:g})"
        sides = f"{cost(row.ours, row.unit)}; {row.peer} {cost(row.other, row.unit)}"
        print(f"{row.what}: {sides}; {row.ratio:.2f} x{goal}", flush=True)
