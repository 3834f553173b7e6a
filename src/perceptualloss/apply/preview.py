"""One frame of a clip before and after, so that one sees what hours of work will give, and how many hours."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from perceptualloss.apply.tool import Tool
from perceptualloss.pictures.images import write_image
from perceptualloss.pictures.picture import PathLike
from perceptualloss.pictures.resize import resize
from perceptualloss.pictures.video import frame_at

_GAP = 8  # white columns between before and after
_SHORT = 3.0  # seconds: what takes less is done once more, because a first time takes longer


@dataclass(frozen=True)
class Preview:
    """What was seen of one frame.

    Attributes:
        at: its time in the clip, in seconds.
        seconds: that its transformation took.
        frames: about how many the clip has, 0 if nothing says it.
    """

    at: float
    seconds: float
    frames: int


def preview(tool: Tool, source: PathLike, target: PathLike, at: float | None = None, overwrite: bool = True) -> Preview:
    """Write one frame of a clip as a picture: at the left as it is, of the result's size, at the right the result.

    Args:
        tool: transforms it.
        source: the clip.
        target: the picture to write.
        at: its time in seconds; None is the middle of the clip.
        overwrite: whether it takes the place of a file of that name.

    Raises:
        InputError: a clip that cannot be read, a time that is not within it, or a picture that cannot be written.
    """
    frame, moment, frames = frame_at(Path(source), at)
    change, took = tool.frames(smooth=0.0), _SHORT
    for _ in range(2):
        start = time.perf_counter()
        after = change(frame)
        first, took = took, time.perf_counter() - start
        if took >= _SHORT:
            break
        took = min(first, took)
    size = (after.shape[-2], after.shape[-1])
    before = frame if tuple(frame.shape[-2:]) == size else resize(frame, size=size).clamp(0, 1)
    both = torch.cat([before, torch.ones(1, 3, size[0], _GAP), after.cpu()], dim=-1)
    write_image(both, target, overwrite=overwrite)
    return Preview(moment, took, frames)
