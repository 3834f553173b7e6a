"""Uploads and results on the disk: in one folder of the server's own, under names that nobody guesses, for a while."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perceptualloss.page.kept import read_samples, write_samples
from perceptualloss.page.private_folder import PrivateFolder
from perceptualloss.page.refusals import PageError
from perceptualloss.page.settings import PageSettings
from perceptualloss.pictures.rows import Rows, Samples


def token() -> str:
    """Return a name that nobody guesses."""
    return secrets.token_urlsafe(18)


@dataclass(eq=False)
class Entry:
    """Something that a visitor put here or that was made of it.

    Attributes:
        session: whose it is.
        folder: where its files are.
        id: what its owner calls it.
        used: when it was last looked at, by ``time.monotonic``.
    """

    session: str
    folder: Path
    id: str = field(default_factory=token)
    used: float = field(default_factory=time.monotonic)

    @property
    def bytes(self) -> int:
        """What its files take."""
        return sum(_size(file) for file in self.folder.glob("*"))

    def keep(self, number: int, rows: Rows) -> None:
        """Write the samples of a frame or page; the first one is what is shown."""
        write_samples(rows, self.folder / f"{number}.npy")

    def frame(self, number: int = 0) -> Samples:
        """Return what :meth:`keep` wrote."""
        return read_samples(self.folder / f"{number}.npy")


@dataclass(eq=False)
class Upload(Entry):
    """A picture that a visitor brought.

    Attributes:
        name: of the file, as its owner knows it; it names no file here.
        width: in pixels, upright.
        height: in pixels, upright.
        frames: frames or pages.
        notes: what reading it said.
    """

    name: str = ""
    width: int = 0
    height: int = 0
    frames: int = 1
    notes: list[str] = field(default_factory=list)

    @property
    def source(self) -> Path:
        """The file as it came."""
        return self.folder / "source"


@dataclass(eq=False)
class Result(Entry):
    """What became of an upload.

    Attributes:
        upload: of what it was made.
        task: what was done.
        settings: how.
        width: in pixels.
        height: in pixels.
        frames: frames or pages.
        notes: what the work said.
        more: further facts, by name.
    """

    upload: str = ""
    task: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    width: int = 0
    height: int = 0
    frames: int = 1
    notes: list[str] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)


class Store:
    """All that is kept; removed with :meth:`close`, or after ``settings.keep`` seconds without a look.

    Args:
        settings: how much, and how long.
    """

    def __init__(self, settings: PageSettings) -> None:
        self.settings = settings
        self._folder = PrivateFolder()
        self.folder = self._folder.path
        self._entries: dict[str, Entry] = {}
        self._lock = threading.RLock()

    def __iter__(self) -> Iterator[Entry]:
        """Go through what is there."""
        with self._lock:
            return iter(list(self._entries.values()))

    def new_upload(self, session: str, name: str) -> Upload:
        """Return a place for an upload, which only who is told its name can ask about.

        Raises:
            PageError: too many are here, or too much.
        """
        self.check_room()
        with self._lock:
            if sum(isinstance(entry, Upload) for entry in self) >= self.settings.max_pictures:
                raise PageError("full", 503, retry=60)
            upload = Upload(session, self._new_folder(), name=name)
            self.add(upload)
        return upload

    def new_result(self, session: str, upload: str, task: str, settings: dict[str, Any]) -> Result:
        """Return a place for a result, not yet known to anybody."""
        return Result(session, self._new_folder(), upload=upload, task=task, settings=settings)

    def check_room(self) -> None:
        """Raise unless the disk's share is not used up.

        Raises:
            PageError: it is.
        """
        if sum(entry.bytes for entry in self) >= self.settings.max_stored:
            raise PageError("full", 503, retry=60)

    def add(self, entry: Entry) -> None:
        """Make an entry known to its owner.

        Raises:
            PageError: a result whose picture was deleted meanwhile; it goes, too.
        """
        with self._lock:
            if not isinstance(entry, Result) or entry.upload in self._entries:
                self._entries[entry.id] = entry
                return
        self.remove(entry)
        raise PageError("gone", 404)

    def entry(self, session: str, name: str) -> Entry:
        """Return what a visitor calls by that name.

        Raises:
            PageError: nothing, or another visitor's.
        """
        with self._lock:
            found = self._entries.get(name)
            if found is None or not secrets.compare_digest(found.session, session):
                raise PageError("gone", 404)
            found.used = time.monotonic()
            if isinstance(found, Result) and (source := self._entries.get(found.upload)) is not None:
                source.used = found.used
            return found

    def upload(self, session: str, name: str) -> Upload:
        """Return an upload; raises as :meth:`entry`."""
        found = self.entry(session, name)
        if not isinstance(found, Upload):
            raise PageError("gone", 404)
        return found

    def result(self, session: str, name: str) -> Result:
        """Return a result; raises as :meth:`entry`."""
        found = self.entry(session, name)
        if not isinstance(found, Result):
            raise PageError("gone", 404)
        return found

    def remove(self, entry: Entry) -> None:
        """Delete an entry with its files, of an upload also what was made of it."""
        with self._lock:
            self._entries.pop(entry.id, None)
            made = [other for other in self if isinstance(other, Result) and other.upload == entry.id]
        shutil.rmtree(entry.folder, ignore_errors=True)
        for other in made:
            self.remove(other)

    def remove_session(self, session: str) -> None:
        """Delete all that a visitor has here."""
        for entry in self:
            if entry.session == session:
                self.remove(entry)

    def remove_old(self) -> None:
        """Delete what nobody looked at for long."""
        for entry in self:
            if time.monotonic() - entry.used > self.settings.keep:
                self.remove(entry)

    def close(self) -> None:
        """Delete everything."""
        with self._lock:
            self._entries.clear()
        self._folder.close()

    def _new_folder(self) -> Path:
        folder = self.folder / token()
        folder.mkdir()
        return folder


def _size(file: Path) -> int:
    with suppress(FileNotFoundError):
        return file.stat().st_size
    return 0
