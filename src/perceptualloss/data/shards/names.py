"""Which shards a user names: by a folder of tar files, a pattern of their names, or an address in an object store."""

from __future__ import annotations

import errno
import itertools
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fsspec

from perceptualloss.errors import InputError, check_choice
from perceptualloss.pictures.images import READ_SUFFIXES

log = logging.getLogger(__name__)

ENDING = ".tar"
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
PACKAGES = {  # what reads each kind of address; others of fsspec's, which wrap or run things, are not for recipes
    "s3": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "hf": "huggingface_hub",
    "https": "aiohttp",
    "http": "aiohttp",
    "memory": "fsspec",
}
FULL = (errno.ENOSPC, errno.EDQUOT)
MOST = 1_000_000  # shards that a pattern may stand for
_RANGE = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}")
_EXAMPLE = "Such as photos-{000000..000099}.tar."


def is_address(shard: str | os.PathLike[str]) -> bool:
    """Return whether ``shard`` is an address, such as one in an object store, and not a path.

    >>> is_address("s3://photos/000.tar"), is_address(Path("photos/000.tar"))
    (True, False)
    """
    return "://" in str(shard)


def shards_in(photos: str | Path | None) -> list[str] | None:
    """Return the paths or addresses of the shards that ``photos`` names, sorted; None if it names no shards.

    ``photos`` is one of these:

    - a folder in which tar files lie, and no pictures. Folders in it are left out with a warning;
    - the path or address of a tar file. A range such as ``{000..099}`` stands for every number from the first to the
      last. The name may contain ``*`` and ``?``;
    - an address under which tar files lie.

    Raises:
        InputError: for a pattern that cannot be or names nothing; compressed shards; a missing shard on this machine;
            an address of an unknown kind; or one that needs a package that is not installed.
    """
    if photos is None:
        return None
    text = str(photos)
    if is_address(text):
        return _at_address(text)
    if Path(text).is_dir():
        return _in_folder(Path(text))
    if text.endswith(COMPRESSED):
        raise InputError(
            "shards that are not compressed, of which one picture can be read", text, "Unpack it to a .tar."
        )
    if Path(text).exists():
        return [text] if text.endswith(ENDING) else None
    if not text.endswith(ENDING) and not {*"{}*?"} & {*Path(text).name}:
        return None
    named = _named(text, lambda one: map(str, Path(one).parent.glob(Path(one).name)))
    missing = [shard for shard in named if not Path(shard).is_file()]
    if missing:
        remedy = "Is one of them elsewhere, or the pattern too long?" if len(missing) < len(named) else _EXAMPLE
        raise InputError(f"the shard {missing[0]}", f"no such file (of {len(named)}, {len(missing)} missing)", remedy)
    return named


def expanded(pattern: str) -> list[str]:
    """Return the names that a pattern with ranges stands for. All numbers have at least as many digits as the first.

    Raises:
        InputError: for a brace that is no range, a range that falls, or more than a million names.

    >>> expanded("a-{08..10}.tar")
    ['a-08.tar', 'a-09.tar', 'a-10.tar']
    """
    fixed = _RANGE.split(pattern)
    if any(brace in part for part in fixed[::3] for brace in "{}"):
        raise InputError(f"a range in braces in {pattern}", "other braces", _EXAMPLE)
    ranges = [(first, int(last)) for first, last in zip(fixed[1::3], fixed[2::3], strict=True)]
    count = 1
    for first, last in ranges:
        if last < int(first):
            raise InputError(f"a range that rises in {pattern}", f"{first} to {last}", _EXAMPLE)
        count *= last - int(first) + 1
    if count > MOST:
        raise InputError(f"at most {MOST:,} shards", f"{count:,} of {pattern}", "Pack them into larger ones.")
    numbers = [[f"{number:0{len(first)}}" for number in range(int(first), last + 1)] for first, last in ranges]
    texts = fixed[::3]
    return ["".join(itertools.chain(*zip(texts, (*chosen, ""), strict=True))) for chosen in itertools.product(*numbers)]


def file_system(address: str) -> tuple[Any, str]:
    """Return fsspec's file system of an address, and the path in it.

    Ask for it anew in each process: a file system must not be used after a fork. fsspec keeps those that it made.

    Raises:
        InputError: for an address of an unknown kind, or one that needs a package that is not installed.
    """
    protocol = address.partition("://")[0]
    check_choice("the kind of address", protocol, PACKAGES, "Other kinds are to be mounted or copied first.")
    package = PACKAGES[protocol]
    if find_spec(package) is None:
        raise InputError(f"the package {package}, which reads {protocol}://", "none", f"pip install {package}")
    with reaching(address):
        found, path = fsspec.core.url_to_fs(address, **_options(protocol))
        return found, str(path)


def _options(protocol: str) -> dict[str, Any]:
    """Return options of a file system: a shard may take any time, but its next bytes at most a minute."""
    if protocol not in ("http", "https"):
        return {}
    from aiohttp import ClientTimeout  # noqa: PLC0415

    return {"client_kwargs": {"timeout": ClientTimeout(total=None, sock_connect=60, sock_read=60)}}


@contextmanager
def reaching(shard: str) -> Iterator[None]:
    """Inside, make any error on the way to a shard an InputError that names the shard.

    Raises:
        InputError: for any exception.
        OSError: for a full disk on this machine.
    """
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        why = error.__cause__  # fsspec says of a server that is not there that the file is not
        if why is not None and not isinstance(why, FileNotFoundError):
            raise InputError(f"to read {shard}", _words(why)) from why
        raise InputError(f"a shard {shard}", "no such file", "Is the pattern too long?") from error
    except PermissionError as error:
        raise InputError(f"to be let at {shard}", f"no ({_words(error)})", "Are the keys of the store set?") from error
    except Exception as error:  # each package has its own
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        raise InputError(f"to read {shard}", _words(error)) from error


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _at_address(address: str) -> list[str]:
    found, _ = file_system(address)
    protocol = address.partition("://")[0]

    def listed(pattern: str) -> list[str]:
        with reaching(pattern):
            return [name if is_address(name) else f"{protocol}://{name.lstrip('/')}" for name in found.glob(pattern)]

    if not address.endswith(ENDING) and "{" not in address:
        address = f"{address.rstrip('/')}/*{ENDING}"
    return _named(address, listed)


def _in_folder(folder: Path) -> list[str] | None:
    shards, folders = [], 0
    with reaching(str(folder)), os.scandir(folder) as entries:
        for entry in entries:
            ending = "" if entry.name.startswith(".") else Path(entry.name).suffix.lower()
            if ending in READ_SUFFIXES:
                return None
            if ending == ENDING and entry.is_file():
                shards.append(str(folder / entry.name))
            folders += entry.is_dir()
    if shards and folders:
        log.warning("left out in %s: %d folder%s beside the shards", folder, folders, "s" * (folders != 1))
    return sorted(shards) or None


def _named(pattern: str, find: Callable[[str], Iterable[str]]) -> list[str]:
    """Return what a pattern names: its ranges are written out, and names with ``*`` or ``?`` looked up."""
    names = expanded(pattern)
    if not {*"*?"} & {*pattern}:
        return names
    found = sorted({name for one in names for name in find(one)})
    if not found:
        raise InputError(f"shards {pattern}", "none", "Put the pattern in quotes, and see where the shards lie.")
    return found
