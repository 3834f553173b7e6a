"""A temporary folder that goes when its server ends, or, if that was killed, when the next one starts."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import IO

try:
    import fcntl as _fcntl

    fcntl: ModuleType | None = _fcntl
except ImportError:  # Windows has no such locks, and keeps what a killed server left
    fcntl = None

_PREFIX = "perceptualloss-serve-"
_LOCK = "lock"


class PrivateFolder:
    """A folder that this user alone can read; those of servers that are no longer there are removed.

    Attributes:
        path: where it is.
    """

    def __init__(self) -> None:
        remove_abandoned()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = (self.path / _LOCK).open("wb")
        if fcntl is not None:
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def close(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def remove_abandoned() -> None:
    """Remove the folders of servers that were killed: nobody holds their locks."""
    if fcntl is None:
        return
    for lock in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_LOCK}"):
        with suppress(OSError), lock.open("rb") as file:  # another user's, or one that goes now
            if _is_free(file):
                shutil.rmtree(lock.parent, ignore_errors=True)


def _is_free(file: IO[bytes]) -> bool:
    assert fcntl is not None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
