"""What a clip is written into until it is whole, and what killed runs have left of theirs."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import OutputContainer
from av.packet import Packet

from perceptualloss.errors import InputError
from perceptualloss.files import part_of
from perceptualloss.pictures.video.reading import UNUSABLE, log, reason

try:
    import fcntl
except ImportError:  # Windows, which has no locks of this kind: there nothing is known of other runs
    fcntl = None  # type: ignore[assignment]

_YOUNG = 60  # seconds in which a run may not have locked its part yet


@contextmanager
def as_unwritable(target: Path) -> Iterator[None]:
    """Within it, what PyAV raises is told of the file that is written.

    Raises:
        InputError: for any of it.
    """
    try:
        yield
    except InputError:
        raise
    except FileExistsError as error:
        raise InputError(f"a new file {target}", "one that is there already") from error
    except UNUSABLE as error:
        raise InputError(f"{target} to be writable", reason(error), "Is the disk full, the folder writable?") from error


def send(result: OutputContainer, packets: Iterable[Packet[Any]]) -> int:
    """Write packets, and return how many the file does not take: one that is damaged does not lose the others.

    Raises:
        OSError: a full disk and the like.
    """
    refused = 0
    for packet in packets:
        try:
            result.mux(packet)
        except (ValueError, av.error.PatchWelcomeError):  # invalid data, invalid arguments
            refused += 1
    return refused


@contextmanager
def own_part(target: Path) -> Iterator[Path]:
    """Give a hidden file beside ``target``, locked as long as this process lives, and remove it in the end.

    Parts of the same target that no process holds any more are removed before: runs that were killed left them.
    """
    part = part_of(target, target.suffix)
    if fcntl is None:
        try:
            yield part
        finally:
            part.unlink(missing_ok=True)
        return
    with as_unwritable(target):
        _remove_left(part)
        file = part.open("xb")
    with file:
        try:
            with suppress(OSError):  # disks of other machines may know no locks
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield part
        finally:
            part.unlink(missing_ok=True)


def _remove_left(part: Path) -> None:
    stem = part.name[: -len(f".12345678{part.suffix}")]
    pattern = re.compile(re.escape(stem) + r"\.[0-9a-f]{8}" + re.escape(part.suffix))
    for path in part.parent.iterdir():
        if pattern.fullmatch(path.name) and _is_left(path):
            path.unlink(missing_ok=True)
            log.warning("%s: removed, an earlier run was killed while it wrote it", path.name)


def _is_left(path: Path) -> bool:
    try:
        if time.time() - path.stat().st_mtime < _YOUNG:
            return False
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # a run that goes on holds it
        return False
    return True
