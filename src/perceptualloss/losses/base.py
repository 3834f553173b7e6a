"""What every loss has in common: its call, its checks, its named terms and its arithmetic."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from perceptualloss.errors import InputError, check_image_batch, check_same_shape
from perceptualloss.pictures.ranges import (
    FAR,
    InputRange,
    check_input_range,
    check_values,
    range_bounds,
    values_can_be_read,
)


class Loss(nn.Module):
    """A distance between pictures: ``loss(output, target)`` is a scalar, differentiable in ``output`` alone.

    Both are batches (N, 3, H, W) in ``input_range``. ``loss.terms(output, target)`` gives the named,
    weighted parts, whose sum is the loss. Losses add up and scale: ``2 * L1Loss() + MSELoss()``.

    A subclass implements :meth:`per_image`. Shapes and types are checked on every call; values on the first
    call, because reading them waits for a GPU (:meth:`check` reads them on demand).

    Attributes:
        needs_target: False for a loss of the output alone, which is called as ``loss(output)``.
        same_size: False where the target may have another height and width, and be one picture for a batch.

    Args:
        input_range: (0, 1) by contract, or (-1, 1), (0, 255), any other pair, or "imagenet" for images
            normalised with ImageNet's mean and standard deviation.
    """

    needs_target: bool = True
    same_size: bool = True

    def __init__(self, input_range: InputRange = (0.0, 1.0)) -> None:
        super().__init__()
        self.input_range = check_input_range(input_range)
        self._values_checked = False

    def per_image(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return the weighted terms by name, each with one value per image, (N,).

        Without a target, a loss that needs none is given the output in its place.
        """
        raise TypeError(f"{type(self).__name__} must define per_image(output, target)")

    def forward(self, output: Tensor, target: Tensor | None = None) -> Tensor:
        """Return the loss of the batch: the mean over its images of the sum of the terms, a scalar."""
        total: Tensor = torch.stack(list(self.terms(output, target).values())).sum()
        return total

    def terms(self, output: Tensor, target: Tensor | None = None) -> dict[str, Tensor]:
        """Return the weighted terms by name, each a scalar; their sum is the loss."""
        self.check_call(output, target)
        wanted = output if target is None else target
        return {name: value.mean() for name, value in self.per_image(output, wanted.detach()).items()}

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

    def __add__(self, other: Loss) -> Loss:
        from perceptualloss.losses.weighted import add  # noqa: PLC0415 (a sum is a Loss, so it lies above)

        return add(self, other) if isinstance(other, Loss) else NotImplemented

    def __mul__(self, weight: float) -> Loss:
        from perceptualloss.losses.weighted import scale  # noqa: PLC0415

        return scale(self, weight) if isinstance(weight, int | float) else NotImplemented

    __rmul__ = __mul__
