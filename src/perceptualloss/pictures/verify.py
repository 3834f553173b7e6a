"""Whether a file is whole, and what would be made of a source: so a run goes on where another one stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from perceptualloss.errors import InputError
from perceptualloss.pictures.folders import is_video
from perceptualloss.pictures.images import open_picture

Sides = tuple[int, int]


def unlike(source: Path, target: Path, expected: Callable[[int, int], Sides]) -> str:
    """Return why a file is not what would be made of ``source``, in words after "is"; "" if it is.

    It must not be older than its source, and all of it must decode. A picture must have the size that is expected, a
    video as many seconds as its source, within one. What made it, such as which network, no file says.

    Args:
        source: a picture or a video.
        target: what is there.
        expected: gives height and width for those of the source.
    """
    if target.stat().st_mtime < source.stat().st_mtime:
        return "older than its source"
    try:
        if is_video(target):
            return "" if abs(_last_time(target) - _last_time(source)) <= 1 else "not as long as its source"
        found = _sides(target)
    except InputError:
        return "not whole"
    wanted = expected(*_sides(source))
    return "" if found == wanted else f"{found[1]} x {found[0]} and not {wanted[1]} x {wanted[0]} pixels large"


def _sides(file: Path) -> Sides:
    height, width = open_picture(file).colours.shape[-2:]
    return height, width


def _last_time(file: Path) -> float:
    """Return the time in seconds of a video's last picture that decodes.

    Raises:
        InputError: a file that is no video.
    """
    import av  # noqa: PLC0415  an extra

    last = 0.0
    try:
        with av.open(str(file)) as video:
            for frame in video.decode(video=0):
                last = max(last, frame.time or 0.0)
    except (av.FFmpegError, OSError, IndexError) as error:
        raise InputError(f"{file} to be a video", str(error)) from error
    return last
