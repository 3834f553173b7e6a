"""Weighted sums of losses."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn

from perceptualloss.errors import InputError, check_choice
from perceptualloss.losses.base import Loss
from perceptualloss.losses.network_loss import NetworkLoss, share_networks, terms_of_one_pass
from perceptualloss.pictures.ranges import InputRange, to_unit_range


class WeightedLoss(Loss):
    r"""A weighted sum of losses, :math:`\sum_i \lambda_i \ell_i(\hat y, y)`, that is a loss itself.

    Parts that look through the same loss network are given one network object and share its passes. A sum
    within a sum is taken apart: its parts are named ``outer/inner``.

    Args:
        losses: the losses by name.
        weights: their weights by name, 1 where none is given.

    Attributes:
        input_range: that of the parts.

    Raises:
        InputError: for no losses, a weight without a loss, a part that gives a map, or parts that want pictures of
            different ranges: all are given the same ones.

    >>> import torch
    >>> from perceptualloss.losses.pixel import L1Loss, MSELoss
    >>> loss = MSELoss() + 0.5 * L1Loss()
    >>> {n: float(v) for n, v in loss.terms(torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)).items()}
    {'mse': 1.0, 'l1': 0.5}
    """

    def __init__(self, losses: Mapping[str, Loss], weights: Mapping[str, float] | None = None) -> None:
        super().__init__()  # the range becomes the parts'
        if not losses:
            raise InputError("at least one loss to sum", "none")
        for name in weights or {}:
            check_choice("weight", name, losses)
        parts: dict[str, Loss] = {}
        self.weights: dict[str, float] = {}
        for name, loss in losses.items():
            weight = float((weights or {}).get(name, 1.0))
            for inner, part, own in _parts(loss):
                full = f"{name}/{inner}" if isinstance(loss, WeightedLoss) and len(loss.losses) > 1 else name
                parts[full], self.weights[full] = part, weight * own
        for full, part in parts.items():
            if getattr(part, "spatial", False):
                remedy = "Leave spatial=True away here; loss.map(output, target) gives the map."
                raise InputError(
                    f"{full} to give one number in a sum", "LPIPS(spatial=True), which gives a map", remedy
                )
        self.input_range = _common_range(parts)
        share_networks(parts.values())
        self.losses: Mapping[str, Loss] = nn.ModuleDict(parts)  # type: ignore[assignment]
        self.needs_target = any(loss.needs_target for loss in parts.values())
        self.same_size = any(loss.same_size for loss in parts.values())

    def per_image(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return every loss's terms times its weight; a loss of several terms names them ``loss/term``."""
        looking = {name: loss for name, loss in self.losses.items() if isinstance(loss, NetworkLoss)}
        seen = terms_of_one_pass(looking, output, target)
        found = {}
        for name, loss in self.losses.items():
            terms = seen[name] if name in seen else loss.per_image(output, target)
            for term, value in terms.items():
                found[name if len(terms) == 1 else f"{name}/{term}"] = self.weights[name] * value
        return found

    def check_shapes(self, output: Tensor, target: Tensor | None = None) -> None:
        """Check against every part's own needs."""
        for loss in self.losses.values():
            loss.check_shapes(output, target)

    def check(self, output: Tensor, target: Tensor | None = None) -> None:
        """Check against every part's own needs and range."""
        for loss in self.losses.values():
            loss.check(output, target)


def _common_range(parts: Mapping[str, Loss]) -> InputRange:
    """Return the range that all parts want."""
    ranges = {name: part.input_range for name, part in parts.items()}
    if len(set(ranges.values())) > 1:
        got = ", ".join(f"{name} {wanted}" for name, wanted in ranges.items())
        raise InputError("parts of the same input_range, as they get the same pictures", got, "Say it for every part.")
    return next(iter(ranges.values()))


class _InUnitRange(Loss):
    """A loss without a network, of pictures of another range as if they were in [0, 1]."""

    def __init__(self, loss: Loss, input_range: InputRange) -> None:
        super().__init__(input_range)
        self.loss, self.needs_target, self.same_size = loss, loss.needs_target, loss.same_size

    def per_image(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        return self.loss.per_image(*(to_unit_range(images, self.input_range) for images in (output, target)))


def in_unit_range(loss: Loss, input_range: InputRange) -> Loss:
    """Return a loss without a network that gives for pictures of any range what ``loss`` gives for [0, 1].

    >>> import torch
    >>> from perceptualloss.losses.pixel import MSELoss
    >>> black = torch.zeros(1, 3, 4, 4)
    >>> float(MSELoss((0, 255))(black, black + 255)), float(in_unit_range(MSELoss(), (0, 255))(black, black + 255))
    (65025.0, 1.0)
    """
    if input_range == loss.input_range:
        return loss
    return WeightedLoss({loss_name(type(loss)): _InUnitRange(loss, input_range)})


def add(loss: Loss, other: Loss) -> WeightedLoss:
    """Return ``loss + other``; parts of the same name are numbered from ``_2`` on."""
    losses: dict[str, Loss] = {}
    weights: dict[str, float] = {}
    for name, part, weight in [*_parts(loss), *_parts(other)]:
        unique, i = name, 2
        while unique in losses:
            unique, i = f"{name}_{i}", i + 1
        losses[unique], weights[unique] = part, weight
    return WeightedLoss(losses, weights)


def scale(loss: Loss, weight: float) -> WeightedLoss:
    """Return ``weight * loss``."""
    parts = _parts(loss)
    return WeightedLoss({name: part for name, part, _ in parts}, {name: own * weight for name, _, own in parts})


def _parts(loss: Loss) -> list[tuple[str, Loss, float]]:
    """Return name, loss and weight of each part of a sum; a single loss is named after its class."""
    if isinstance(loss, WeightedLoss):
        return [(name, part, loss.weights[name]) for name, part in loss.losses.items()]
    return [(loss_name(type(loss)), loss, 1.0)]


def loss_name(kind: type[Loss]) -> str:
    """Return the name of a loss in sums and logs.

    >>> from perceptualloss.losses.pixel import MSELoss
    >>> loss_name(MSELoss)
    'mse'
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind.__name__.removesuffix("Loss")).lower()
