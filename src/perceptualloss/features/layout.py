"""Where channels and places lie in what a layer gives: maps with channels first or last, or tokens in rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from perceptualloss.errors import InputError


@dataclass(frozen=True)
class Layout:
    """How a layer's output is turned into features (N, C, h, w).

    Attributes:
        channels: C.
        places: the axis, or the first of two neighbouring axes, of the places.
        prefix: how many tokens without a place (class, registers) come first; None for maps, which have two axes.
        row: how many places a row has in a picture of ``side`` pixels.
        side: see ``row``.
    """

    channels: int
    places: int
    prefix: int | None
    row: int
    side: int

    def maps(self, output: Tensor, height: int, width: int) -> Tensor:
        """Return features (N, C, h, w) of pictures of ``height`` x ``width`` pixels; tokens without a place go.

        Raises:
            InputError: for as many tokens as no grid over the picture has.
        """
        if self.prefix is None:
            return output if self.places == 2 else output.permute(0, 3, 1, 2)
        rows, columns = height * self.row // self.side, width * self.row // self.side
        tokens = output.transpose(1, 2) if self.places == 1 else output
        if tokens.shape[2] != self.prefix + rows * columns:
            expected = f"{self.prefix} + {rows} x {columns} tokens of a picture of {height} x {width}"
            raise InputError(expected, str(tokens.shape[2]), "Take another layer.")
        maps: Tensor = tokens[:, :, self.prefix :].unflatten(2, (rows, columns))
        return maps


def find_layout(shape: Sequence[int], twice: Sequence[int] | None, side: int) -> Layout | None:
    """Tell how a layer's output is laid out from its shape for one square picture, and for one of twice the side.

    Axes that grow with the picture are places, the one that stays is that of the channels. Networks that take one
    size alone leave one shape: then two equal axes, or those of a square number of tokens and a few more, are places.

    Returns:
        None for what has no places: pooled vectors, attention between tokens, windows in the batch.

    >>> find_layout((1, 64, 56, 56), (1, 64, 112, 112), 224)
    Layout(channels=64, places=2, prefix=None, row=56, side=224)
    >>> find_layout((1, 197, 192), (1, 785, 192), 224)
    Layout(channels=192, places=1, prefix=1, row=14, side=224)
    """
    if shape[0] != 1 or len(shape) not in (3, 4):
        return None
    places = _only_size(shape, side) if twice is None else _grown(shape, twice)
    if places is None:
        return None
    channels = shape[5 - 2 * places] if len(shape) == 4 else shape[3 - places]
    if len(shape) == 4:
        return Layout(channels, places, None, shape[places], side)
    count = shape[places] if twice is None else (twice[places] - shape[places]) // 3  # twice the side, 4 times as many
    row = math.isqrt(count)
    prefix = shape[places] - row * row
    if prefix < 0 or (twice is not None and row * row != count):
        return None
    return Layout(channels, places, prefix, row, side)


def _grown(shape: Sequence[int], twice: Sequence[int]) -> int | None:
    """Return the first axis of the places: those that are about twice as long (maps) or four times (tokens)."""
    if len(twice) != len(shape) or twice[0] != 1:
        return None
    grown = [axis for axis in range(1, len(shape)) if twice[axis] != shape[axis]]
    if len(shape) == 3:
        return grown[0] if len(grown) == 1 and twice[grown[0]] > 2 * shape[grown[0]] else None
    like_sides = all(1.5 * shape[axis] <= twice[axis] <= 3 * shape[axis] for axis in grown)
    return grown[0] if grown in ([1, 2], [2, 3]) and like_sides else None


def _only_size(shape: Sequence[int], side: int) -> int | None:
    """Return the first axis of the places where one shape is all that is known: rows of places divide the side."""
    if len(shape) == 3:
        row = math.isqrt(shape[1])
        return 1 if row > 1 and side % row == 0 and shape[1] - row * row <= 16 else None
    for first in (2, 1):
        if shape[first] == shape[first + 1] > 1 and side % shape[first] == 0:
            return first
    return None
