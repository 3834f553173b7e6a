"""Distances between two batches of features or pictures: one value per image, in 32 bits or more."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

EPSILON = 1e-10
INSTANCE_EPSILON = 1e-5


def squared(output: Tensor, target: Tensor) -> Tensor:
    r"""Return :math:`\frac{1}{CHW}\|f - g\|_2^2` of each image, (N,), for features (N, C, H, W)."""
    difference = wide(output) - wide(target)
    return difference.square().mean(dim=(1, 2, 3))


def half_sum(output: Tensor, target: Tensor) -> Tensor:
    r"""Return :math:`\frac{1}{2}\|f - g\|_2^2` of each image, (N,): it grows with the size of the picture.

    Source: Gatys et al., "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016 (equation 1).
    """
    difference = wide(output) - wide(target)
    return difference.square().sum(dim=(1, 2, 3)) / 2


def absolute(output: Tensor, target: Tensor) -> Tensor:
    r"""Return :math:`\frac{1}{CHW}\|f - g\|_1` of each image, (N,), for features (N, C, H, W)."""
    difference = wide(output) - wide(target)
    return difference.abs().mean(dim=(1, 2, 3))


def charbonnier(output: Tensor, target: Tensor, epsilon: float = 1e-3) -> Tensor:
    r"""Return :math:`\frac{1}{CHW}\sum\sqrt{(f - g)^2 + \epsilon^2}` of each image, (N,).

    An L1 that is smooth at zero; equal features give :math:`\epsilon`, with a zero gradient.

    Source: Charbonnier et al. 1994; epsilon as in Zamir et al., "MPRNet", CVPR 2021.
    """
    difference = wide(output) - wide(target)
    return (difference.square() + epsilon**2).sqrt().mean(dim=(1, 2, 3))


def unit(output: Tensor, target: Tensor) -> Tensor:
    r"""Return :math:`\frac{1}{HW}\sum_{hw}\|\hat f_{hw} - \hat g_{hw}\|_2^2` of each image, (N,).

    The channels of every position are divided by their Euclidean norm, as LPIPS does, so that the strength
    of the features does not count; the distance lies in [0, 4] ([0, 2] after a ReLU). Identical features give
    zero and a zero gradient.

    Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features", CVPR 2018 (equation 1 without
    the learned weights).
    """
    difference = unit_channels(output) - unit_channels(target)
    return difference.square().sum(dim=1).mean(dim=(1, 2))


def unit_channels(features: Tensor) -> Tensor:
    """Return features (N, C, H, W) with the channels of every position scaled to norm 1.

    The norm is that of LPIPS, with the epsilon under the root, so that all-zero features have a gradient.
    """
    features = wide(features)
    return features * torch.rsqrt(features.square().sum(dim=1, keepdim=True) + EPSILON)


def instance(output: Tensor, target: Tensor) -> Tensor:
    r"""Return :math:`\frac{1}{CHW}\|\tilde f - \tilde g\|_2^2` of each image, (N,).

    Every channel of every picture is brought to mean 0 and variance 1 first, so that brightness and contrast
    of the whole picture count little: for enhancement without pairs of equal exposure. Lies in [0, 4].

    Source: Ni et al., "Towards Unsupervised Deep Image Enhancement with GAN" (UEGAN), IEEE TIP 2020.
    """
    return squared(_instance_normalised(output), _instance_normalised(target))


def _instance_normalised(features: Tensor) -> Tensor:
    variance, mean = torch.var_mean(wide(features), dim=(2, 3), correction=0, keepdim=True)
    return (wide(features) - mean) * torch.rsqrt(variance + INSTANCE_EPSILON)


def wide(features: Tensor) -> Tensor:
    """Return features in 32 bits, or in 64 where they already are."""
    return features if features.dtype == torch.float64 else features.float()


_wide = wide  # until every file takes the public name

DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": squared,
    "half_sum": half_sum,
    "l1": absolute,
    "charbonnier": charbonnier,
    "unit": unit,
    "instance": instance,
}
