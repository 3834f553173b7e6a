"""Which files a command reads and writes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from perceptualloss.errors import InputError
from perceptualloss.pictures import video
from perceptualloss.pictures.images import READ_SUFFIXES
from perceptualloss.pictures.kinds import WRITE_SUFFIXES, is_file_name, kept_suffix
from perceptualloss.pictures.listing import list_folder, no_pictures

Place = tuple[Path, Path]  # a source, and its place in the folder of targets


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        pairs: sources and targets.
        left_out: what is in the folders besides, by ending (see :class:`Listing`).
        faulty: what cannot be looked at, and why.
        single: whether one file was named, and no folder.
    """

    pairs: list[tuple[Path, Path]]
    left_out: Counter[str] = field(default_factory=Counter)
    faulty: dict[Path, str] = field(default_factory=dict)
    single: bool = False


def pair_up(
    paths: Sequence[Path], out: Path, videos: bool = False, suffix: str | None = None, is_folder: bool = False
) -> Plan:
    """Return sources and targets for all pictures at ``paths``: files, and folders with all that is within.

    One file goes to ``out`` if that ends like a file; otherwise ``out`` is a folder, in which pictures have
    the places that they have in theirs. Kinds of files that are not written become PNG. With ``videos``, these are
    found, too, and kinds of them that are not written become MP4. Of several paths those that are not there, and
    folders without pictures, are among what is faulty.

    Args:
        paths: files and folders.
        out: a file, or a folder.
        videos: whether videos are found, too.
        suffix: what all pictures in the folder ``out`` end in, in place of their own endings.
        is_folder: whether ``out`` is a folder whatever it ends in.

    Raises:
        InputError: nothing to read, an ``out`` that cannot be meant, two pictures of one name, or a target that is
            one of the sources.
    """
    if not paths:
        raise InputError("pictures or folders", "none")
    reads = READ_SUFFIXES + (video.READ_SUFFIXES if videos else ())
    single = len(paths) == 1 and not paths[0].is_dir()
    is_file = not is_folder and not out.is_dir() and (out.suffix.lower() in reads or (single and is_file_name(out)))
    if is_file and not single:
        raise InputError("a folder for several pictures", str(out), f"A folder of this name is written {out}/.")
    writes = video.WRITE_SUFFIXES if videos and is_video(paths[0]) else WRITE_SUFFIXES
    if is_file and out.suffix.lower() not in writes:
        remedy = f"A folder of this name is written {out}/."
        raise InputError(f"a file name that ends in {', '.join(writes)}", repr(out.name), remedy)
    plan, found = Plan([], single=single), list[Place]()
    for path in paths:
        try:
            found += _files_at(path, out, reads, plan)
        except InputError as error:
            if len(paths) == 1:
                raise
            plan.faulty[path] = str(error)
    if not found:
        first, why = next(iter(plan.faulty.items()))
        raise InputError("something to read", f"nothing; {first}: {why}")
    if is_file:
        plan.pairs.append((paths[0], out))
    else:
        plan.pairs.extend(_into(out, found, suffix))
    sources = {source.resolve() for source, _ in plan.pairs}
    for source, target in plan.pairs:
        if target.resolve() in sources:
            raise InputError(f"another place than that of {source}", str(target), "Choose another --out.")
    return plan


def is_video(path: Path) -> bool:
    """Return whether a file's name says that it is a video."""
    return path.suffix.lower() in video.READ_SUFFIXES


def moved_aside(path: Path) -> Path | None:
    """Give a file another name, which no picture has, and return it; an empty file is deleted."""
    if not path.is_symlink() and path.stat().st_size == 0:
        path.unlink()
        return None
    number = 1
    while os.path.lexists(aside := _with_ending(path, ".before" if number == 1 else f".before-{number}")):
        number += 1
    return path.rename(aside)


def _with_ending(path: Path, ending: str) -> Path:
    """Put an ending behind a file's name, whose own end it replaces where it would become longer than 255 bytes."""
    name = os.fsencode(path.name)[: 255 - len(ending)]
    return path.with_name(os.fsdecode(name).encode(errors="ignore").decode() + ending)


def _files_at(path: Path, out: Path, reads: tuple[str, ...], plan: Plan) -> list[Place]:
    """Return pictures with their names below ``path``; what is in ``out`` are results of an earlier run."""
    if not path.is_dir():
        if not path.exists():
            got = "a link to nothing" if path.is_symlink() else "no such file"
            raise InputError(f"a picture or folder {path}", got)
        return [(path, Path(path.name))]
    within = out.resolve() != path.resolve() and out.resolve().is_relative_to(path.resolve())
    listing = list_folder(path, reads, out if within else None)
    if not listing.files:
        raise no_pictures(path, listing, reads)
    plan.left_out.update(listing.left_out)
    plan.faulty.update(listing.faulty)
    return [(file, file.relative_to(path)) for file in listing.files]


def _into(out: Path, files: list[Place], suffix: str | None) -> list[tuple[Path, Path]]:
    """Give the names places in ``out``; a.bmp becomes a.png, or a.bmp.png beside another a.png."""
    names = [name.with_suffix(_kept(name, suffix)) for _, name in files]
    count = Counter(names)
    places = [
        name if count[name] == 1 or name.suffix == own.suffix else own.with_name(own.name + _kept(own, suffix))
        for name, (_, own) in zip(names, files, strict=True)
    ]
    twice = [place for place, times in Counter(places).items() if times > 1]
    if twice:
        raise InputError("pictures of different names", f"{twice[0]} several times", "Do one folder at a time.")
    return [(source, out / place) for (source, _), place in zip(files, places, strict=True)]


def _kept(name: Path, suffix: str | None) -> str:
    """Return the suffix that what becomes of a file has."""
    if is_video(name):
        return name.suffix if name.suffix.lower() in video.WRITE_SUFFIXES else ".mp4"
    return kept_suffix(name) if suffix is None else suffix
