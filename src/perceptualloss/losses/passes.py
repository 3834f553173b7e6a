"""One pass of losses through a network: whole, or where memory is short in parts, and again in the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from perceptualloss.errors import InputError
from perceptualloss.features.passes import Passes
from perceptualloss.features.view import Change, PixelShift
from perceptualloss.losses.mask import Mask
from perceptualloss.losses.places import places, seen_mask
from perceptualloss.losses.prepared import Prepared
from perceptualloss.losses.tiles import in_tiles

if TYPE_CHECKING:
    from perceptualloss.losses.network_loss import NetworkLoss

Terms = list[dict[str, Tensor]]
"""Of every loss, its terms by name."""
Maps = Mapping[str, Tensor]
"""Features by layer, or what losses keep of them by name."""


def one_pass(
    losses: Sequence[NetworkLoss], output: Tensor, target: Tensor | Prepared, mask: Mask | None = None
) -> Terms:
    """Return the terms of losses of one view through one network, which runs once, and once more on the target."""
    network, view = losses[0].network, losses[0].view
    change = view.draw(output)
    seen = None
    if mask is not None:
        for loss in losses:
            loss._check_takes_mask()
        seen = seen_mask(mask, view, change)
    if network.passes.tile is not None:
        return _tiled(losses, view.show(output, change), target, change, seen)
    layers, goal = union(loss.output_layers for loss in losses), _goal(losses, target, change, seen)
    if not network.passes.plain:
        return _in_parts(losses, layers, view.show(output, change), goal, seen)
    target_features = goal(None)
    features = network(view.show(output, change), layers)
    weights = () if seen is None else (places(seen, network, features),)
    return [loss.from_features(features, target_features, *weights) for loss in losses]


def _goal(
    losses: Sequence[NetworkLoss], target: Tensor | Prepared, change: Change | PixelShift | None, mask: Mask | None
) -> Callable[[slice | None], Maps]:
    """Return what gives, for a part of a batch, what losses of one pass need of the target; None is the whole batch.

    In a plain pass these are the target's features; otherwise only what the losses keep of them.
    """
    network, view = losses[0].network, losses[0].view
    layers = union(loss.target_layers for loss in losses)
    if not layers:
        return lambda part: {}
    if isinstance(target, Prepared):
        return _prepared_goal(losses, target, mask)
    with torch.no_grad():
        shown = view.show(target, change)

    @torch.no_grad()
    def goal(part: slice | None) -> Maps:
        features: Maps = network(shown if part is None or len(shown) == 1 else shown[part], layers)
        if network.passes.plain:
            return features
        own = mask if mask is None or part is None else mask.part(part)
        weights = () if own is None else (places(own, network, features),)
        return {name: kept for loss in losses for name, kept in loss.of_target(features, *weights).items()}

    if network.passes.plain or len(shown) > 1 or (mask is not None and len(mask.pixels) > 1):
        return goal
    once = goal(None)  # one target serves the whole batch
    return lambda part: once


def _prepared_goal(
    losses: Sequence[NetworkLoss], target: Prepared, mask: Mask | None
) -> Callable[[slice | None], Maps]:
    """Return :func:`_goal` of a prepared target.

    Raises:
        InputError: for a target that was prepared for something else, or styles under a mask.
    """
    for loss in losses:
        if mask is not None and set(loss.kept_names()) != set(loss.target_layers):
            remedy = "Give the target itself: what is outside of the mask counts in a prepared style."
            raise InputError(f"no mask (weight) with a prepared target of {type(loss).__name__}", "one", remedy)
    kept = target.of_pass(made_by(losses[0]), union(tuple(loss.kept_names()) for loss in losses))
    whole = len(target) == 1
    return lambda part: kept if part is None or whole else {name: found[part] for name, found in kept.items()}


def made_by(loss: NetworkLoss) -> str:
    """Return in words what makes a loss's features of a picture: the network, its weights, and what it is shown.

    Raises:
        InputError: for a loss that changes its pictures at random.
    """
    network, view = loss.network, loss.view
    if view.augment is not None:
        remedy = "Such pictures change at each call."
        raise InputError("a loss without augment, for a prepared target", f"augment={view.augment!r}", remedy)
    shown = f"resize {view.resize}, halvings {view.halvings}"
    return f"{network.name} ({network.fingerprint()}), input_range {network.input_range}, {shown}"


def union(layers: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Return all names in some lists, each once."""
    return tuple(dict.fromkeys(layer for some in layers for layer in some))


def _in_parts(
    losses: Sequence[NetworkLoss],
    layers: Sequence[str],
    output: Tensor,
    goal: Callable[[slice | None], Maps],
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
    recompute = recomputes(network.passes, output)
    compiling = torch.compiler.is_compiling()
    if compiling and len(parts) > 1 and any(loss.draws for loss in losses):
        remedy = "Leave chunk out, or call loss.eval()."
        raise InputError("a loss that draws nothing for chunks under torch.compile", type(losses[0]).__name__, remedy)

    def terms(pictures: Tensor, target: Maps, own: Mask | None) -> Terms:
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
    return _joined(found)


def _tiled(
    losses: Sequence[NetworkLoss],
    output: Tensor,
    target: Tensor | Prepared,
    change: Change | PixelShift | None,
    mask: Mask | None,
) -> Terms:
    """Return the terms of losses through one network, tile by tile and, if that is said, some pictures at a time."""
    network, view = losses[0].network, losses[0].view
    recomputes(network.passes, output)
    prepared = _prepared_goal(losses, target, mask) if isinstance(target, Prepared) else None
    shown = None
    if isinstance(target, Tensor):
        with torch.no_grad():
            shown = view.show(target, change)
    found = []
    for part in _parts(len(output), network.passes.chunk):
        kept = {} if prepared is None else prepared(part)
        own = shown if shown is None or len(shown) == 1 else shown[part]
        found.append(in_tiles(losses, output[part], own, kept, None if mask is None else mask.part(part)))
    return _joined(found)


def recomputes(passes: Passes, *pictures: Tensor) -> bool:
    """Return whether what is computed of pictures is to be computed again in the backward pass.

    Raises:
        InputError: for derivatives by torch.func, which knows no such thing.
    """
    recompute = torch.is_grad_enabled() and any(some.requires_grad for some in pictures)
    if recompute and not torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active():
        remedy = "Call output.backward(), or leave them out."
        raise InputError("a loss without checkpoint, chunk and tile under torch.func", f"{passes}", remedy)
    return recompute


def _joined(parts: Sequence[Terms]) -> Terms:
    """Return the terms of a batch from those of its parts."""
    if len(parts) == 1:
        return parts[0]
    return [{name: torch.cat([part[i][name] for part in parts]) for name in first} for i, first in enumerate(parts[0])]


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
