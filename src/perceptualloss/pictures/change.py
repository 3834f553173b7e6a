"""One file into another: what a change makes of its picture, frames or pages, with what is said beside them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from perceptualloss.errors import InputError
from perceptualloss.memory import free_main_memory
from perceptualloss.pictures.decode import Frames
from perceptualloss.pictures.encode import write_still
from perceptualloss.pictures.images import open_pictures
from perceptualloss.pictures.kinds import AVIF, GIF, Kind, check_target, kind_of, kinds_that_hold
from perceptualloss.pictures.metadata import Metadata, read_metadata
from perceptualloss.pictures.parts import Parts
from perceptualloss.pictures.picture import PathLike, Picture, Progress
from perceptualloss.pictures.reading.decoded import MAX_PIXELS
from perceptualloss.pictures.rows import Rows
from perceptualloss.pictures.sequences import Timing, write_sequence
from perceptualloss.pictures.stored import Stored

log = logging.getLogger(__name__)

Change = Callable[[Picture, int, int], Picture]
ChangeInParts = Callable[[Stored, int, int], Parts]
Size = Callable[[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Writing:
    """How a file is written that is made of another.

    Attributes:
        overwrite: whether it takes the place of a file of its name.
        strip: keep nothing beside the pixels: no date, place, camera, resolution, texts, nor a colour profile.
        max_pixels: a larger source is refused before it is decoded.
    """

    overwrite: bool = True
    strip: bool = False
    max_pixels: int = MAX_PIXELS


@dataclass(frozen=True)
class _Layout:
    """What all frames of a file have in common, because an animation has one layout.

    Attributes:
        clear: whether any has opacity.
        grey: whether all are grey.
        bits: in which they are written.
        height: of the first result.
        width: of the first result.
        pixels: of all results.
    """

    clear: bool
    grey: bool
    bits: Literal[8, 16]
    height: int
    width: int
    pixels: int

    @property
    def size(self) -> int:
        """About how many bytes all samples have."""
        return self.pixels * self.channels * self.bits // 8

    @property
    def channels(self) -> int:
        """Of colours and opacity."""
        return (1 if self.grey else 3) + self.clear


def share_of(progress: Progress | None, number: int, count: int) -> Progress | None:
    """Return what tells how far one of several frames is as how far all of them are."""
    if progress is None:
        return None
    return lambda done, total: progress(number * total + done, count * total)


def change_file(change: Change, source: PathLike, target: PathLike, size: Size, writing: Writing | None = None) -> None:
    """Write what ``change`` makes of all frames or pages in one file into another.

    Frames and pages, 16 bits, date, place, camera, resolution and texts are kept as far as the kind of ``target`` can
    hold them, and where the source has a colour profile, the result has sRGB's. What is lost is said in a line.

    Args:
        change: makes a picture of another, of its number, and of how many there are.
        source: the file that is read.
        target: the file that is written, whole or not at all.
        size: gives height and width of a result for those of a picture, so that what cannot be written is refused
            before the work.
        writing: how.

    Raises:
        InputError: a file that cannot be read or written, transparency that ``target`` cannot keep, more pixels
            than it can have, or, unless ``writing.overwrite``, a target that is there.
    """

    def changed(stored: Stored, number: int, count: int) -> Parts:
        return Parts.of(change(stored.whole(), number, count))

    change_in_parts(changed, source, target, size, writing)


def change_in_parts(
    change: ChangeInParts, source: PathLike, target: PathLike, size: Size, writing: Writing | None = None
) -> None:
    """Do what :func:`change_file` does with what ``change`` makes part by part of pictures as they are stored.

    A PNG, TIFF or JPEG file of one picture, or of pages, is written band by band; for all other kinds the samples of a
    whole result are in memory.
    """
    writing, target = writing or Writing(), Path(target)
    kind = kind_of(target)
    if not writing.overwrite and target.exists():
        raise InputError(f"a new file {target}", "one that is there already") from FileExistsError(str(target))
    pictures = open_pictures(source, writing.max_pixels)
    count = _kept(pictures, kind, target)
    one = pictures.stored(0) if count == 1 else None  # which is decoded once
    layout = _check([one] if one else map(pictures.stored, range(count)), target, size)
    if kind is GIF:
        log.warning("%s: GIF has 256 colours; %s have all", target.name, kinds_that_hold("frames", "XMP"))
    _check_memory(kind, layout, target)
    metadata = Metadata() if writing.strip else _metadata(pictures, kind, target, layout)
    if one:
        del pictures  # the content of the file, and what its decoder holds
        write_still(_rows(change(one, 0, 1), layout), target, kind, metadata, writing.overwrite)
        return
    durations = pictures.durations
    timing = None if durations is None else Timing(durations, pictures.loop or 0)
    if kind is AVIF and timing is not None and timing.plays:
        log.warning("%s: it plays for ever and not %d times, as AVIF is written here", target.name, timing.plays)
    frames = (_rows(change(pictures.stored(number), number, count), layout) for number in range(count))
    write_sequence(frames, target, kind, metadata, timing, layout.size, writing.overwrite)


def _check_memory(kind: Kind, layout: _Layout, target: Path) -> None:
    """Raise where the samples of a result and its encoder do not fit into the memory that is free.

    Raises:
        InputError: too little memory for a kind of file that is not written in rows.
    """
    pixels, free = layout.height * layout.width, free_main_memory()
    needed = pixels * (kind.whole + layout.channels * layout.bits // 8) if kind.whole else 0
    if free is not None and needed > free:
        raise InputError(
            f"memory for a {kind} file of {layout.width:,} x {layout.height:,} pixels, about {needed / 2**30:.1f} GiB",
            f"{free / 2**30:.1f} GiB that are free, for {target.name}",
            "A file that ends in .png, .tif or .jpg is written while it is made, and needs little.",
        )


def _kept(pictures: Frames, kind: Kind, target: Path) -> int:
    """Return how many frames or pages are written, and say which are not, and why."""
    count, animated = pictures.count, pictures.source.animated
    if count == 1:
        return 1
    if animated and "frames" not in kind.holds and "pages" in kind.holds:
        log.warning("%s: the %d frames become pages, without their times", target.name, count)
        return count
    what = "frames" if animated else "pages"
    if what in kind.holds:
        return count
    holding = kinds_that_hold(what)
    log.warning("%s: the first of %d %s alone is written; %s would have all", target.name, count, what, holding)
    return 1


def _check(pictures: Iterable[Stored], target: Path, size: Size) -> _Layout:
    """Look through what will be changed, before the work, and return what it has in common.

    Raises:
        InputError: a frame that does not decode, or that the target cannot hold.
    """
    clear, grey, bits, sizes = False, True, 8, list[tuple[int, int]]()
    for picture in pictures:
        clear, grey, bits = clear or picture.clear, grey and picture.grey, max(bits, picture.decoded.bits)
        sizes.append(size(picture.height, picture.width))
    for height, width in set(sizes):
        kind = check_target(target, width, height, clear)
    deep = bits > 8 and "16 bits" in kind.holds
    if bits > 8 and not deep:
        log.warning("%s: 16 bits become 8 bits; %s keep them", target.name, kinds_that_hold("16 bits"))
    pixels = sum(height * width for height, width in sizes)
    return _Layout(clear, grey, 16 if deep else 8, *sizes[0], pixels)


def _metadata(pictures: Frames, kind: Kind, target: Path, layout: _Layout) -> Metadata:
    """Return what can be kept of what the source says beside its pixels, and say what cannot."""
    kept, lost = read_metadata(pictures.data, pictures.request).of_picture(layout.width, layout.height).within(kind)
    if lost:
        log.warning("%s: not kept in %s: %s", target.name, kind, "; ".join(lost))
    return kept


def _rows(changed: Parts, layout: _Layout) -> Rows:
    return changed.rows(layout.bits, layout.clear, layout.grey)
