"""Clips: frame by frame through a function, with their times, their sound and all else that the target can hold.

``transform`` is the way from file to file, ``still`` to one frame. ``reading`` opens a clip and gives its frames,
``interlaced`` makes whole pictures of half ones, ``times`` puts their times in order, ``frames`` makes upright RGB of
them by ``colour``, ``encoding`` writes what became of them, ``tracks`` sends on sound and subtitles. Nothing but this
file is imported where PyAV is not needed; what is left out, guessed or changed is said by ``logging``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from perceptualloss.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from perceptualloss.pictures.picture import Progress

# What FFmpeg opens and people have. A .gif is a picture here.
# fmt: off
READ_SUFFIXES = (
    ".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".h264", ".hevc", ".ivf", ".m1v", ".m2t", ".m2ts",
    ".m2v", ".m4v", ".mjpg", ".mkv", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".ogm", ".ogv",
    ".qt", ".rm", ".rmvb", ".tod", ".trp", ".ts", ".vob", ".webm", ".wmv", ".wtv", ".y4m",
)
# fmt: on
WRITE_SUFFIXES = (".mkv", ".mov", ".mp4")


def transform_video(
    source: str | Path,
    target: str | Path,
    change: Callable[[Tensor], Tensor],
    progress: Progress | None = None,
    overwrite: bool = True,
) -> int:
    """Write a clip whose frames are what ``change`` makes of those of another, and return their number.

    Frames come upright, whole (not interlaced) and in the colours of BT.709, to which BT.601, BT.2020 and HDR are
    converted, with their own tags or, without, what players take for their size. They keep their times where these
    rise, and their pixels' aspect. The result is H.264 of 8 bits, 4:2:0: a last odd row or column is cut off. Sound
    and subtitles are copied, or recoded where the target's kind of file cannot hold them; languages, titles, chapters
    and tags go with them. A frame that does not decode is left out. What is guessed, repaired, recoded, cut or left
    out is said in one line each, as warnings of the logger ``perceptualloss.pictures.video``. The file appears whole
    or not at all.

    Args:
        source: a file that FFmpeg reads.
        target: a name that ends in .mp4, .mov or .mkv.
        change: takes a frame (1, 3, H, W) in [0, 1] and returns one of any size, the same for all frames.
        progress: called with frames done and about how many there are.
        overwrite: whether it takes the place of a file of that name.

    Raises:
        InputError: PyAV is not installed; a clip that cannot be read, without pictures, or of which no frame decodes;
            colours of a kind that is not known; a target that cannot be written, or that is there, unless
            ``overwrite``.
    """
    _check_av()
    from perceptualloss.pictures.video.transform import transform  # noqa: PLC0415  needs PyAV

    return transform(Path(source), Path(target), change, progress, overwrite)


def seconds_shown(path: Path) -> float:
    """Return how many seconds are between the first and the last frame of a clip that decode.

    Raises:
        InputError: PyAV is not installed; a clip that cannot be read, or of which no frame decodes.
    """
    _check_av()
    from perceptualloss.pictures.video.transform import seconds_shown  # noqa: PLC0415  needs PyAV

    return seconds_shown(path)


def frame_at(path: Path, seconds: float | None = None) -> tuple[Tensor, float, int]:
    """Return one frame of a clip as :func:`transform_video` shows it, its time, and about how many frames there are.

    Args:
        path: the clip.
        seconds: the frame that is shown then; None is the middle of the clip.

    Returns:
        The frame, (1, 3, H, W) in [0, 1]; its time in seconds; the number of frames, 0 if nothing says it.

    Raises:
        InputError: PyAV is not installed; a clip that cannot be read, or of which no frame decodes; a time that is not
            within it.
    """
    _check_av()
    from perceptualloss.pictures.video.still import frame_at  # noqa: PLC0415  needs PyAV

    return frame_at(path, seconds)


def frame_size(path: Path) -> tuple[int, int]:
    """Return height and width of the frames of a clip, upright.

    Raises:
        InputError: PyAV is not installed; a clip that cannot be read, or of which no frame decodes.
    """
    _check_av()
    from perceptualloss.pictures.video.still import frame_size  # noqa: PLC0415  needs PyAV

    return frame_size(path)


def _check_av() -> None:
    try:
        import av  # noqa: F401, PLC0415  an extra
    except ImportError as error:
        remedy = "Install it with: pip install 'perceptualloss[video]'"
        raise InputError("the package av, which reads and writes videos", "none installed", remedy) from error
