"""What makes a picture of a picture makes files of files and clips of clips."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from perceptualloss.pictures.change import Writing, change_in_parts, share_of
from perceptualloss.pictures.parts import Parts
from perceptualloss.pictures.picture import PathLike, Picture, Progress
from perceptualloss.pictures.stored import Stored
from perceptualloss.pictures.video import transform_video

Frames = Callable[[Tensor], Tensor]
"""Takes a frame (1, 3, H, W) in [0, 1] and returns one of any size, the same for all."""


class Tool(ABC):
    """What makes one picture of another with a network, or a file of a file, or a clip of a clip.

    :func:`upscaler`, :func:`restorer` and :func:`transformer` return a :class:`Transformer`, :func:`stylist` a
    :class:`Stylist`; both are such.
    """

    @abstractmethod
    def size_of(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the result of a picture of this size.

        Raises:
            InputError: where there is none.
        """

    @abstractmethod
    def picture(self, picture: Picture, progress: Progress | None = None) -> Picture:
        """Return the result of a picture.

        Args:
            picture: any number of pictures of one size.
            progress: called with input pixels done and all input pixels.
        """

    def parts(self, stored: Stored, progress: Progress | None = None) -> Parts:
        """Return the result of a picture as its file stores it; here made at once.

        Args:
            stored: the picture.
            progress: called with input pixels done and all input pixels.
        """
        return Parts.of(self.picture(stored.whole(), progress))

    @abstractmethod
    def frames(self, smooth: float) -> Frames:
        """Return what makes frame after frame of one clip.

        Args:
            smooth: against flicker, from 0 to 1 (see :mod:`perceptualloss.apply.steady`).
        """

    def file(
        self, source: PathLike, target: PathLike, progress: Progress | None = None, writing: Writing | None = None
    ) -> None:
        """Make a file of a picture's file, of all its frames or pages; date, place and camera are kept.

        Args:
            source: the picture.
            target: the file to write; what its kind cannot hold is said in a line.
            progress: called with input pixels done and all input pixels, of all frames.
            writing: how the file is written; see :class:`perceptualloss.pictures.change.Writing`.

        Raises:
            InputError: a file that cannot be read or written, transparency that ``target`` cannot keep, more pixels
                than it can have, or, unless ``writing.overwrite``, a target that is there.
        """

        def change(stored: Stored, number: int, count: int) -> Parts:
            return self.parts(stored, share_of(progress, number, count))

        change_in_parts(change, source, target, self.size_of, writing)

    def video(
        self,
        source: PathLike,
        target: PathLike,
        smooth: float = 0.0,
        progress: Progress | None = None,
        overwrite: bool = True,
    ) -> None:
        """Make a clip of a clip, frame by frame, with its sound.

        Args:
            source: the clip.
            target: the file to write.
            smooth: against flicker, from 0 to 1 (see :mod:`perceptualloss.apply.steady`).
            progress: called with frames done and all frames.
            overwrite: whether it takes the place of a file of that name.

        Raises:
            InputError: a clip that cannot be read or written, or, unless ``overwrite``, a target that is there.
        """
        transform_video(Path(source), Path(target), self.frames(smooth), progress, overwrite)
