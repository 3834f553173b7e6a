"""How a loss network goes over a batch where memory is short."""

from __future__ import annotations

from dataclasses import dataclass

from perceptualloss.errors import InputError

SMALLEST_TILE = 8


@dataclass(frozen=True)
class Passes:
    """How much a loss keeps in memory while it looks through a network. Values and gradients are the same.

    Without any of these settings, all features of the output stay in memory until the backward pass. With one of them,
    the features of a part are let go of once its share of the loss is known, and computed again in the backward pass: a
    third more work. What losses need of the target stays.

    Args:
        checkpoint: compute features again in the backward pass, of the whole batch at once. A chunk implies it.
        chunk: at most so many pictures at a time, from 1 on; None for all.
        tile: at most so many positions a side at a time, from 8 on, of each block's maps (pixels, in the first block);
            None for whole maps. What lies between blocks, behind their pools, is whole. A block that is one tile keeps
            its features, unless ``checkpoint`` is said, too. It is for losses that are sums over positions, through
            VGG's kind of network. From 64 on little is done twice.

    Raises:
        InputError: for a chunk below 1 or a tile below 8.

    Source: Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016.
    """

    checkpoint: bool = False
    chunk: int | None = None
    tile: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.checkpoint, bool):
            raise InputError("checkpoint, True or False", repr(self.checkpoint))
        for name, value, least in (("chunk", self.chunk, 1), ("tile", self.tile, SMALLEST_TILE)):
            if value is not None and not (type(value) is int and value >= least):
                raise InputError(f"{name}, a whole number from {least}, or None", repr(value))

    @property
    def plain(self) -> bool:
        """Whether all is kept until the backward pass, the fastest way."""
        return self == Passes()
