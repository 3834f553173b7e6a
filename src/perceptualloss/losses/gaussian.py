"""Means of pixels under a Gaussian window."""

from __future__ import annotations

import math

from torch import Tensor


def gaussian_weights(size: int, sigma: float) -> tuple[float, ...]:
    """Return the weights of a window of odd ``size`` from its centre outwards; over the whole window they sum to 1.

    >>> [round(weight, 3) for weight in gaussian_weights(3, 1.0)]
    [0.452, 0.274]
    """
    weights = [math.exp(-0.5 * (offset / sigma) ** 2) for offset in range(size // 2 + 1)]
    total = weights[0] + 2 * sum(weights[1:])
    return tuple(weight / total for weight in weights)


def windowed_mean(images: Tensor, weights: tuple[float, ...]) -> Tensor:
    """Return the weighted mean under the window where it fits wholly: (N, C, H - 2 r, W - 2 r), r its radius.

    Sums of shifted pictures: on CPUs faster than a convolution of so few channels, exact everywhere, and left
    alone by autocast, which would compute a convolution in 16 bits.

    Args:
        images: (N, C, H, W) with at least 2 r + 1 pixels a side.
        weights: from the centre outwards (see :func:`gaussian_weights`).
    """
    radius = len(weights) - 1
    for axis in (-2, -1):
        length = images.shape[axis] - 2 * radius
        total = images.narrow(axis, radius, length) * weights[0]
        for offset in range(1, radius + 1):
            before = images.narrow(axis, radius - offset, length)
            after = images.narrow(axis, radius + offset, length)
            total = total.add_(before + after, alpha=weights[offset])
        images = total
    return images
