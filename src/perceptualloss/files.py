"""Files are written whole: beside their place first, then renamed, so that nobody ever sees half of one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

PART = ".part"  # the ending of what is being written, or was when the power went


@contextmanager
def whole_file(path: Path, final: Callable[[], Path] | None = None) -> Iterator[BinaryIO]:
    """Give an open file that becomes ``path`` once all is written and on the disk; after an error there is none.

    It is written in ``path``'s own folder, for the rename must not cross disks, and never as a private temporary
    file, so that its mode follows the umask. File and folder are synchronised: what has its name also survives a
    power failure.

    Args:
        path: the file to write; its folder must be there.
        final: gives the name in the end instead, in the same folder, where that depends on what is written.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART}")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path if final is None else final())
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _synchronise(path.parent)


def write_whole(data: bytes, path: Path) -> None:
    """Write a file as :func:`whole_file` does."""
    with whole_file(path) as file:
        file.write(data)


def _synchronise(folder: Path) -> None:
    with suppress(OSError):  # Windows opens no folders, and some network disks synchronise none
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
