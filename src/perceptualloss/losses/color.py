"""Colour losses: the angle between colours, and the error of blurred pictures."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from perceptualloss.errors import InputError
from perceptualloss.losses.base import Loss, Reduction
from perceptualloss.losses.mask import Mask, Weights, each, weighted_mean
from perceptualloss.losses.ssim import gaussian_weights, windowed_mean
from perceptualloss.numerics import wide
from perceptualloss.pictures.ranges import InputRange, to_unit_range

LARGEST_COSINE = 0.999999  # the arc cosine's slope is infinite at 1


def angular_error(output: Tensor, target: Tensor, epsilon: float = 1e-2, weights: Weights | None = None) -> Tensor:
    r"""Return the mean angle between the colours of each picture, (N,), in radians.

    .. math:: \frac{1}{HW}\sum_p \arccos \frac{\hat y_p \cdot y_p + \epsilon^2}
              {\sqrt{(\|\hat y_p\|^2 + \epsilon^2)(\|y_p\|^2 + \epsilon^2)}}

    :math:`y_p` is the RGB vector of pixel p. With :math:`\epsilon = 0` it is the angle between the vectors, which black
    has not. :math:`\epsilon` takes colours darker than it for nearly equal, so that black and noise in shadows have a
    small, finite gradient. Angles of a cosine above 0.999999 (0.08 degrees) are 0 with a zero gradient.

    Args:
        output: RGB, (N, 3, H, W), in [0, 1] (with black at 0).
        target: as ``output``.
        epsilon: the length of an RGB vector below which its colour hardly counts.
        weights: how much each pixel counts; None for equal weights.

    Source: the angular error of white balance, taken for each pixel as in Wang et al., "DeepUPE", CVPR 2019; the bound
    of the cosine is that of white-balance code.

    >>> red, green = torch.eye(3)[:2].view(2, 1, 3, 1, 1)
    >>> round(float(angular_error(red, green)), 2)  # a right angle
    1.57
    """
    output, target = wide(output), wide(target)
    product = (output * target).sum(dim=1) + epsilon**2
    squares = (output.square().sum(dim=1) + epsilon**2) * (target.square().sum(dim=1) + epsilon**2)
    cosine = product * squares.rsqrt()
    angle = torch.where(cosine < LARGEST_COSINE, cosine.clamp(-LARGEST_COSINE, LARGEST_COSINE).acos(), 0)
    return weighted_mean(angle, weights)


class AngularColorLoss(Loss):
    r"""The mean angle between the colours of output and target, in radians (see :func:`angular_error`).

    It sees hue and saturation, and no brightness, so put another loss beside it. It is in [0, :math:`\pi/2`] for
    pictures in [0, 1]; equal pictures give 0.

    Args:
        epsilon: the length of an RGB vector below which its colour hardly counts. White has the length 1.73.
        input_range: the range of the pictures' values, such as (0, 1) or (-1, 1) (see :class:`Loss`).
        reduction: "mean" or "sum" over the pictures of a batch, or "none" for one value each (see :class:`Loss`).

    Raises:
        InputError: for an epsilon that is not positive.

    Source: as :func:`angular_error`.

    >>> image = torch.rand(1, 3, 8, 8) * 0.5
    >>> bool(AngularColorLoss()(2 * image, image) < 0.05)  # brighter, but the same colours
    True
    """

    def __init__(
        self, epsilon: float = 1e-2, input_range: InputRange = (0.0, 1.0), reduction: Reduction = "mean"
    ) -> None:
        super().__init__(input_range, reduction)
        if not epsilon > 0:
            raise InputError("epsilon to be a positive number", repr(epsilon), "Black has no colour without it.")
        self.epsilon = float(epsilon)

    def _per_image(self, output: Tensor, target: Tensor, weight: Mask | None = None) -> dict[str, Tensor]:
        """Return the mean angle of each image, (N,), in radians."""
        output, target = to_unit_range(output, self.input_range), to_unit_range(target, self.input_range)
        return {"angular_color": angular_error(output, target, self.epsilon, each(weight))}


def blurred_squared(
    output: Tensor, target: Tensor, kernel_size: int = 21, sigma: float = 4.7, weights: Weights | None = None
) -> Tensor:
    r"""Return :math:`\frac{1}{CHW}\|G * \hat y - G * y\|_2^2` of each image, (N,).

    G is a Gaussian window of ``kernel_size`` pixels; beyond the border is zero, as in DPED's code. ``weights`` say how
    much each pixel of the blurred pictures counts.

    Source: Ignatov et al., "DSLR-Quality Photos on Mobile Devices with Deep Convolutional Networks" (DPED),
    ICCV 2017, equation 1.
    """
    radius = kernel_size // 2
    difference = F.pad(wide(output) - wide(target), (radius,) * 4)  # blurring is linear: once is enough
    return weighted_mean(windowed_mean(difference, gaussian_weights(kernel_size, sigma)).square(), weights)


class BlurredColorLoss(Loss):
    r"""The mean squared error of blurred pictures, :math:`\frac{1}{3HW}\|G * \hat y - G * y\|_2^2`.

    G is a Gaussian blur. It takes texture away and leaves brightness and colour, so small shifts hardly count. The loss
    is in [0, 1] for pictures in [0, 1]; equal pictures give 0.

    The defaults are DPED's kernel (within 0.2% of its largest weight). DPED takes half the *sum* over patches of 100 x
    100 pixels, so its weight of 0.5 is 7500 here.

    Args:
        kernel_size: height and width of the window in pixels, odd.
        sigma: the Gaussian's standard deviation in pixels.
        input_range: the range of the pictures' values, such as (0, 1) or (-1, 1) (see :class:`Loss`).
        reduction: "mean" or "sum" over the pictures of a batch, or "none" for one value each (see :class:`Loss`).

    Raises:
        InputError: for an even kernel size or a sigma that is not positive.

    Source: Ignatov et al., "DPED", ICCV 2017.

    >>> BlurredColorLoss()(torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64))
    tensor(0.)
    """

    def __init__(
        self,
        kernel_size: int = 21,
        sigma: float = 4.7,
        input_range: InputRange = (0.0, 1.0),
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(input_range, reduction)
        if not (isinstance(kernel_size, int) and kernel_size > 0 and kernel_size % 2 == 1):
            raise InputError("kernel_size to be an odd number of pixels", repr(kernel_size), "DPED's is 21.")
        if not sigma > 0:
            raise InputError("sigma to be a positive number of pixels", repr(sigma), "DPED's is 4.7.")
        self.kernel_size, self.sigma = kernel_size, float(sigma)

    def _per_image(self, output: Tensor, target: Tensor, weight: Mask | None = None) -> dict[str, Tensor]:
        """Return the mean squared error of each image after blurring, (N,)."""
        places = None if weight is None else weight.windows(self.kernel_size // 2, "a blurred pixel", whole=False)
        return {"blurred_color": blurred_squared(output, target, self.kernel_size, self.sigma, places)}
