"""How a loss network goes over a batch where memory is short."""

from __future__ import annotations

from dataclasses import dataclass

from perceptualloss.errors import InputError

SMALLEST_TILE = 8


@dataclass(frozen=True)
class Passes:
    """What is in memory at a time while a loss looks through a network; values and gradients are the same.

    Without any of them the graph holds all features of the output until the backward pass. With one of them the
    features of a part are let go of once its share of the loss is known, and computed again in the backward pass: a
    third more work. What losses need of the target stays.

    Args:
        checkpoint: whether features are computed again in the backward pass, of the whole batch at once unless
            a chunk is given, which implies it.
        chunk: at most so many pictures at a time; None for all.
        tile: at most so many positions a side at a time, of each block's maps (pixels, in the first block); None for
            whole maps. What lies between blocks, behind their pools, is whole. A block that is one tile keeps its
            features, unless ``checkpoint`` is said, too. For losses that are sums over positions, through VGG's kind
            of network. From 64 on little is done twice.

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
