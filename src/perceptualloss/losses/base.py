"""What every loss has in common: its call, its checks and its named terms."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from perceptualloss.errors import InputError, check_choice, check_idle, check_image_batch, check_same_shape
from perceptualloss.losses.mask import Mask, Masking, check_mask_shape, checked_mask
from perceptualloss.losses.prepared import Prepared
from perceptualloss.losses.preparing import Preparing
from perceptualloss.pictures.ranges import (
    FAR,
    InputRange,
    check_input_range,
    check_values,
    range_bounds,
    values_can_be_read,
)

Reduction = Literal["mean", "sum", "none"]
_QUIET = ("input_range", "reduction", "resize", "augment", "halvings", "style", "share", "chunk", "checkpoint", "tile")
"""Options of many losses that are seldom set."""

NOT_SHOWN = object()


class Loss(Preparing):
    """A distance between pictures: ``loss(output, target)`` is a scalar, differentiable in ``output`` alone.

    Both are batches (N, 3, H, W), floating point, in ``input_range``.

    - **Terms**: ``loss.terms(output, target)`` gives the named, weighted parts, whose sum is the loss.
    - **One value per picture**: ``loss.per_image(output, target)`` gives each term as (N,).
    - **Sums**: losses are added, subtracted and scaled: ``2 * L1Loss() + MSELoss() / 3``, ``sum(losses)``.
    - **Masks**: ``loss(output, target, weight=mask)`` says how much each pixel counts. The mask is (N, 1, H, W) or (1,
      1, H, W) in [0, 1]. A mask of ones is no mask, bit for bit.
    - **Checks**: shapes and types are checked on every call. Values are checked on the first call only, because reading
      them makes a GPU wait; :meth:`check` reads them on demand. A mask in the CPU's memory is read on every call.
    - **Gradients** reach neither target nor mask.

    Where a position of a layer sees many pixels, ``masking`` says what a mask means:

    - "area": a position counts as much as the pixels under it. This is cheap, but what is outside leaks in at the edge.
    - "exact": only positions count that see pixels of weight 1 alone. What is outside changes neither value nor
      gradient.

    **A loss of your own** is a subclass that defines ``_per_image(output, target, weight=None)``. It returns its
    weighted terms by name, each with one value per picture, (N,). ``weight`` is a :class:`Mask` or None; a subclass
    without it refuses masks. A loss that needs no target and is given none gets the output as target. All else is done
    here.

    Attributes:
        needs_target: False for a loss of the output alone, which is called as ``loss(output)``.
        same_size: False where the target may have another height and width, and may be one picture for a batch.
        channels: channels of the pictures: 3, but for ``GreyLoss``; None for a loss of clips or volumes.

    Args:
        input_range: (0, 1), (-1, 1), (0, 255) or any other pair of numbers, or "imagenet" for pictures that are
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

    same_size: bool = True
    channels: int | None = 3
    _takes_mask: bool = False

    def __init__(self, input_range: InputRange = (0.0, 1.0), reduction: Reduction = "mean") -> None:
        super().__init__()
        self.input_range = check_input_range(input_range)
        check_choice("reduction", reduction, get_args(Reduction))
        self.reduction: Reduction = reduction
        self._values_checked = self._mask_checked = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "per_image" in cls.__dict__:
            raise TypeError(f"{cls.__name__} must define _per_image: loss.per_image checks its input and calls that")
        cls._takes_mask = takes_another(cls._per_image, 3)

    def _per_image(self, output: Tensor, target: Tensor, weight: Mask | None = None) -> dict[str, Tensor]:
        """Return the weighted terms by name, each with one value per image, (N,)."""
        raise TypeError(f"{type(self).__name__} must define _per_image(output, target)")

    def forward(
        self, output: Tensor, target: Tensor | None = None, weight: Tensor | None = None, *, masking: Masking = "area"
    ) -> Tensor:
        """Return the loss of the batch, the sum of its terms: a scalar, or (N,) without a reduction."""
        total: Tensor = torch.stack(list(self.terms(output, target, weight, masking=masking).values())).sum(dim=0)
        return total

    def terms(
        self, output: Tensor, target: Tensor | None = None, weight: Tensor | None = None, *, masking: Masking = "area"
    ) -> dict[str, Tensor]:
        """Return the weighted terms by name, each reduced as the loss is; their sum is the loss."""
        values = self.per_image(output, target, weight, masking=masking)
        if self.reduction == "none":
            return values
        return {name: value.mean() if self.reduction == "mean" else value.sum() for name, value in values.items()}

    def per_image(
        self, output: Tensor, target: Tensor | None = None, weight: Tensor | None = None, *, masking: Masking = "area"
    ) -> dict[str, Tensor]:
        """Return the weighted terms by name, each with one value per picture, (N,), whatever the reduction.

        Args:
            output: (N, 3, H, W) in ``input_range``.
            target: as ``output``.
            weight: a mask, (N, 1, H, W) or (1, 1, H, W) in [0, 1]; None for none.
            masking: "area" or "exact" (see :class:`Loss`).

        Raises:
            InputError: for pictures or a mask of another shape, type or range, an empty mask, a loss that takes none,
                or one of which it cannot be told what its positions see ("exact").
        """
        target = self._taken(target)
        if weight is not None:
            self.check_shapes(output, target)
        mask = self._mask(output, target, weight, masking)
        if mask is not None:
            output = mask.shown(output, self.input_range)
            target = mask.shown(target, self.input_range) if isinstance(target, Tensor) else target
        self.check_call(output, target)  # of what is seen: outside of an exact mask may be anything, NaN too
        target = output.detach() if target is None else target
        values = self._values(output, target, mask)
        for name, value in values.items():
            if value.shape != output.shape[:1]:
                expected = f"{type(self).__name__}._per_image to give {name} for every picture, ({len(output)},)"
                raise InputError(expected, f"shape {tuple(value.shape)}", "Average over dim=(1, 2, 3), say.")
        return values

    def _mask(self, output: Tensor, target: Tensor | None, weight: Tensor | None, masking: Masking) -> Mask | None:
        """Return the mask of a call; its values are read where that makes nothing wait, and on the first call."""
        if weight is None:
            check_idle({"masking": masking}, {"masking": "area"}, "without a mask (weight)")
            return None
        if target is not None and target.shape[-2:] != output.shape[-2:]:
            got = f"a target of {target.shape[-2]} x {target.shape[-1]} pixels"
            remedy = "A style of another size is given when the loss is built (style=...): all of it counts."
            raise InputError("output and target of one size, both under the mask", got, remedy)
        check_mask_shape(weight, output)
        read = weight.device.type == "cpu" or not self._mask_checked
        mask = checked_mask(weight, output, masking, read)
        self._mask_checked = self._mask_checked or values_can_be_read()
        return mask

    def _values(self, output: Tensor, target: Tensor, mask: Mask | None) -> dict[str, Tensor]:
        """Return the terms of each picture, with or without a mask; refuse one that the subclass does not take."""
        if mask is None:
            return self._per_image(output, target)
        self._check_takes_mask()
        return self._per_image(output, target, mask)

    def _check_takes_mask(self) -> None:
        if not self._takes_mask:
            name = type(self).__name__
            remedy = "Let its _per_image take weight=None as third argument, or its from_features weights=None."
            raise InputError(f"no mask (weight) with {name}, which takes none", "one", remedy)

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
        if isinstance(target, Prepared):
            target.check_beside(output, self.same_size)
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
        picture = target.picture if isinstance(target, Prepared) else target
        if picture is not None:
            check_values("target", picture, low, high)
        check_values("output", output, low, high, slack=FAR)

    @staticmethod
    def _share(losses: Iterable[Loss]) -> None:
        """Make one thing of what several losses of this family, the parts of one sum, need alike."""

    @staticmethod
    def _together(
        losses: Mapping[str, Loss], output: Tensor, target: Tensor, mask: Mask | None = None
    ) -> dict[str, dict[str, Tensor]]:
        """Return every loss's terms, of several of this family: those that have this very function.

        A family whose members save work when they are computed together defines it anew, and :meth:`_share`.
        """
        return {name: loss._values(output, loss._target_of(output, target), mask) for name, loss in losses.items()}

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


def takes_another(method: Callable[..., Any], beyond: int) -> bool:
    """Return whether a method takes one more argument by its place than ``beyond``, itself included.

    >>> takes_another(lambda self, output, target: 0, 3), takes_another(lambda self, *pictures: 0, 3)
    (False, True)
    """
    parameters = inspect.signature(method).parameters.values()
    by_place = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    return len(by_place) > beyond or any(one.kind is one.VAR_POSITIONAL for one in parameters)
