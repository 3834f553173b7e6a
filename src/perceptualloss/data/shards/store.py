"""Shards within reach: those on this machine where they lie, those from afar in a folder of copies of bounded size."""

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
    """Where the bytes of shards are had from.

    A shard from afar is fetched whole, under a temporary name, and gets its own when its length is right; several
    processes and machines may share the folder. When all would be more than ``limit``, those go that were used least
    recently.

    Args:
        folder: for copies, and for indexes that have to be made.
        limit: bytes of the copies.
    """

    def __init__(self, folder: Path, limit: float) -> None:
        self.folder, self.limit = folder, limit

    def indexes(self, shards: Sequence[str]) -> list[Index]:
        """Return the index of each shard: the one beside it, else one that is made, and kept in the folder.

        Raises:
            InputError: for a shard that is missing or no tar, or an index that cannot be.
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
        """Return the index of a shard."""
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
        """Return the bytes of a picture, fetching its shard first if it is not here.

        Raises:
            InputError: where the shard is out of reach, or not the one that its index is of.
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
        """Return where a shard lies, after it was fetched if it was not here.

        Raises:
            InputError: where it is out of reach, or not of that size.
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
        """Begin to fetch shards, given with their sizes, that will be read soon, and return at once."""
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
        """Fetch a shard; where another thread or process does, wait for it, or leave it to that one."""
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
        """Return the content of the index beside a shard; None where there is none."""
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
        """Make the index of a shard, which from afar reads all of it, and keep it for the next time."""
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
    """Stops a download that is longer than it should be, whatever the server says of its length."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def relative_update(self, inc: int = 1) -> None:
        """Count bytes."""
        self.value += inc
        if self.value > self.most:
            raise ValueError(f"more than the {self.most} bytes that its index says")


def _download(shard: str, part: Path, size: int) -> None:
    """Write a shard into a file, of which no more is taken than its size."""
    with reaching(shard):
        found, path = file_system(shard)
        found.get_file(path, str(part), callback=_NoMore(size))
    got = part.stat().st_size
    if got != size:
        raise InputError(f"{size} bytes in {shard}, as its index says", str(got), "Has it changed?")


@contextmanager
def _folder_for_copies(folder: Path) -> Iterator[None]:
    """Make the folder; within it, a disk that is full or forbidden is an error of use.

    Raises:
        InputError: for one.
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
    """Keep other threads and processes from making ``file``; yield whether that was possible without a wait."""
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
