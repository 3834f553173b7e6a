"""Weighted sums of losses, which are losses, and how losses are added and scaled."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from perceptualloss.errors import InputError, check_choice
from perceptualloss.losses.base import Loss, Reduction
from perceptualloss.losses.mask import Mask, Masking
from perceptualloss.losses.prepared import Maps


class WeightedLoss(Loss):
    r"""A weighted sum of losses, which is a loss itself: :math:`\sum_i \lambda_i \ell_i(\hat y, y)`.

    ``MSELoss() + 0.5 * L1Loss()`` makes one, too. Losses that look through the same loss network share it, and its run.
    A sum within a sum is taken apart; its parts are then named ``outer/inner``.

    Args:
        losses: the losses by name. ``loss.terms(output, target)`` uses these names.
        weights: their weights by name; 1 where none is given.
        reduction: "mean", "sum" or "none" for the whole sum (see :class:`Loss`). None takes that of the parts, which
            must agree.

    Attributes:
        input_range: that of the parts.

    Raises:
        InputError: for no losses, a weight that is not finite or has no loss, or two parts of one name; for parts with
            different ranges or reductions; for a part that gives a map.

    >>> import torch
    >>> from perceptualloss.losses.pixel import L1Loss, MSELoss
    >>> loss = MSELoss() + 0.5 * L1Loss()
    >>> {n: float(v) for n, v in loss.terms(torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)).items()}
    {'mse': 1.0, 'l1': 0.5}
    """

    def __init__(
        self,
        losses: Mapping[str, Loss],
        weights: Mapping[str, float] | None = None,
        reduction: Reduction | None = None,
    ) -> None:
        if not losses:
            raise InputError("at least one loss to sum", "none")
        super().__init__(reduction=_common_reduction(losses.items()) if reduction is None else reduction)
        for name, weight in (weights or {}).items():
            check_choice("weight", name, losses)
            if not math.isfinite(weight):
                raise InputError(f"the weight of {name} to be a finite number", repr(weight))
        parts: dict[str, Loss] = {}
        self.weights: dict[str, float] = {}
        for name, loss in losses.items():
            weight = float((weights or {}).get(name, 1.0))
            inner = _parts(loss)
            for own_name, part, own in inner:
                full = f"{name}/{own_name}" if len(inner) > 1 else name
                if full in parts:
                    raise InputError("every part of a sum under a name of its own", f"{full!r} twice")
                part._check_part(full)
                parts[full], self.weights[full] = part, weight * own
        self.input_range = _common("input_range", parts.items(), "All get the same pictures: say it for every part.")
        self.channels = _common("channels", parts.items(), "All get the same pictures, clips or volumes.")
        self.losses: Mapping[str, Loss] = nn.ModuleDict(parts)  # type: ignore[assignment]
        self.needs_target = any(loss.needs_target for loss in parts.values())
        self.same_size = any(loss.same_size for loss in parts.values())
        families: dict[object, dict[str, Loss]] = {}
        for full, part in parts.items():
            families.setdefault(type(part)._together, {})[full] = part
        self._families = [tuple(family) for family in families.values()]
        for family in families.values():
            next(iter(family.values()))._share(family.values())

    def _per_image(self, output: Tensor, target: Tensor, weight: Mask | None = None) -> dict[str, Tensor]:
        """Return every loss's terms times its weight; a loss of several terms names them ``loss/term``."""
        terms_of: dict[str, dict[str, Tensor]] = {}
        for family in self._families:
            members = {name: self.losses[name] for name in family}
            terms_of |= members[family[0]]._together(members, output, target, weight)
        weighted: dict[str, Tensor] = {}
        for name in self.losses:
            for term, value in terms_of[name].items():
                full = name if len(terms_of[name]) == 1 else f"{name}/{term}"
                if full in weighted:
                    raise InputError("every term of a sum under a name of its own", f"{full!r} twice")
                weighted[full] = self.weights[name] * value
        return weighted

    def _keep(self, target: Tensor) -> tuple[bool, Maps]:
        """Return what the parts need of a target; those of a family compute it together."""
        if not self._takes_prepared:
            return True, {}
        pixels, maps = False, Maps()
        for family in self._families:
            members = {name: self.losses[name] for name in family if self.losses[name].needs_target}
            if members:
                also, found = next(iter(members.values()))._keep_together(members, target)
                pixels, maps = pixels or also, maps | found
        return pixels, maps

    @property
    def _takes_prepared(self) -> bool:
        return type(self)._per_image is WeightedLoss._per_image

    def _mask(self, output: Tensor, target: Tensor | None, weight: Tensor | None, masking: Masking) -> Mask | None:
        if self.channels is None:  # of clips or volumes, whose masks have their shape
            return next(iter(self.losses.values()))._mask(output, target, weight, masking)
        return super()._mask(output, target, weight, masking)

    def extra_repr(self) -> str:
        """Return every part with its weight, a line each; the sum's reduction, where it is not the mean."""
        lines = [f"({name}): {self.weights[name]:g} * {part!r}" for name, part in self.losses.items()]
        reduction = [] if self.reduction == "mean" else [f"reduction={self.reduction!r}"]
        return "".join("\n  " + line.replace("\n", "\n  ") for line in [*lines, *reduction]) + "\n"

    def check_shapes(self, output: Tensor, target: Tensor | None = None) -> None:
        """Check against every part's own needs."""
        for loss in self.losses.values():
            loss.check_shapes(output, loss._taken(target))

    def check(self, output: Tensor, target: Tensor | None = None) -> None:
        """Check against every part's own needs and range."""
        for loss in self.losses.values():
            loss.check(output, loss._taken(target))


def _common(option: str, losses: Iterable[tuple[str, Loss]], remedy: str) -> Any:
    """Return the value of an option that all parts have."""
    values = [(name, getattr(loss, option)) for name, loss in losses]
    if len({value for _, value in values}) > 1:
        got = ", ".join(f"{name} {value}" for name, value in values)
        raise InputError(f"parts of the same {option}", got, remedy)
    return values[0][1]


def _common_reduction(losses: Iterable[tuple[str, Loss]]) -> Reduction:
    remedy = "Say it for every part, or give that of the sum: WeightedLoss(losses, weights, reduction='mean')."
    reduction: Reduction = _common("reduction", losses, remedy)
    return reduction


def added(loss: Loss, other: Loss) -> WeightedLoss:
    """Return ``loss + other``; parts of the same name are numbered from ``_2`` on."""
    losses: dict[str, Loss] = {}
    weights: dict[str, float] = {}
    for name, part, weight in [*_parts(loss), *_parts(other)]:
        unique, i = name, 2
        while unique in losses:
            unique, i = f"{name}_{i}", i + 1
        losses[unique], weights[unique] = part, weight
    reduction = _common_reduction((" + ".join(name for name, _, _ in _parts(one)), one) for one in (loss, other))
    return WeightedLoss(losses, weights, reduction)


def scaled(loss: Loss, weight: float) -> WeightedLoss:
    """Return ``weight * loss``."""
    parts = _parts(loss)
    weights = {name: own * weight for name, _, own in parts}
    return WeightedLoss({name: part for name, part, _ in parts}, weights, loss.reduction)


def _parts(loss: Loss) -> list[tuple[str, Loss, float]]:
    """Return name, loss and weight of each part of a sum; a single loss is named after its class."""
    if isinstance(loss, WeightedLoss) and type(loss)._per_image is WeightedLoss._per_image:
        return [(name, part, loss.weights[name]) for name, part in loss.losses.items()]
    return [(loss_name(type(loss)), loss, 1.0)]


def loss_name(kind: type[Loss]) -> str:
    """Return the name of a loss in sums and logs.

    >>> from perceptualloss.losses.pixel import MSELoss
    >>> loss_name(MSELoss)
    'mse'
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind.__name__.removesuffix("Loss")).lower()
