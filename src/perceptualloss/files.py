"""Files are written whole: beside their place first, then renamed, so that nobody ever sees half of one."""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

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


def file_stem(name: str) -> str:
    """Make a name safe as a file name and an HTML id, and keep it readable.

    >>> file_stem("Flowers/rose (1).jpg"), file_stem("..")
    ('Flowers-rose-1-.jpg', 'photo')
    """
    plain = re.sub(r"[^\w.-]+", "-", unicodedata.normalize("NFC", name)).lstrip(".-")
    return plain[:100] or "photo"


def unique_stems(names: Iterable[str]) -> list[str]:
    """One file name per name, all different (also where file names ignore case)."""
    stems: list[str] = []
    taken: set[str] = set()
    for name in names:
        base = stem = file_stem(name)
        count = 1
        while stem.casefold() in taken:
            count += 1
            stem = f"{base}-{count}"
        taken.add(stem.casefold())
        stems.append(stem)
    return stems


def write_json(found: Mapping[str, Any], folder: Path) -> Path:
    """Write any such data as ``metrics.json`` into ``folder`` and return its path; what is not finite is null."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "metrics.json"
    text = json.dumps(_plain(found), indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str | bool | int) or value is None:
        return value
    number = float(value)  # also numpy scalars and tensors of one element
    return number if math.isfinite(number) else None
