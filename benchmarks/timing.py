"""Time functions side by side: in turn, so that a noisy machine is noisy for all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def side_by_side(
    functions: dict[str, Callable[[], object]],
    rounds: int,
    of: Callable[[list[float]], float] = statistics.median,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Return the seconds of each function over ``rounds`` turns, after one turn that does not count.

    Args:
        functions: by name.
        rounds: how often each is called.
        of: what of its times is returned: the median, or the least where the machine has other work.
        clock: gives seconds; ``time.thread_time`` counts what this thread computed alone.
    """
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(rounds + 1):
        for name, function in functions.items():
            start = clock()
            function()
            if turn:
                seconds[name].append(clock() - start)
    return {name: of(times) for name, times in seconds.items()}


def print_ratios(seconds: dict[str, float], reference: str) -> None:
    """Print every median and how many times faster it is than ``reference``."""
    for name, value in seconds.items():
        print(f"{name:42s} {1000 * value:9.1f} ms   {seconds[reference] / value:5.2f} x")
