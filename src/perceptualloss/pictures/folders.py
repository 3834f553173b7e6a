"""Which files a command reads and writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from perceptualloss.errors import InputError
from perceptualloss.pictures import video
from perceptualloss.pictures.images import READ_SUFFIXES, WRITE_SUFFIXES
from perceptualloss.pictures.listing import picture_files


def pair_up(paths: Sequence[Path], out: Path, videos: bool = False) -> list[tuple[Path, Path]]:
    """Return (source, target) for all pictures at ``paths``: files, and folders with all that is within.

    One file goes to ``out`` if that ends like a picture; otherwise ``out`` is a folder, in which pictures have
    the places that they have in theirs. Kinds of files that are not written become PNG. With ``videos``, these are
    found, too, and kinds of them that are not written become MP4.

    Raises:
        InputError: a path that is not there, a folder without pictures, an ``out`` that cannot be meant, two
            pictures of one name, or a target that is one of the sources.
    """
    if not paths:
        raise InputError("pictures or folders", "none")
    for path in paths:
        if not path.exists():
            raise InputError(f"a picture or folder {path}", "no such file")
    reads = READ_SUFFIXES + (video.READ_SUFFIXES if videos else ())
    if out.suffix.lower() in reads and not out.is_dir():
        if len(paths) > 1 or paths[0].is_dir():
            raise InputError("a folder for several pictures", str(out))
        writes = video.WRITE_SUFFIXES if videos and is_video(paths[0]) else WRITE_SUFFIXES
        if out.suffix.lower() not in writes:
            raise InputError(f"a file name that ends in {', '.join(writes)}", repr(out.name))
        pairs = [(paths[0], out)]
    else:
        pairs = _into(out, [pair for path in paths for pair in _files_at(path, out, reads)])
    sources = {source.resolve() for source, _ in pairs}
    for source, target in pairs:
        if target.resolve() in sources:
            raise InputError(f"another place than that of {source}", str(target), "Choose another --out.")
    return pairs


def is_video(path: Path) -> bool:
    """Return whether a file's name says that it is a video."""
    return path.suffix.lower() in video.READ_SUFFIXES


def _files_at(path: Path, out: Path, reads: tuple[str, ...]) -> list[tuple[Path, Path]]:
    """Return pictures with their names below ``path``; what is in ``out`` are results of an earlier run."""
    if not path.is_dir():
        return [(path, Path(path.name))]
    within = out.resolve() != path.resolve() and out.resolve().is_relative_to(path.resolve())
    files = [
        file for file in picture_files(path, reads) if not (within and file.resolve().is_relative_to(out.resolve()))
    ]
    return [(file, file.relative_to(path)) for file in files]


def _into(out: Path, files: list[tuple[Path, Path]]) -> list[tuple[Path, Path]]:
    """Give the names places in ``out``; a.tif becomes a.png, or a.tif.png beside another a.png."""
    names = [name.with_suffix(_kept(name)) for _, name in files]
    count = Counter(names)
    places = [
        name if count[name] == 1 or name.suffix == own.suffix else own.with_name(own.name + _kept(own))
        for name, (_, own) in zip(names, files, strict=True)
    ]
    twice = [place for place, times in Counter(places).items() if times > 1]
    if twice:
        raise InputError("pictures of different names", f"{twice[0]} several times", "Do one folder at a time.")
    return [(source, out / place) for (source, _), place in zip(files, places, strict=True)]


def _kept(name: Path) -> str:
    """Return the suffix that what becomes of a file has."""
    writes, other = (video.WRITE_SUFFIXES, ".mp4") if is_video(name) else (WRITE_SUFFIXES, ".png")
    return name.suffix if name.suffix.lower() in writes else other
