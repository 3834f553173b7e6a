"""A style picture, and how pictures are painted after it by optimisation: what :class:`Stylist` is for networks."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from perceptualloss.apply.device import find_device
from perceptualloss.apply.optimize_style import StyleOptimization, StyleProgress, optimize_style
from perceptualloss.apply.stylist import longer_side, with_longer_side
from perceptualloss.apply.transformer import check_strength
from perceptualloss.errors import InputError
from perceptualloss.pictures.arrays import unpack
from perceptualloss.pictures.change import Writing, change_file
from perceptualloss.pictures.folders import is_video
from perceptualloss.pictures.images import read_image, write_image
from perceptualloss.pictures.picture import PathLike, Picture, Progress, Source, fill_hidden

StylePicture = Source | Tensor | NDArray[Any]
Watch = Callable[[StyleProgress], None]


@dataclass(frozen=True)
class StyleOptimizer:
    """A style picture, and how to paint after it.

    Attributes:
        style: (1, 3, h, w) in [0, 1].
        device: where to compute.
        size: longer side in pixels to which pictures are resized first; None leaves them as they are.
        strength: from 0, the picture as it was, to 1, the painting.
        settings: of the optimisation, whether colours are kept among them.
    """

    style: Tensor
    device: torch.device
    size: int | None = None
    strength: float = 1.0
    settings: StyleOptimization = field(default_factory=StyleOptimization)

    def __post_init__(self) -> None:
        check_strength(self.strength)

    def size_of(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the painting of a picture of this size."""
        return longer_side(height, width, self.size)

    def paint(self, content: Tensor, progress: Progress | None = None, watch: Watch | None = None) -> Tensor:
        """Return pictures (N, 3, H, W) in [0, 1] as they look in the style, of the same size; one after the other.

        Args:
            content: the pictures.
            progress: called with steps done and all steps, of all pictures.
            watch: called with every step (see :class:`StyleProgress`).
        """
        content = content.clamp(0, 1)
        painted = []
        for number, one in enumerate(content):

            def look(at: StyleProgress, number: int = number) -> None:
                if progress is not None:
                    progress(number * at.total + at.done, len(content) * at.total)
                if watch is not None:
                    watch(at)

            result = optimize_style(one[None].to(self.device), self.style, self.settings, look)
            painted.append(result.picture.to(content))
        return content.lerp(torch.cat(painted), self.strength)

    def picture(self, picture: Picture, progress: Progress | None = None, watch: Watch | None = None) -> Picture:
        """Paint a picture; opacity stays. A grey one becomes coloured, unless colours are kept."""
        colours, alpha = picture.colours, picture.alpha
        if alpha is not None:
            colours, alpha = fill_hidden(colours, alpha), with_longer_side(alpha, self.size)
        painted = self.paint(with_longer_side(colours, self.size), progress, watch)
        return replace(picture, colours=painted, alpha=alpha, grey=picture.grey and self.settings.keep_colors)

    def file(
        self,
        source: PathLike,
        target: PathLike,
        watch: Watch | None = None,
        every: int | None = None,
        writing: Writing | None = None,
    ) -> None:
        """Paint the picture in one file into another, or all frames or pages; date, place and camera are kept.

        Args:
            source: the picture.
            target: the file to write; what its kind cannot hold is said in a line.
            watch: called with every step; steps are counted over all frames.
            every: also write the picture after every so many steps, beside ``target``.
            writing: how files are written; see :class:`perceptualloss.pictures.change.Writing`.

        Raises:
            InputError: a file that cannot be read or written, a video, transparency that ``target`` cannot keep, more
                pixels than it can have, or, unless ``writing.overwrite``, a file that is there.
        """
        if is_video(Path(source)):
            raise InputError("a picture for the method optimize", "a video", "Train a network for the style.")
        writing = writing or Writing()

        def change(picture: Picture, number: int, count: int) -> Picture:
            def look(at: StyleProgress) -> None:
                if watch is not None:
                    watch(replace(at, done=number * at.total + at.done, total=count * at.total))
                if every is not None and at.step.number and at.step.number % every == 0:
                    frame = f"-frame{number + 1:04d}" if count > 1 else ""
                    name = f"{Path(target).stem}{frame}-scale{at.scale + 1}-step{at.step.number:04d}.png"
                    write_image(at.step.picture, Path(target).with_name(name), overwrite=writing.overwrite)

            return self.picture(picture, watch=look)

        change_file(change, source, target, self.size_of, writing)


def style_optimizer(
    style: object,
    size: int | None = None,
    strength: float = 1.0,
    keep_colors: bool = False,
    device: str | None = None,
    **options: Any,
) -> StyleOptimizer:
    """Read a style picture, after which any number of pictures are then painted; arguments of ``stylize``.

    Args:
        style: a file, a Pillow picture, an array or a tensor.
        size: as in :class:`StyleOptimizer`.
        strength: as there.
        keep_colors: change the luminance alone.
        device: "auto", "cpu", "cuda", "mps", "cuda:1"; None is "auto".
        **options: fields of :class:`StyleOptimization`; None stands for its default.

    Raises:
        InputError: something else as a style, or options that cannot be used.
    """
    if not isinstance(style, str | os.PathLike | Image.Image | Tensor | np.ndarray):
        got = "none" if style is None else type(style).__name__
        raise InputError("a picture as style, for the method optimize: a file, Pillow picture, array or tensor", got)
    known = {one.name for one in fields(StyleOptimization)}
    given = {name: value for name, value in options.items() if value is not None}
    if unknown := given.keys() - known:
        raise InputError(f"options of StyleOptimization: {', '.join(sorted(known))}", ", ".join(sorted(unknown)))
    settings = StyleOptimization(keep_colors=keep_colors, **given)
    picture = read_image(style) if isinstance(style, str | os.PathLike | Image.Image) else unpack(style)[0].colours
    if len(picture) != 1:
        raise InputError("one style picture", f"a batch of {len(picture)}", "Give one at a time.")
    place = find_device(device or "auto")
    return StyleOptimizer(picture.clamp(0, 1).to(place), place, size, strength, settings)
