"""A sum of losses whose weights follow their gradients."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from perceptualloss.losses.balance import GradientBalance
from perceptualloss.losses.base import Loss, Reduction
from perceptualloss.losses.mask import Mask, Masking
from perceptualloss.losses.sums import WeightedLoss
from perceptualloss.losses.wrapped import WrappedLoss


class BalancedLoss(WrappedLoss):
    r"""A sum of losses whose weights follow the gradients, so that each has the share of their norm that you ask for.

    It is :math:`\sum_i w_i \ell_i(\hat y, y)` with the weights :math:`w_i` of :class:`GradientBalance` with respect to
    the output. The first loss keeps its own weight. Losses share what they can, as in :class:`WeightedLoss`.

    - **Weights follow** every call in training whose output wants a gradient, ``terms`` and ``per_image`` included.
    - **Evaluation** leaves them as they are.
    - **State**: save ``loss.state_dict()`` with the training, which holds the averages.

    Args:
        losses: the losses by name.
        shares: their shares by name; a loss without one keeps its own weight.
        average: decay of the average of norms, as in :class:`GradientBalance`.
        start: by name, the call at which a loss starts. It is computed before, too.
        ramp: over how many calls its weight then rises.
        delta: added to the norm that is divided by.
        reduction: that of the sum (see :class:`Loss`). None takes that of the parts, which must agree.

    Attributes:
        balance: the :class:`GradientBalance`.
        weights: what each part had in the last call.

    Raises:
        InputError: as :class:`WeightedLoss` and :class:`GradientBalance`, and for a share without a loss.

    >>> import torch
    >>> from perceptualloss.losses.pixel import L1Loss, MSELoss
    >>> loss = BalancedLoss({"l1": L1Loss(), "mse": MSELoss()}, {"l1": 1.0, "mse": 1.0})
    >>> output, target = torch.full((1, 3, 4, 4), 0.25, requires_grad=True), torch.zeros(1, 3, 4, 4)
    >>> {name: value.item() for name, value in loss.terms(output, target).items()}  # slopes are 1 and 2 * 0.25
    {'l1': 0.25, 'mse': 0.125}
    """

    def __init__(
        self,
        losses: Mapping[str, Loss],
        shares: Mapping[str, float],
        *,
        average: float = 0.0,
        start: Mapping[str, int] | None = None,
        ramp: Mapping[str, int] | None = None,
        delta: float = 0.0,
        reduction: Reduction | None = None,
    ) -> None:
        total = WeightedLoss(losses, reduction=reduction)
        super().__init__(total)
        self.channels = total.channels
        self.balance = GradientBalance(shares, average=average, start=start, ramp=ramp, delta=delta)
        self.balance.check_terms(total.losses)

    @property
    def weights(self) -> dict[str, Tensor]:
        """What each part had in the last call, by name, as tensors without a gradient."""
        return self.balance.weights

    def _per_image(self, output: Tensor, target: Tensor, weight: Mask | None = None) -> dict[str, Tensor]:
        """Return every term times the weight of its part."""
        values = self.loss._values(output, target, weight)
        if output.requires_grad:
            reduced = {name: value.sum() if self.reduction == "sum" else value.mean() for name, value in values.items()}
            self.balance.update(reduced, output)
        return self.balance.weigh(values)

    def _mask(self, output: Tensor, target: Tensor | None, weight: Tensor | None, masking: Masking) -> Mask | None:
        return self.loss._mask(output, target, weight, masking)

    def extra_repr(self) -> str:
        """Return the shares, and the parts in lines of their own."""
        return f"\n  {self.balance!r}" + self.loss.extra_repr()

    def check_shapes(self, output: Tensor, target: Tensor | None = None) -> None:
        """Check against every part's own needs."""
        self.loss.check_shapes(output, target)

    def check(self, output: Tensor, target: Tensor | None = None) -> None:
        """Check against every part's own needs and range."""
        self.loss.check(output, target)
