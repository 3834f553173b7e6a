"""Losses that are sums over positions, block by block of their network and tile by tile: no large map is ever whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from perceptualloss.errors import InputError
from perceptualloss.features.blocks import Block, Tile, joined
from perceptualloss.features.chain import Chain
from perceptualloss.losses.mask import Mask, Weights
from perceptualloss.losses.places import places

if TYPE_CHECKING:
    from perceptualloss.losses.network_loss import NetworkLoss

Sums = dict[tuple[int, str], Tensor]
"""By loss and layer, what a part of the positions adds."""


class _Seen(NamedTuple):
    """What is seen of a target: its sums, and of each block the features to compare, tile by tile."""

    sums: Sums
    compared: dict[int, list[dict[str, Tensor]]]


@dataclass
class _Grid:
    """How much the positions of a picture's layers count.

    Args:
        sizes: height and width of every layer.
        weights: of the positions, under a mask; else they count alike.
    """

    sizes: Mapping[str, tuple[int, int]]
    weights: Mapping[str, Weights] = field(default_factory=dict)

    def of(self, layer: str, tile: Tile, step: int, part: Tensor) -> Weights:
        """Return the weights of a part of a layer's positions."""
        whole = self.weights.get(layer)
        if whole is not None:
            return Weights(tile.of_whole(whole.positions, step), whole.total)
        height, width = self.sizes[layer]
        kind = torch.promote_types(part.dtype, torch.float32)
        ones = torch.ones(1, 1, *part.shape[-2:], dtype=kind, device=part.device)
        return Weights(ones, ones.new_full((1,), height * width))


def in_tiles(
    losses: Sequence[NetworkLoss],
    output: Tensor,
    target: Tensor | None,
    kept: Mapping[str, Tensor],
    mask: Mask | None,
) -> list[dict[str, Tensor]]:
    """Return the terms of losses that share a pass, of pictures as their network is to see them.

    Each block's input is whole; tile after tile of it, with as much around it as the block sees, becomes a part of the
    next block's input and of the losses' sums, and its features are computed again in the backward pass. A block that
    is one tile keeps them instead, unless the network's ``passes`` say ``checkpoint``. What is needed of the target's
    features is kept, but for the first block, where they are largest and cost least.

    Args:
        losses: sums over positions.
        output: (N, 3, H, W).
        target: the same of the target; None where nothing of it is missing.
        kept: what was prepared of the target.
        mask: of the pictures.

    Raises:
        InputError: for a loss that must see whole maps.
    """
    for loss in losses:
        if loss.why_whole():
            name = type(loss).__name__
            remedy = "chunk=1 looks at one picture at a time."
            raise InputError(f"sums over positions for tile ({name})", loss.why_whole(), remedy)
    return _Pass(losses, kept, mask).terms(output, target)


class _Pass:
    """What one pass in tiles needs throughout."""

    def __init__(self, losses: Sequence[NetworkLoss], kept: Mapping[str, Tensor], mask: Mask | None) -> None:
        self.losses, self.kept, self.mask = losses, kept, mask
        self.network = losses[0].network
        self.layers = tuple(dict.fromkeys(layer for loss in losses for layer in loss.output_layers))
        self.chain = cast(Chain, self.network.body).blocks(self.layers)
        missing = [] if kept else losses
        self.raw = {layer for loss in missing if not loss.summarises for layer in loss.target_layers}
        self.summed = {layer for loss in missing if loss.summarises for layer in loss.target_layers}

    def terms(self, output: Tensor, target: Tensor | None) -> list[dict[str, Tensor]]:
        """Run block after block, first of the target, and finish the losses from their sums."""
        t, seen = None, _Seen({}, {})
        wanted = tuple(self.raw | self.summed)
        if wanted and target is not None:
            with torch.no_grad():
                t, grid = self._input(target, wanted)
                seen = self._target(t, grid, wanted)
        x, grid = self._input(output, self.layers)
        sums: Sums = {}
        for number, block in enumerate(self.chain):
            again = t if number == 0 and block.layers(self.raw) else None
            x = self._block(block, x, again, seen.compared.get(number), grid, sums)
        return [self._finished(i, loss, sums, seen.sums) for i, loss in enumerate(self.losses)]

    def _input(self, images: Tensor, layers: tuple[str, ...]) -> tuple[Tensor, _Grid]:
        """Return normalised images, and how much the positions of the layers count."""
        x = self.network.normalised(images, layers)
        marks = torch.empty(1, 1, *x.shape[-2:], device="meta")
        found = self.network.touched(marks, layers)
        sizes = {layer: (shape.shape[-2], shape.shape[-1]) for layer, shape in found.items()}
        weights = {} if self.mask is None else places(self.mask, self.network, found)
        return x, _Grid(sizes, weights)

    def _target(self, t: Tensor, grid: _Grid, wanted: Sequence[str]) -> _Seen:
        """Run a target block after block: its sums, and the features to compare, of all blocks but the first."""
        seen = _Seen({}, {})
        for number, block in enumerate(self.chain):
            rows: list[Tensor] = []
            later = any(following.layers(wanted) for following in self.chain[number + 1 :])
            for row in self._tiles(block, t):
                pieces: list[Tensor] = []
                for tile in row:
                    features, out = block.run(tile.crop(t), block.layers(wanted))
                    cut = {layer: tile.of_crop(found, block.steps[layer]) for layer, found in features.items()}
                    for i, loss in enumerate(self.losses):
                        for layer in cut.keys() & {*loss.target_layers} if loss.summarises else ():
                            if cut[layer].numel():
                                weights = grid.of(layer, tile, block.steps[layer], cut[layer])
                                _add(seen.sums, {(i, layer): loss.at_places(layer, cut[layer], None, weights)})
                    if number and self.raw:
                        compared = {layer: _compact(cut[layer]) for layer in self.raw & cut.keys()}
                        seen.compared.setdefault(number, []).append(compared)
                    if later:
                        pieces.append(tile.of_crop(out, block.step))
                if later:
                    rows.append(joined(pieces, 3))
            if not later:
                break
            t = joined(rows, 2)
        return seen

    def _tiles(self, block: Block, x: Tensor) -> list[list[Tile]]:
        return block.tiles(x.shape[-2], x.shape[-1], cast(int, self.network.passes.tile))

    def _block(
        self,
        block: Block,
        x: Tensor,
        t: Tensor | None,
        compared: Sequence[dict[str, Tensor]] | None,
        grid: _Grid,
        sums: Sums,
    ) -> Tensor:
        """Add a block's part to the sums; return its output, but of the last one nothing new."""
        tiles = self._tiles(block, x)
        several = len(tiles) * len(tiles[0]) > 1
        recompute = (several or self.network.passes.checkpoint) and torch.is_grad_enabled() and x.requires_grad
        rows: list[Tensor] = []
        for r, row in enumerate(tiles):
            pieces: list[Tensor] = []
            for c, tile in enumerate(row):
                look = self._look(block, tile, grid)
                inputs = (x, t, {} if compared is None else compared[r * len(row) + c])
                piece, part = checkpoint(look, *inputs, use_reentrant=False) if recompute else look(*inputs)
                _add(sums, part)
                pieces.append(piece)
            rows.append(x if block is self.chain[-1] else joined(pieces, 3))
        return x if block is self.chain[-1] else joined(rows, 2)

    def _look(self, block: Block, tile: Tile, grid: _Grid) -> Callable[..., tuple[Tensor, Sums]]:
        """Return what looks at one tile: it gives its part of the output, and its sums."""
        asked = block.layers(self.layers)

        def look(x: Tensor, t: Tensor | None, compared: Mapping[str, Tensor]) -> tuple[Tensor, Sums]:
            goal = {**compared}
            if t is not None:
                with torch.no_grad():
                    features = block.run(tile.crop(t), block.layers(self.raw))[0]
                goal = {layer: tile.of_crop(found, block.steps[layer]) for layer, found in features.items()}
            features, out = block.run(tile.crop(x), asked)
            sums: Sums = {}
            for layer in asked:
                step = block.steps[layer]
                part = tile.of_crop(features[layer], step)
                beside = tile.of_whole(self.kept[layer], step) if layer in self.kept else goal.get(layer)
                if part.numel():
                    weights = grid.of(layer, tile, step, part)
                    for i, loss in enumerate(self.losses):
                        if layer in loss.output_layers:
                            sums[i, layer] = loss.at_places(layer, part, beside, weights)
            return x if block is self.chain[-1] else tile.of_crop(out, block.step), sums

        return look

    def _finished(self, number: int, loss: NetworkLoss, sums: Sums, of_target: Sums) -> dict[str, Tensor]:
        """Return a loss's terms from the sums over all tiles."""
        own = {layer: sums[number, layer] for layer in loss.output_layers}
        styles = {layer: of_target[number, layer] for layer in loss.target_layers if (number, layer) in of_target}
        return loss.from_places(own, {**self.kept, **loss.named(styles)})


def _add(total: Sums, part: Sums) -> None:
    for key, value in part.items():
        total[key] = total[key] + value if key in total else value


def _compact(part: Tensor) -> Tensor:
    """Return a part of a map that does not keep the whole in memory."""
    return part.contiguous(memory_format=torch.channels_last)
