"""Shards within reach: on this machine they are read where they lie; of others there are copies in a folder."""

from __future__ import annotations

import hashlib
import logging
import os
import queue
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from fsspec import Callback
from rich.console import Console
from torch.utils.data import get_worker_info

from perceptualloss.bars import bars
from perceptualloss.data.shards.index import ENDING, LARGEST_INDEX, Index, make_index
from perceptualloss.data.shards.names import FULL, file_system, is_address, reaching
from perceptualloss.errors import InputError
from perceptualloss.files import PART, is_first_process, part_of, write_whole

try:
    import fcntl
except ImportError:  # Windows: two processes may fetch the same shard, each under a name of its own
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)
_THREADS = 16  # that ask for indexes
_FETCHERS = 4  # shards that are fetched at once, by all workers of a process together
_LEFT = 3600.0  # seconds after which nobody writes a file any more
_LONG = 10.0  # seconds, after which a wait is told
_PAUSES = (1, 4, 16, 0)  # seconds between tries, for networks fail for moments


class Store:
    """Gives the bytes of shards, wherever they lie.

    A shard from afar is copied whole into a folder. It has a temporary name there until its length is right, so several
    processes and machines may share the folder. If the copies would take more than ``limit``, those that were not used
    for the longest time are deleted.

    Args:
        folder: for copies, and for indexes that have to be made.
        limit: the most bytes of all copies.
    """

    def __init__(self, folder: Path, limit: float) -> None:
        self.folder, self.limit = folder, limit

    def indexes(self, shards: Sequence[str]) -> list[Index]:
        """Return the index of each shard: the one that lies beside it, or one that is made and kept in the folder.

        Raises:
            InputError: for a shard that is missing or no tar, or an index that does not go with it.
        """
        if not shards:
            return []
        with bars(Console(stderr=True, quiet=not is_first_process())) as shown, ThreadPoolExecutor(_THREADS) as threads:
            bar = shown.add_task(f"Reading the indexes of {len(shards)} shards", total=len(shards))
            found = []
            for index in threads.map(self.index, shards):
                found.append(index)
                shown.update(bar, completed=len(found))
        return found

    def index(self, shard: str) -> Index:
        """Return the index of a shard (see :meth:`indexes`)."""
        beside = self._beside(shard)
        if beside is not None:
            index = Index.from_json(beside, shard + ENDING)
            if not is_address(shard) and index.size != Path(shard).stat().st_size:
                got = f"one of a shard of {index.size}"
                remedy = f"Delete {Path(shard).name}{ENDING}: it is then made anew."
                raise InputError(f"the index of {shard}, which has {Path(shard).stat().st_size} bytes", got, remedy)
            return index
        return self._made(shard)

    def read(self, shard: str, index: Index, number: int) -> bytes:
        """Return the bytes of a picture; fetch its shard first if it is not here.

        Args:
            shard: its path or address.
            index: its index.
            number: the picture's number in the index, from 0.

        Raises:
            InputError: if the shard cannot be reached, or does not go with its index.
        """
        offset, length = int(index.offsets[number]), int(index.lengths[number])
        while True:
            file = self.path(shard, index.size)
            try:
                with file.open("rb", buffering=0) as opened:
                    opened.seek(offset)
                    data = opened.read(length)
            except FileNotFoundError as error:  # another process has made room
                if not is_address(shard):
                    raise InputError(f"the shard {shard}", "no such file any more") from error
                continue
            if len(data) < length:
                raise InputError(f"{index.size} bytes in {shard}", "fewer", "It has changed: start anew.")
            return data

    def path(self, shard: str, size: int) -> Path:
        """Return the path of a shard; fetch it first if it is not here.

        Args:
            shard: its path or address.
            size: its size in bytes, as its index says.

        Raises:
            InputError: if it cannot be reached, or has another size.
        """
        if not is_address(shard):
            return Path(shard)
        file = self._copy(shard)
        if not file.exists():
            start = time.monotonic()
            self._fetch(shard, size, wait=True)
            if (waited := time.monotonic() - start) > _LONG:
                log.warning("waited %.0f seconds until %s was fetched", waited, shard)
        return file

    def ahead(self, shards: Iterable[tuple[str, int]]) -> None:
        """Begin to fetch shards that will be read soon, given as (shard, bytes), and return at once."""
        missing: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
        for shard, size in shards:
            if is_address(shard):
                copy = self._copy(shard)
                with suppress(OSError):
                    os.utime(copy)  # it will be used
                    continue
                missing.put((shard, size))
        worker = get_worker_info()
        fetchers = max(1, _FETCHERS // (worker.num_workers if worker else 1))
        for _ in range(min(fetchers, missing.qsize())):
            threading.Thread(target=self._fetch_all, args=(missing,), daemon=True).start()

    def _fetch_all(self, missing: queue.SimpleQueue[tuple[str, int]]) -> None:
        with suppress(queue.Empty):
            while True:
                shard, size = missing.get_nowait()
                try:
                    self._fetch(shard, size, wait=False)
                except InputError as error:  # who reads it will meet the same
                    log.debug("not fetched: %s", error)

    def _fetch(self, shard: str, size: int, wait: bool) -> None:
        """Fetch a shard; if another thread or process does so already, wait for it, or return at once."""
        file = self._copy(shard)
        with _folder_for_copies(self.folder), _alone(file, wait) as mine:
            if not mine or file.exists():
                return
            self._make_room(size)
            part = part_of(file)
            try:
                for pause in _PAUSES:
                    try:
                        _download(shard, part, size)
                        break
                    except InputError as error:
                        if isinstance(error.__cause__, FileNotFoundError | PermissionError) or not pause:
                            raise
                        log.info("again in %d seconds: %s", pause, error)
                        time.sleep(pause)
                part.replace(file)
            finally:
                part.unlink(missing_ok=True)

    def _make_room(self, size: int) -> None:
        copies = []
        for file in self.folder.glob("*.tar"):
            with suppress(FileNotFoundError):
                told = file.stat()
                copies.append((told.st_mtime, told.st_size, file))
        used = sum(size for _, size, _ in copies)
        for part in self.folder.glob(f".*{PART}"):
            with suppress(FileNotFoundError):
                if time.time() - part.stat().st_mtime > _LEFT:  # of what was killed
                    part.unlink()
                used += size  # that is being fetched
        for _, length, file in sorted(copies):
            if used + size <= self.limit:
                break
            file.unlink(missing_ok=True)
            used -= length

    def _copy(self, shard: str) -> Path:
        return self.folder / f"{hashlib.sha256(shard.encode()).hexdigest()[:20]}.tar"

    def _beside(self, shard: str) -> bytes | None:
        """Return the content of the index beside a shard; None if there is no index."""
        if not is_address(shard):
            file = Path(shard + ENDING)
            return file.read_bytes() if file.is_file() else None
        with reaching(shard + ENDING):
            found, path = file_system(shard + ENDING)
            with suppress(FileNotFoundError, PermissionError):  # a store that may not be listed says no to both
                with found.open(path, "rb") as file:
                    data: bytes = file.read(LARGEST_INDEX + 1)
                if len(data) > LARGEST_INDEX:
                    raise InputError(f"an index of at most {LARGEST_INDEX} bytes", f"more in {shard}{ENDING}")
                return data
        return None

    def _made(self, shard: str) -> Index:
        """Make the index of a shard, and keep it for the next time; a shard from afar is read whole for it."""
        found, path = file_system(shard) if is_address(shard) else (None, shard)
        with reaching(shard):
            told = found.info(path) if found else None
            stamp = f"{told.get('ETag') or told.get('mtime') or ''}" if told else str(Path(shard).stat().st_mtime_ns)
            size = int(told["size"]) if told else Path(shard).stat().st_size
        where = shard if told else str(Path(shard).resolve())
        name = hashlib.sha256(f"{where}\n{size}\n{stamp}".encode(errors="surrogateescape")).hexdigest()[:20]
        kept = self.folder / f"{name}{ENDING}"
        with _folder_for_copies(self.folder), _alone(kept, wait=True):
            if kept.exists():
                return Index.from_json(kept.read_bytes(), str(kept))
            with reaching(shard), found.open(path, "rb") if found else Path(shard).open("rb") as file:
                index = make_index(file, size, shard)
            write_whole(index.to_json(), kept)
        return index


class _NoMore(Callback):  # type: ignore[misc]
    """Stops a download once it is longer than it should be, whatever the server says of its length."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def relative_update(self, inc: int = 1) -> None:
        """Count bytes."""
        self.value += inc
        if self.value > self.most:
            raise ValueError(f"more than the {self.most} bytes that its index says")


def _download(shard: str, part: Path, size: int) -> None:
    """Write a shard into a file, and take no more bytes than its size."""
    with reaching(shard):
        found, path = file_system(shard)
        found.get_file(path, str(part), callback=_NoMore(size))
    got = part.stat().st_size
    if got != size:
        raise InputError(f"{size} bytes in {shard}, as its index says", str(got), "Has it changed?")


@contextmanager
def _folder_for_copies(folder: Path) -> Iterator[None]:
    """Make the folder; inside, make any error of the disk an InputError.

    Raises:
        InputError: if the disk is full, or must not be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        remedy = "PERCEPTUALLOSS_CACHE names another folder; a smaller cache_gib needs less."
        what = "space" if error.errno in FULL else "to write"
        raise InputError(f"{what} in {folder}, where shards are kept", str(error), remedy) from error


@contextmanager
def _alone(file: Path, wait: bool) -> Iterator[bool]:
    """Keep others from making ``file`` inside.

    Yields True if no other thread or process makes it now; with ``wait`` always, after waiting. False if another does.
    """
    if fcntl is None:
        yield True
        return
    with file.with_suffix(".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        except OSError as error:  # a network disk without locks
            log.debug("no lock on %s: %s", file, error)
        yield True
