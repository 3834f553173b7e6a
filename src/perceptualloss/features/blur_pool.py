"""Pooling that treats all pixels alike: a low-pass filter, then every second value."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class BlurPool2d(nn.Module):
    """Halve height and width (rounding up) after the binomial filter [1, 3, 3, 1] / 8 in both directions.

    Max-pooling hands its gradient to one pixel in four: used as a loss, it leaves a grid. Here all pixels are
    alike, since the filter lies evenly between the two that become one (with [1, 2, 1], which lies on every
    second pixel, these get a third more of the gradient's energy), and what is finer than the coarser raster
    is removed instead of aliased (Zhang 2019, "Making Convolutional Networks Shift-Invariant Again"). The
    border value is repeated outside.

    The filter is three running means of two: no buffer to move or to convert, and faster on a CPU than a
    convolution per channel. Leaving the padding out of a mean is the same as repeating the border.

    >>> import torch
    >>> BlurPool2d()(torch.tensor([[[[8.0, 0.0, 0.0, 0.0, 0.0, 8.0]]]]))
    tensor([[[[4., 0., 4.]]]])
    """

    def forward(self, images: Tensor) -> Tensor:
        """Filter and halve ``images`` of shape (N, C, H, W)."""
        means = F.avg_pool2d(images, 2, stride=1, padding=1, count_include_pad=False)
        means = F.avg_pool2d(means, 2, stride=1)
        return F.avg_pool2d(means, 2, stride=2, ceil_mode=True)


class MaxBlurPool2d(nn.Module):
    """Halve height and width (rounding up): the maximum of every window of 2 x 2, [1, 2, 1] / 4, every second value.

    The maxima are taken at every position and not at every second one, so no pixel is passed over as in
    max-pooling; windows and filter together reach as far as :class:`BlurPool2d`'s filter, and weigh all pixels alike.
    It stands for max-pooling where a network imitates one that has it. The border value is repeated outside.

    Source: Zhang, "Making Convolutional Networks Shift-Invariant Again", 2019 (MaxBlurPool).

    >>> import torch
    >>> MaxBlurPool2d()(torch.tensor([[[[8.0, 0.0, 0.0, 0.0, 0.0, 8.0]]]]))
    tensor([[[[6., 0., 6.]]]])
    """

    def forward(self, images: Tensor) -> Tensor:
        """Filter and halve ``images`` of shape (N, C, H, W)."""
        wide = F.pad(images, (1, 2, 1, 2), mode="replicate")
        maxima = F.max_pool2d(wide, 2, stride=1)
        return F.avg_pool2d(F.avg_pool2d(maxima, 2, stride=1), 2, stride=2)
