"""Weighted sums of losses."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn

from perceptualloss.checks import InputError, check_choice
from perceptualloss.losses.loss import Loss
from perceptualloss.losses.network_loss import NetworkLoss, share_networks, terms_of_one_pass


class WeightedLoss(Loss):
    r"""A weighted sum of losses, :math:`\sum_i \lambda_i \ell_i(\hat y, y)`, that is a loss itself.

    Parts that look through the same loss network are given one network object and share its passes. A sum
    within a sum is taken apart: its parts are named ``outer/inner``.

    Args:
        losses: the losses by name.
        weights: their weights by name, 1 where none is given.

    Raises:
        InputError: for no losses, or a weight without a loss.

    >>> import torch
    >>> from perceptualloss.losses.pixel import L1Loss, MSELoss
    >>> loss = MSELoss() + 0.5 * L1Loss()
    >>> {n: float(v) for n, v in loss.terms(torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)).items()}
    {'mse': 1.0, 'l1': 0.5}
    """

    def __init__(self, losses: Mapping[str, Loss], weights: Mapping[str, float] | None = None) -> None:
        super().__init__()
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
