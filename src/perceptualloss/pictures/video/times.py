"""When frames are shown: as the clip says, and in order where it says nonsense."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from math import ceil
from typing import Generic, TypeVar

T = TypeVar("T")
_WINDOW = 8  # frames whose times are put in order


def fine(unit: Fraction) -> int:
    """Return into how many parts a unit of time is cut, so that there are times between frames: each at most 1 ms.

    >>> fine(Fraction(1, 30000)), fine(Fraction(1, 10))
    (1, 100)
    """
    return max(1, ceil(1000 * unit))


class InOrder(Generic[T]):
    """Gives frames times that rise.

    A frame is shown after the one before it, so the times of a few frames are sorted: AVI, which knows no times but
    those of decoding, has them otherwise where frames are predicted from later ones. A frame without a time, or with
    that of the one before, comes half-way to the next one (several at equal distances), at most a usual frame's
    duration after. Where times jump back, as recordings do that were joined, all that follows is moved on.

    Args:
        step: usual duration of a frame, in units of the times.
        jump: how far back is another recording, not another order.
    """

    def __init__(self, step: int, jump: int) -> None:
        self.step, self.jump = max(1, step), jump
        self.moved = 0  # frames that do not have their own time
        self.joined = 0  # jumps back
        self._waiting: deque[tuple[T, int | None]] = deque()
        self._known: list[int] = []
        self._last: int | None = None
        self._newest: int | None = None
        self._offset = 0

    def of(self, frames: Iterable[tuple[T, int | None]]) -> Iterator[tuple[T, int]]:
        """Yield each frame with its time."""
        for frame, time in frames:
            self._waiting.append((frame, self._enter(time)))
            if len(self._waiting) > _WINDOW:
                yield self._next()
        while self._waiting:
            yield self._next()

    def _enter(self, time: int | None) -> int | None:
        if time is None:
            return None
        time += self._offset
        if self._newest is not None and time < self._newest - self.jump:
            later = self._newest + self.step - time
            self._offset += later
            time += later
            self.joined += 1
        self._newest = time if self._newest is None else max(time, self._newest)
        self._known.append(time)
        self._known.sort()
        return time

    def _next(self) -> tuple[T, int]:
        frame, own = self._waiting.popleft()
        time = self._known.pop(0) if own is not None else None
        if time is None or (self._last is not None and time <= self._last):
            time = self._between()
        self.moved += time != own
        self._last = time
        return frame, time

    def _between(self) -> int:
        """Return a time for a frame that has none, before the next that is later than all before."""
        later = [time for time in self._known if self._last is None or time > self._last]
        missing = 1  # frames until that one which have no time either
        stale = len(self._known) - len(later)
        for _, own in self._waiting:
            if own is not None:
                if stale == 0:
                    break
                stale -= 1
            missing += 1
        if self._last is None:
            return max(0, later[0] - missing * self.step) if later else 0
        step = min(self.step, (later[0] - self._last) // (missing + 1)) if later else self.step
        return self._last + max(1, step)
