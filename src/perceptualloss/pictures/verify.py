"""Whether a file is whole, and what would be made of a source: so a run goes on where another one stopped."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from perceptualloss.errors import InputError
from perceptualloss.pictures.folders import is_video
from perceptualloss.pictures.images import open_pictures
from perceptualloss.pictures.reading.decoded import MAX_PIXELS
from perceptualloss.pictures.video import frame_size, seconds_shown

Sides = tuple[int, int]
_ENDS = {b"\xff\xd8": b"\xff\xd9", b"\x89PNG": b"IEND\xaeB`\x82", b"GIF8": b";"}  # of JPEG, PNG, GIF by their starts


def unlike(source: Path, target: Path, expected: Callable[[int, int], Sides], max_pixels: int = MAX_PIXELS) -> str:
    """Return why a file is not what would be made of ``source``, in words after "is"; "" if it is.

    It must not be older than its source, all of it must decode, and it must have the size that is expected, a video
    without a last odd row or column, and as many seconds as its source, within one. What made it, such as which
    network, no file says.

    Args:
        source: a picture or a video.
        target: what is there.
        expected: gives height and width for those of the source.
        max_pixels: a larger source is refused.
    """
    if not target.exists():
        return "a link to nothing"
    if target.stat().st_mtime < source.stat().st_mtime:
        return "older than its source"
    try:
        if is_video(target):
            lasts, found = seconds_shown(target), [frame_size(target)]
        else:
            lasts, found = 0.0, _sides(target, sys.maxsize, whole=True)
    except InputError:
        return "not whole"
    if is_video(target):
        height, width = (side - side % 2 for side in expected(*frame_size(source)))
        other = _other_size(found, [(height, width)])
        return other or ("" if abs(lasts - seconds_shown(source)) <= 1 else "not as long as its source")
    return _other_size(found, [expected(*sides) for sides in _sides(source, max_pixels)])


def _other_size(found: list[Sides], wanted: list[Sides]) -> str:
    """Return what is wrong with the sizes of frames or pages, of which not every kind of file holds several."""
    if found in (wanted, wanted[:1]):
        return ""
    if len(found) != len(wanted):
        return f"of {len(found)} frames or pages and not of {len(wanted)}"
    (height, width), other = next((one, two) for one, two in zip(found, wanted, strict=True) if one != two)
    return f"{width} x {height} and not {other[1]} x {other[0]} pixels large"


def _sides(file: Path, max_pixels: int = MAX_PIXELS, whole: bool = False) -> list[Sides]:
    """Return height and width of each frame or page of a picture, decoded to its end.

    Raises:
        InputError: a file that does not decode, or, if ``whole``, lacks its end, which decoders make up for.
    """
    data = file.read_bytes()
    if whole and any(data.startswith(start) and not data.endswith(end) for start, end in _ENDS.items()):
        raise InputError(f"{file} to be whole", "one that is cut")
    opened = open_pictures(data, max_pixels)
    pictures = (opened.stored(number) for number in range(opened.count))
    return [(picture.height, picture.width) for picture in pictures]
