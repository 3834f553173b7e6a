"""Files are written whole, beside their place first, then renamed, and of several processes by the first alone.

Here is also what JSON becomes, and how what ships is read.
"""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any, BinaryIO

PART = ".part"  # the ending of what is being written, or was when the power went
LONGEST_NAME = 255  # bytes, which nearly all disks allow


@contextmanager
def whole_file(path: Path, final: Callable[[], Path] | None = None, overwrite: bool = True) -> Iterator[BinaryIO]:
    """Give an open file that becomes ``path`` once all is written and on the disk; after an error there is none.

    It is written in ``path``'s own folder, for the rename must not cross disks, and never as a private temporary
    file, so that its mode follows the umask. File and folder are synchronised: what has its name also survives a
    power failure.

    Args:
        path: the file to write; its folder must be there.
        final: gives the name in the end instead, in the same folder, where that depends on what is written.
        overwrite: whether it takes the place of a file of that name.

    Raises:
        FileExistsError: a file of that name, also one that came while this was written, unless ``overwrite``.
    """
    part = part_of(path)
    try:
        with part.open("x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        put_in_place(part, path if final is None else final(), overwrite)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_whole(data: bytes, path: Path, overwrite: bool = True) -> None:
    """Write a file as :func:`whole_file` does."""
    with whole_file(path, overwrite=overwrite) as file:
        file.write(data)


def part_of(path: Path, ending: str = PART) -> Path:
    """Return a hidden name beside ``path`` for what is being written, that no other process has.

    >>> part_of(Path("out/photo.png")).name.startswith(".photo.png."), len(part_of(Path("long" * 62)).name)
    (True, 255)
    """
    ending = f".{secrets.token_hex(4)}{ending}"
    name = path.name.encode(errors="surrogateescape")[: LONGEST_NAME - 1 - len(ending)].decode(errors="ignore")
    return path.with_name(f".{name}{ending}")


def put_in_place(part: Path, path: Path, overwrite: bool = True) -> None:
    """Give a file that is whole its name, in one step, and synchronise its folder.

    Raises:
        FileExistsError: a file of that name, unless ``overwrite``; ``part`` is then still there.
    """
    if overwrite:
        part.replace(path)
    else:
        _link(part, path)
    _synchronise(path.parent)


def _link(part: Path, path: Path) -> None:
    """Rename a file to a name that nobody has; what takes a name in one step and fails if it is taken is a link."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # a disk without links, such as FAT
        path.open("xb").close()  # takes the name in one step, too
        try:
            part.replace(path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    else:
        part.unlink()


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


def to_json(data: Any) -> Any:
    """Return ``data`` as the plain values that JSON knows, which has no numbers but finite ones.

    Infinity becomes "inf" or "-inf", what is no number ``None``; numbers of numpy and tensors of one element become
    plain ones.

    >>> to_json({"psnr": float("inf"), "ssim": (float("nan"), 0.5)})
    {'psnr': 'inf', 'ssim': [None, 0.5]}
    """
    if isinstance(data, Mapping):
        return {str(key): to_json(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [to_json(value) for value in data]
    if isinstance(data, str | bool | int) or data is None:
        return data
    if isinstance(data, Path):
        return str(data)
    number = float(data)
    return number if math.isfinite(number) else None if math.isnan(number) else str(number)


def json_text(data: Any) -> str:
    """Return ``data`` as indented JSON (see :func:`to_json`)."""
    return json.dumps(to_json(data), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(data: Any, path: Path) -> Path:
    """Write ``data`` as JSON to ``path`` (see :func:`to_json`), whole or not at all, and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(json_text(data).encode(), path)
    return path


def shipped_json(package: str, name: str) -> Any:
    """Return what a JSON file says that ships within a package, such as a table of texts."""
    return json.loads((resources.files(package) / name).read_text(encoding="utf-8"))


def is_first_process() -> bool:
    """Whether this process is the only one of its run or the first, which alone writes and prints.

    Read from the environment, as Lightning, torchrun, SLURM and LSF set it, because it must be known before a trainer
    is there.
    """
    if "RANK" in os.environ:
        return int(os.environ["RANK"]) == 0
    names = ("LOCAL_RANK", "NODE_RANK") if "LOCAL_RANK" in os.environ else ("NODE_RANK", "SLURM_PROCID")
    return not any(int(os.environ.get(name) or 0) for name in (*names, "JSM_NAMESPACE_RANK"))
