"""What every loss has in common: its call, its checks, its named terms and its arithmetic."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from perceptualloss.errors import InputError, check_choice, check_image_batch, check_same_shape
from perceptualloss.pictures.ranges import (
    FAR,
    InputRange,
    check_input_range,
    check_values,
    range_bounds,
    values_can_be_read,
)

Reduction = Literal["mean", "sum", "none"]
_QUIET = ("input_range", "reduction", "resize", "augment", "halvings", "style")  # of many losses, seldom set

NOT_SHOWN = object()


class Loss(nn.Module):
    """A distance between pictures: ``loss(output, target)`` is a scalar, differentiable in ``output`` alone.

    Both are batches (N, 3, H, W) in ``input_range``. ``loss.terms(output, target)`` gives the named, weighted parts,
    whose sum is the loss, and ``loss.per_image(output, target)`` these of every picture. Losses are added,
    subtracted and scaled: ``2 * L1Loss() + MSELoss() / 3``, ``sum(losses)``.

    A subclass defines ``_per_image(output, target)``, which returns its weighted terms by name with one value per
    picture, (N,) each; of a loss that needs no target and is given none, the target is the output. All else is done
    here: shapes and types are checked on every call; values on the first call, because reading them waits for a GPU
    (:meth:`check` reads them on demand); no gradient flows to the target.

    Attributes:
        needs_target: False for a loss of the output alone, which is called as ``loss(output)``.
        same_size: False where the target may have another height and width, and be one picture for a batch.

    Args:
        input_range: (0, 1) by contract, or (-1, 1), (0, 255), any other pair, or "imagenet" for images
            normalised with ImageNet's mean and standard deviation.
        reduction: "mean" over the pictures of a batch, their "sum", or "none" for the value of each, (N,).

    Raises:
        InputError: for an unusable range or an unknown reduction.

    >>> class Darkness(Loss):
    ...     needs_target = False
    ...
    ...     def _per_image(self, output, target):
    ...         return {"darkness": 1 - output.mean(dim=(1, 2, 3))}
    >>> Darkness(reduction="none")(torch.zeros(2, 3, 8, 8))
    tensor([1., 1.])
    """

    needs_target: bool = True
    same_size: bool = True

    def __init__(self, input_range: InputRange = (0.0, 1.0), reduction: Reduction = "mean") -> None:
        super().__init__()
        self.input_range = check_input_range(input_range)
        check_choice("reduction", reduction, get_args(Reduction))
        self.reduction: Reduction = reduction
        self._values_checked = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "per_image" in cls.__dict__:
            raise TypeError(f"{cls.__name__} must define _per_image: loss.per_image checks its input and calls that")

    def _per_image(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return the weighted terms by name, each with one value per image, (N,)."""
        raise TypeError(f"{type(self).__name__} must define _per_image(output, target)")

    def forward(self, output: Tensor, target: Tensor | None = None) -> Tensor:
        """Return the loss of the batch, the sum of its terms: a scalar, or (N,) without a reduction."""
        total: Tensor = torch.stack(list(self.terms(output, target).values())).sum(dim=0)
        return total

    def terms(self, output: Tensor, target: Tensor | None = None) -> dict[str, Tensor]:
        """Return the weighted terms by name, each reduced as the loss is; their sum is the loss."""
        values = self.per_image(output, target)
        if self.reduction == "none":
            return values
        return {name: value.mean() if self.reduction == "mean" else value.sum() for name, value in values.items()}

    def per_image(self, output: Tensor, target: Tensor | None = None) -> dict[str, Tensor]:
        """Return the weighted terms by name, each with one value per picture, (N,), whatever the reduction."""
        self.check_call(output, target)
        values = self._per_image(output, (output if target is None else target).detach())
        for name, value in values.items():
            if value.shape != output.shape[:1]:
                expected = f"{type(self).__name__}._per_image to give {name} for every picture, ({len(output)},)"
                raise InputError(expected, f"shape {tuple(value.shape)}", "Average over dim=(1, 2, 3), say.")
        return values

    def check_call(self, output: Tensor, target: Tensor | None = None) -> None:
        """Check shapes and types; values, too, on the first call at which they can be read."""
        if self._values_checked or not values_can_be_read():
            self.check_shapes(output, target)
        else:
            self.check(output, target)
            self._values_checked = True

    def check_shapes(self, output: Tensor, target: Tensor | None = None) -> None:
        """Raise InputError unless shapes and types are as promised; reads no values."""
        check_image_batch("output", output)
        if target is None:
            if self.needs_target:
                raise InputError(
                    f"{type(self).__name__}(output, target)", "no target", "Give the picture it should be."
                )
            return
        check_image_batch("target", target)
        if self.same_size:
            check_same_shape("output", output, "target", target)
        elif len(target) not in (1, len(output)):
            raise InputError(
                "target with as many pictures as output, or one for all", f"{len(output)} and {len(target)}"
            )

    def check(self, output: Tensor, target: Tensor | None = None) -> None:
        """Raise InputError unless shapes, types and values are as promised; reads the values."""
        self.check_shapes(output, target)
        low, high = range_bounds(self.input_range)
        if target is not None:
            check_values("target", target, low, high)
        check_values("output", output, low, high, slack=FAR)

    @staticmethod
    def _share(losses: Iterable[Loss]) -> None:
        """Make one thing of what several losses of this family, the parts of one sum, need alike."""

    @staticmethod
    def _together(losses: Mapping[str, Loss], output: Tensor, target: Tensor) -> dict[str, dict[str, Tensor]]:
        """Return every loss's terms, of several of this family: those that have this very function.

        A family whose members save work when they are computed together defines it anew, and :meth:`_share`.
        """
        return {name: loss._per_image(output, target) for name, loss in losses.items()}

    def _check_part(self, name: str) -> None:
        """Raise InputError if this loss, as it is set, cannot be the part of that name of a sum."""

    def __add__(self, other: Loss) -> Loss:
        return _added(self, other) if isinstance(other, Loss) else NotImplemented

    def __radd__(self, other: int) -> Loss:  # what sum() begins with
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __sub__(self, other: Loss) -> Loss:
        return _added(self, -other) if isinstance(other, Loss) else NotImplemented

    def __neg__(self) -> Loss:
        return _scaled(self, -1.0)

    def __mul__(self, weight: float) -> Loss:
        return _scaled(self, weight) if isinstance(weight, int | float) else NotImplemented

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Loss:
        return _scaled(self, 1 / divisor) if isinstance(divisor, int | float) else NotImplemented

    def _option(self, name: str) -> Any:
        """Return what ``repr`` shows as the argument ``name``: the attribute of that name, if there is one."""
        return getattr(self, name, NOT_SHOWN)

    def extra_repr(self) -> str:
        """Return the options, those of all losses only where they are not as usual."""
        options = []
        for name, parameter in inspect.signature(type(self)).parameters.items():
            value = self._option(name)
            if value is not NOT_SHOWN and not (name in _QUIET and value == parameter.default):
                options.append(f"{name}={' '.join(repr(value).split())}")
        return ", ".join(options)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"


class WeightedLoss(Loss):
    r"""A weighted sum of losses, :math:`\sum_i \lambda_i \ell_i(\hat y, y)`, that is a loss itself.

    Parts of one family, such as those that look through the same loss network, share what they can: one network
    object, and its passes. A sum within a sum is taken apart: its parts are named ``outer/inner``.

    Args:
        losses: the losses by name.
        weights: their weights by name, 1 where none is given.
        reduction: that of the sum, whatever those of its parts; by default theirs, which then must agree.

    Attributes:
        input_range: that of the parts.

    Raises:
        InputError: for no losses, a weight without a loss or that is not finite, a part that gives a map, two parts of
            one name, parts of different reductions, or parts that want pictures of different ranges: all are given
            the same ones.

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
        self.losses: Mapping[str, Loss] = nn.ModuleDict(parts)  # type: ignore[assignment]
        self.needs_target = any(loss.needs_target for loss in parts.values())
        self.same_size = any(loss.same_size for loss in parts.values())
        families: dict[object, dict[str, Loss]] = {}
        for full, part in parts.items():
            families.setdefault(type(part)._together, {})[full] = part
        self._families = [tuple(family) for family in families.values()]
        for family in families.values():
            next(iter(family.values()))._share(family.values())

    def _per_image(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return every loss's terms times its weight; a loss of several terms names them ``loss/term``."""
        terms_of: dict[str, dict[str, Tensor]] = {}
        for family in self._families:
            members = {name: self.losses[name] for name in family}
            terms_of |= members[family[0]]._together(members, output, target)
        weighted: dict[str, Tensor] = {}
        for name in self.losses:
            for term, value in terms_of[name].items():
                full = name if len(terms_of[name]) == 1 else f"{name}/{term}"
                if full in weighted:
                    raise InputError("every term of a sum under a name of its own", f"{full!r} twice")
                weighted[full] = self.weights[name] * value
        return weighted

    def extra_repr(self) -> str:
        """Return every part with its weight, a line each; the sum's reduction, where it is not the mean."""
        lines = [f"({name}): {self.weights[name]:g} * {part!r}" for name, part in self.losses.items()]
        reduction = [] if self.reduction == "mean" else [f"reduction={self.reduction!r}"]
        return "".join("\n  " + line.replace("\n", "\n  ") for line in [*lines, *reduction]) + "\n"

    def check_shapes(self, output: Tensor, target: Tensor | None = None) -> None:
        """Check against every part's own needs."""
        for loss in self.losses.values():
            loss.check_shapes(output, target)

    def check(self, output: Tensor, target: Tensor | None = None) -> None:
        """Check against every part's own needs and range."""
        for loss in self.losses.values():
            loss.check(output, target)


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


def _added(loss: Loss, other: Loss) -> WeightedLoss:
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


def _scaled(loss: Loss, weight: float) -> WeightedLoss:
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
