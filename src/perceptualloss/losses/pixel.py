"""Losses that compare pixel with pixel: MSE and L1."""

from __future__ import annotations

from torch import Tensor

from perceptualloss.losses.distance import absolute, squared
from perceptualloss.losses.loss import Loss


class MSELoss(Loss):
    r"""The mean squared error, :math:`\frac{1}{3HW}\|\hat y - y\|_2^2`.

    It rewards the mean of all pictures that the input could have come from, which is blurred.
    """

    def per_image(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return the mean squared error of each image, (N,)."""
        return {"mse": squared(output, target)}


class L1Loss(Loss):
    r"""The mean absolute error, :math:`\frac{1}{3HW}\|\hat y - y\|_1`."""

    def per_image(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return the mean absolute error of each image, (N,)."""
        return {"l1": absolute(output, target)}
