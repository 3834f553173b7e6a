"""VGG-like networks block by block, each in tiles: maps between blocks are whole, those inside of them never are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torchvision.models.squeezenet import Fire

from perceptualloss.features.architectures import POOLS
from perceptualloss.features.modules import Convolution
from perceptualloss.features.reach import margins

Span = tuple[int, int | None]
"""Where something begins and ends in rows or columns; None is where the map ends."""
Run = Callable[[Sequence[nn.Module], Sequence[str], Tensor, Collection[str]], tuple[dict[str, Tensor], Tensor]]


@dataclass(frozen=True)
class Tile:
    """A part of a block's input: the block's maps over it, and the surroundings that these see.

    Args:
        rows: of the part; both ends lie on the block's coarsest grid, but for the map's end.
        columns: the same.
        row: where the part with its surroundings begins and ends.
        column: the same.
    """

    rows: Span
    columns: Span
    row: Span
    column: Span

    def crop(self, x: Tensor) -> Tensor:
        """Return the part with its surroundings."""
        part = x[..., self.row[0] : self.row[1], self.column[0] : self.column[1]]
        return part.contiguous(memory_format=torch.channels_last)

    def of_crop(self, features: Tensor, step: int) -> Tensor:
        """Return, of features of the crop, those of the part itself."""
        return features[..., _inside(self.rows, self.row, step), _inside(self.columns, self.column, step)]

    def of_whole(self, features: Tensor, step: int) -> Tensor:
        """Return the same positions of features of the whole map."""
        return features[..., _inside(self.rows, (0, None), step), _inside(self.columns, (0, None), step)]


class Block:
    """Modules between two pools, with the second of them.

    Attributes:
        steps: by how many of its input's positions those of each layer lie apart.

    Args:
        modules: in the order in which they run.
        names: their names.
        run: runs them, and returns the features asked for and what the last module gives.
    """

    def __init__(self, modules: Sequence[nn.Module], names: Sequence[str], run: Run) -> None:
        self._modules, self._names, self._run = modules, names, run
        self._margins = {name: margins(modules[: i + 1]) for i, name in enumerate(names)}
        self.steps = {name: step for name, (_, _, step) in self._margins.items()}
        self.step = self.steps[names[-1]]

    def layers(self, asked: Collection[str]) -> tuple[str, ...]:
        """Return those of the layers that are asked for that are in this block."""
        return tuple(name for name in self._names if name in asked)

    def run(self, x: Tensor, layers: Collection[str]) -> tuple[dict[str, Tensor], Tensor]:
        """Return the features of some layers and the block's output."""
        return self._run(self._modules, self._names, x, layers)

    def tiles(self, height: int, width: int, side: int) -> list[list[Tile]]:
        """Return the tiles of an input of that size, row by row, of at most ``side`` positions a side.

        Those at the end may be a little larger, where ``side`` is close to what the block sees.
        """
        before = max(before for before, _, _ in self._margins.values())
        after = max(after for _, after, _ in self._margins.values())
        least = before + after + self.step  # of the last one: with less, a module might be left without a position

        def spans(length: int) -> list[tuple[Span, Span]]:
            count = -(-length // max(self.step, side // self.step * self.step))
            starts = dict.fromkeys(length * i // count // self.step * self.step for i in range(count))
            edges = [start for start in starts if start == 0 or length - start >= least] + [length]
            return [
                (
                    (start, None if end == length else end),
                    (max(0, (start - before) // self.step * self.step), None if end + after >= length else end + after),
                )
                for start, end in pairwise(edges)
            ]

        columns = spans(width)
        return [[Tile(row[0], column[0], row[1], column[1]) for column in columns] for row in spans(height)]


def blocks(modules: Sequence[nn.Module], names: Sequence[str], run: Run) -> list[Block]:
    """Cut a chain of modules behind its pools, before the next convolution."""
    starts = [0, *(i for i in range(1, len(modules)) if _begins(modules[i - 1], modules[i])), len(modules)]
    return [Block(modules[start:end], names[start:end], run) for start, end in pairwise(starts)]


def joined(pieces: Sequence[Tensor], axis: int) -> Tensor:
    """Return the row of tiles' pieces (axis 3), or the map of such rows (axis 2)."""
    return pieces[0] if len(pieces) == 1 else torch.cat(list(pieces), dim=axis)


def _begins(before: nn.Module, module: nn.Module) -> bool:
    return isinstance(before, POOLS) and isinstance(module, (*Convolution.__args__, Fire))


def _inside(part: Span, crop: Span, step: int) -> slice:
    """Return where a part of a crop lies in a layer whose positions are ``step`` apart."""
    start = (part[0] - crop[0]) // step
    return slice(start, None if part[1] is None else start + (part[1] - part[0]) // step)
