"""How much memory and how much of the disk decoded pictures may take, and what is said where that is not enough."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from perceptualloss.data.kept import Kept
from perceptualloss.data.picture_cache import PictureCache, cache_folder
from perceptualloss.errors import InputError
from perceptualloss.files import is_first_process

log = logging.getLogger(__name__)

GIB = 2**30
_MOST = 2**62  # bytes, of an infinite number of them
_FOR_VALIDATION = 8  # at most this part of the memory is for validation


@dataclass(frozen=True)
class Room:
    """Room for decoded pictures.

    Args:
        memory_gib: gibibytes of memory, shared by the processes that load samples for one training process.
        cache_gib: gibibytes of files in the cache folder, for large pictures beyond that; 0 for none.

    Raises:
        InputError: for numbers below 0.
    """

    memory_gib: float = 2.0
    cache_gib: float = 20.0

    def __post_init__(self) -> None:
        if not (self.memory_gib >= 0 and self.cache_gib >= 0):
            raise InputError("memory_gib and cache_gib from 0", f"{self.memory_gib:g} and {self.cache_gib:g}")

    @property
    def memory(self) -> int:
        """Bytes of memory."""
        return int(min(self.memory_gib * GIB, _MOST))

    @property
    def for_validation(self) -> int:
        """Bytes of it for what is validated on."""
        return self.memory // _FOR_VALIDATION

    def cache(self) -> PictureCache | None:
        """Return the cache, or None without one."""
        return (
            PictureCache(cache_folder() / "pictures", int(min(self.cache_gib * GIB, _MOST))) if self.cache_gib else None
        )

    def say(self, kept: Kept) -> None:
        """Say what of the pictures to train on is kept as files and where, and what is decoded for each crop."""
        if not is_first_process():
            return
        if kept.in_cache and kept.cache is not None:
            log.warning(
                "decoded, %d of %d photos do not fit into memory_gib %g: %.2f GiB of files for them go into %s",
                len(kept) - kept.held,
                len(kept),
                self.memory_gib,
                kept.in_cache / GIB,
                kept.cache.folder,
            )
        if len(kept.anew):
            seconds = min(_seconds_of(lambda: kept[int(kept.anew[0])]) for _ in range(2))  # the first one imports
            log.warning(
                "%d of %d photos are decoded for each crop, about %.0f ms each: they fit neither into memory_gib %g "
                "nor into cache_gib %g, which is for large ones and for half of the free disk at most",
                len(kept.anew),
                len(kept),
                1000 * seconds,
                self.memory_gib,
                self.cache_gib,
            )


def _seconds_of(work: Callable[[], object]) -> float:
    """Return how long some work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
