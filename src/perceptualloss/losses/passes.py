"""How losses look through a network where memory is short: some pictures at a time, and again in the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from perceptualloss.errors import InputError
from perceptualloss.losses.mask import Mask
from perceptualloss.losses.places import places

if TYPE_CHECKING:
    from perceptualloss.losses.network_loss import NetworkLoss

Terms = list[dict[str, Tensor]]
"""Of every loss, its terms by name."""


def in_parts(
    losses: Sequence[NetworkLoss],
    layers: Sequence[str],
    output: Tensor,
    goal: Callable[[slice], Mapping[str, Tensor]],
    mask: Mask | None = None,
) -> Terms:
    """Return the terms of losses through one network as its ``passes`` say: some pictures at a time, recomputed.

    Args:
        losses: those that share the pass.
        layers: the layers wanted of the output.
        output: as the network is to see it.
        goal: gives what the losses need of the target, for a part of the batch.
        mask: of the pictures as the network is to see them.

    Raises:
        InputError: for derivatives by torch.func, which knows no recomputing, or draws that differ from part to part.
    """
    network = losses[0].network
    parts = _parts(len(output), network.passes.chunk)
    recompute = torch.is_grad_enabled() and output.requires_grad
    compiling = torch.compiler.is_compiling()
    if recompute and not compiling and torch._C._are_functorch_transforms_active():
        remedy = "Call output.backward(), or leave them out."
        raise InputError("a loss without checkpoint and chunk under torch.func", f"{network.passes}", remedy)
    if compiling and len(parts) > 1 and any(loss.draws for loss in losses):
        remedy = "Leave chunk out, or call loss.eval()."
        raise InputError("a loss that draws nothing for chunks under torch.compile", type(losses[0]).__name__, remedy)

    def terms(pictures: Tensor, target: Mapping[str, Tensor], own: Mask | None) -> Terms:
        features = network(pictures, layers)
        weights = () if own is None else (places(own, network, features),)
        return [loss.from_features(features, target, *weights) for loss in losses]

    found: list[Terms] = []
    draws = None if compiling or len(parts) == 1 else _Draws(output.device)
    for part in parts:
        if draws is not None and found:
            draws.again()
        inputs = output[part], goal(part), None if mask is None else mask.part(part)
        found.append(checkpoint(terms, *inputs, use_reentrant=False) if recompute else terms(*inputs))
    return [
        {name: torch.cat([one[i][name] for one in found]) if len(found) > 1 else value for name, value in first.items()}
        for i, first in enumerate(found[0])
    ]


def _parts(count: int, most: int | None) -> list[slice]:
    """Return slices of at most ``most`` of so many pictures."""
    size = count if most is None else most
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


class _Draws:
    """What torch's generators would draw next, to be drawn again: every part of a batch gets the same."""

    def __init__(self, device: torch.device) -> None:
        self._module = torch if device.type == "cpu" else torch.get_device_module(device)
        self._place = (device,) if device.type == "cuda" else ()
        self._cpu, self._own = torch.get_rng_state(), self._module.get_rng_state(*self._place)

    def again(self) -> None:
        """Go back to where the first part began."""
        torch.set_rng_state(self._cpu)
        self._module.set_rng_state(self._own, *self._place)
