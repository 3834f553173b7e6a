"""What is in a folder: its pictures, and by name or by number what is left out."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from perceptualloss.errors import InputError
from perceptualloss.pictures.images import READ_SUFFIXES

log = logging.getLogger(__name__)
_NAMED = 8  # kinds that are left out; the others are counted together


@dataclass
class Listing:
    """What is in a folder and the folders within; hidden files and folders are in none of it.

    Attributes:
        files: those with the endings that were asked for, sorted.
        left_out: how many others there are, by ending (or by what else they are).
        faulty: what cannot be looked at, and why: folders that nobody may read, links to nothing,
            what is no regular file.
    """

    files: list[Path] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    faulty: dict[Path, str] = field(default_factory=dict)


def list_folder(folder: Path, suffixes: Iterable[str], without: Path | None = None) -> Listing:
    """Look through a folder and the folders within, through links to folders, too, but into each folder once.

    Args:
        folder: where to look.
        suffixes: the endings of files to find, in lower case.
        without: a folder in it that is passed by.
    """
    suffixes, found, seen = tuple(suffixes), Listing(), set[str]()
    passed_by = None if without is None else os.path.realpath(without)
    folders, links = [folder], list[Path]()
    while folders or links:  # links in the end, so that files are found under their own names
        place = folders.pop() if folders else links.pop(0)
        real = os.path.realpath(place)
        if real == passed_by:
            continue
        if real in seen:
            found.left_out["link to a folder that is read already"] += 1
            continue
        seen.add(real)
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError as error:
            found.faulty[place] = f"a folder that cannot be read ({error.strerror})"
            continue
        for entry in entries:
            if not entry.name.startswith("."):
                _sort_in(place / entry.name, entry, suffixes, found, folders, links)
    found.files.sort()
    return found


def _sort_in(
    path: Path,
    entry: os.DirEntry[str],
    suffixes: tuple[str, ...],
    found: Listing,
    folders: list[Path],
    links: list[Path],
) -> None:
    """Put one entry of a folder where it belongs."""
    if _is(entry.is_dir):
        if not entry.is_symlink():
            folders.append(path)
        elif Path(os.path.realpath(path.parent)).is_relative_to(os.path.realpath(path)):
            found.left_out["link to a folder that it is in"] += 1
        else:
            links.append(path)
    elif path.suffix.lower() not in suffixes:
        found.left_out[path.suffix.lower() or "without an ending"] += 1
    elif _is(entry.is_file):
        found.files.append(path)
    else:
        found.faulty[path] = "a link to nothing that can be read" if entry.is_symlink() else "no regular file"


def _is(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except OSError:  # a link to itself, or to where nobody may look
        return False


def counted(left_out: Counter[str]) -> str:
    """Return in words what was left out, the most frequent first.

    >>> counted(Counter({".mov": 1, ".txt": 3}))
    '3 .txt, 1 .mov'
    """
    kinds = sorted(left_out.items(), key=lambda pair: (-pair[1], pair[0]))
    named = [f"{count} {kind}" for kind, count in kinds[:_NAMED]]
    if others := sum(count for _, count in kinds[_NAMED:]):
        named.append(f"{others} of other kinds")
    return ", ".join(named)


def picture_files(folder: str | os.PathLike[str], suffixes: tuple[str, ...] = READ_SUFFIXES) -> list[Path]:
    """Return the files of pictures in ``folder`` and the folders within, sorted; hidden ones are left out.

    Links are followed, into each folder once. What else is left out is said in a line of the log, by ending and
    number, and in a line each what cannot be read: folders that nobody may enter, links to nothing.

    Raises:
        InputError: No such folder, or no file with one of the suffixes in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        got = "a file" if folder.exists() else "no such folder"
        raise InputError(f"a folder with pictures at {folder}", got)
    found = list_folder(folder, suffixes)
    for path, why in found.faulty.items():
        _say_once(f"left out {path}: {why}")
    if not found.files:
        raise no_pictures(folder, found, suffixes)
    if found.left_out:
        _say_once(f"left out in {folder}: {counted(found.left_out)}")
    return found.files


def no_pictures(folder: Path, found: Listing, suffixes: Iterable[str]) -> InputError:
    """Return the error that says that there are none in a folder, and what there is."""
    others = f", but {counted(found.left_out)}" if found.left_out else ""
    got = f"no file that ends in {', '.join(suffixes)}{others}"
    if found.faulty and not found.left_out:
        path, why = next(iter(found.faulty.items()))
        got = f"{path}: {why}"
    return InputError(f"pictures in {folder}", got, "Name a folder with photos.")


@cache
def _say_once(line: str) -> None:
    """Warn, once in a process: a training lists its photos several times."""
    log.warning(line)
