"""Losses that compare pixel with pixel: MSE, L1 and Charbonnier."""

from __future__ import annotations

from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.losses.base import Loss, Reduction
from perceptualloss.losses.distance import absolute, charbonnier, squared
from perceptualloss.losses.mask import Mask, each
from perceptualloss.pictures.ranges import InputRange


class MSELoss(Loss):
    r"""The mean squared error of the pixels, :math:`\frac{1}{3HW}\|\hat y - y\|_2^2`.

    It is in [0, 1] for pictures in [0, 1]; equal pictures give 0. Its best answer is the mean of all pictures that fit
    the input, which is blurred.

    Args:
        input_range: the range of the pictures' values, such as (0, 1) or (-1, 1) (see :class:`Loss`).
        reduction: "mean" or "sum" over the pictures of a batch, or "none" for one value each (see :class:`Loss`).

    >>> import torch
    >>> MSELoss()(torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.5))
    tensor(0.2500)
    """

    def _per_image(self, output: Tensor, target: Tensor, weight: Mask | None = None) -> dict[str, Tensor]:
        """Return the mean squared error of each image, (N,)."""
        return {"mse": squared(output, target, each(weight))}


class L1Loss(Loss):
    r"""The mean absolute error of the pixels, :math:`\frac{1}{3HW}\|\hat y - y\|_1`.

    It is in [0, 1] for pictures in [0, 1]; equal pictures give 0.

    Args:
        input_range: the range of the pictures' values, such as (0, 1) or (-1, 1) (see :class:`Loss`).
        reduction: "mean" or "sum" over the pictures of a batch, or "none" for one value each (see :class:`Loss`).

    >>> import torch
    >>> L1Loss()(torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.5))
    tensor(0.5000)
    """

    def _per_image(self, output: Tensor, target: Tensor, weight: Mask | None = None) -> dict[str, Tensor]:
        """Return the mean absolute error of each image, (N,)."""
        return {"l1": absolute(output, target, each(weight))}


class CharbonnierLoss(Loss):
    r"""An L1 that is smooth at zero, :math:`\frac{1}{3HW}\sum\sqrt{(\hat y - y)^2 + \epsilon^2}`.

    Where the error is small, its gradient goes to zero, like that of the squared error. Where it is large, the gradient
    stays at 1, so outliers count as in L1. It is in [epsilon, about 1] for pictures in [0, 1]; equal pictures give
    epsilon, with a zero gradient.

    Args:
        epsilon: the error below which it acts as a squared error, in units of the pictures.
        input_range: the range of the pictures' values, such as (0, 1) or (-1, 1) (see :class:`Loss`).
        reduction: "mean" or "sum" over the pictures of a batch, or "none" for one value each (see :class:`Loss`).

    Raises:
        InputError: for an epsilon that is not positive.

    Source: Charbonnier et al., "Two deterministic half-quadratic regularization algorithms for computed imaging", ICIP
    1994; epsilon as in Zamir et al., "MPRNet", CVPR 2021.

    >>> import torch
    >>> CharbonnierLoss()(torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.5))
    tensor(0.5000)
    """

    def __init__(
        self, epsilon: float = 1e-3, input_range: InputRange = (0.0, 1.0), reduction: Reduction = "mean"
    ) -> None:
        super().__init__(input_range, reduction)
        if not epsilon > 0:
            raise InputError("epsilon to be a positive number", repr(epsilon), "L1Loss is the one without it.")
        self.epsilon = float(epsilon)

    def _per_image(self, output: Tensor, target: Tensor, weight: Mask | None = None) -> dict[str, Tensor]:
        """Return the mean of the smoothed absolute error of each image, (N,)."""
        return {"charbonnier": charbonnier(output, target, each(weight), self.epsilon)}
