"""What every loss has in common: its call, its checks and its named terms."""

from __future__ import annotations

import inspect
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
_QUIET = ("input_range", "reduction", "resize", "augment", "halvings", "style", "share", "chunk", "checkpoint")
"""Options of many losses that are seldom set."""

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
        channels: how many the pictures have, 3 but for ``GreyLoss``; None for a loss of clips or volumes.

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
    channels: int | None = 3

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
        from perceptualloss.losses.sums import added  # noqa: PLC0415

        return added(self, other) if isinstance(other, Loss) else NotImplemented

    def __radd__(self, other: int) -> Loss:  # what sum() begins with
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __sub__(self, other: Loss) -> Loss:
        return self + -other if isinstance(other, Loss) else NotImplemented

    def __neg__(self) -> Loss:
        return self * -1.0

    def __mul__(self, weight: float) -> Loss:
        from perceptualloss.losses.sums import scaled  # noqa: PLC0415

        return scaled(self, weight) if isinstance(weight, int | float) else NotImplemented

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Loss:
        return self * (1 / divisor) if isinstance(divisor, int | float) else NotImplemented

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
