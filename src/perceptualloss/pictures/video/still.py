"""One frame of a clip."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import av
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.pictures.video.frames import as_picture
from perceptualloss.pictures.video.interlaced import progressive
from perceptualloss.pictures.video.reading import UNUSABLE, Clip, as_unreadable, frame_count, rate_of, reading
from perceptualloss.pictures.video.side_data import turn_of


def frame_at(path: Path, seconds: float | None) -> tuple[Tensor, float, int]:
    """Do what :func:`perceptualloss.pictures.video.frame_at` says."""
    for seek in (True, False):  # where a jump leads nowhere, all is read
        with reading(path) as clip:
            lasts = float(clip.lasts)
            wanted = lasts / 2 if seconds is None else seconds
            if wanted < 0 or (lasts and wanted > lasts):
                raise InputError(f"a time from 0 to {lasts:.2f} s, which {path.name} lasts", f"{wanted:g} s")
            if seek:
                with suppress(*UNUSABLE):  # some kinds of file cannot be jumped in
                    clip.container.seek(round(1e6 * (wanted + float(clip.start))))
            with as_unreadable(path):
                frame = _shown_at(clip, wanted)
                if frame is not None:
                    count = frame_count(clip.pictures) or round(lasts * float(rate_of(clip.pictures)))
                    return as_picture(frame, clip.say), _time(clip, frame), count
    raise InputError(f"{path} to be a video with pictures", "none that decodes")


def frame_size(path: Path) -> tuple[int, int]:
    """Do what :func:`perceptualloss.pictures.video.frame_size` says."""
    with reading(path) as clip, as_unreadable(path):
        frame = next(clip.frames([], lambda packet: None), None)
        if frame is None:
            raise InputError(f"{path} to be a video with pictures", "none that decodes")
        return (frame.width, frame.height) if turn_of(frame)[1] else (frame.height, frame.width)


def _shown_at(clip: Clip, wanted: float) -> av.VideoFrame | None:
    """Return the last frame that is not later than a time, or the first one; None if nothing decodes."""
    shown = None
    for frame in progressive(clip.frames([], lambda packet: None), clip.say):
        if shown is not None and _time(clip, frame) > wanted:
            break
        shown = frame
    return shown


def _time(clip: Clip, frame: av.VideoFrame) -> float:
    return 0.0 if frame.pts is None else float(frame.pts * clip.unit - clip.start)
