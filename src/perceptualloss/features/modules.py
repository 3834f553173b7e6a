"""Modules of loss networks beside plain convolutions: pooling without aliasing, factorised convolutions; all sizes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.squeezenet import Fire


class Averages(nn.Module):
    """A pool whose values are averages, of weights at least 0, or of maxima: what sees a marked pixel is above 0.

    Attributes:
        window: its side, and the step from window to window.
    """

    window: tuple[int, int]


class BlurPool2d(Averages):
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

    window = 4, 2

    def forward(self, images: Tensor) -> Tensor:
        """Filter and halve ``images`` of shape (N, C, H, W)."""
        means = F.avg_pool2d(images, 2, stride=1, padding=1, count_include_pad=False)
        means = F.avg_pool2d(means, 2, stride=1)
        return F.avg_pool2d(means, 2, stride=2, ceil_mode=True)


class MaxBlurPool2d(Averages):
    """Halve height and width (rounding up): the maximum of every window of 2 x 2, [1, 2, 1] / 4, every second value.

    The maxima are taken at every position and not at every second one, so no pixel is passed over as in
    max-pooling; windows and filter together reach as far as :class:`BlurPool2d`'s filter, and weigh all pixels alike.
    It stands for max-pooling where a network imitates one that has it. The border value is repeated outside.

    Source: Zhang, "Making Convolutional Networks Shift-Invariant Again", 2019 (MaxBlurPool).

    >>> import torch
    >>> MaxBlurPool2d()(torch.tensor([[[[8.0, 0.0, 0.0, 0.0, 0.0, 8.0]]]]))
    tensor([[[[6., 0., 6.]]]])
    """

    window = 4, 2

    def forward(self, images: Tensor) -> Tensor:
        """Filter and halve ``images`` of shape (N, C, H, W)."""
        wide = F.pad(images, (1, 2, 1, 2), mode="replicate")
        maxima = F.max_pool2d(wide, 2, stride=1)
        return F.avg_pool2d(F.avg_pool2d(maxima, 2, stride=1), 2, stride=2)


def convolution(inputs: int, outputs: int, size: int = 3, *, bias: bool = True) -> nn.Conv2d:
    """Return a convolution that repeats the border: flat areas stay flat up to the edge, where zeros would mark it."""
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, padding_mode="replicate", bias=bias)


class HeadedConv2d(nn.Module):
    """A narrow convolution that the network goes on with, and a 1 x 1 head that shows it in the space of a wide one.

    The head costs nothing unless its layer is asked for, which counts at full size, where maps are large.

    Args:
        inputs: channels of the input.
        narrow: channels that the network goes on with.
        wide: channels that the head gives.
    """

    def __init__(self, inputs: int, narrow: int, wide: int) -> None:
        super().__init__()
        self.conv = convolution(inputs, narrow)
        self.head = nn.Conv2d(narrow, wide, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return narrow features (N, narrow, H, W); ``head`` makes (N, wide, H, W) of them."""
        y: Tensor = self.conv(x)
        return y


class FactorisedConv2d(nn.Module):
    r"""A wide 3 x 3 convolution of low rank: 1 x 1 to few channels, 3 x 3 among them, 1 x 1 to many.

    With C channels in and out and a rank of C / 4 it takes a ninth of the multiplications: :math:`2 C r + 9 r^2`
    for :math:`9 C^2`.

    Args:
        inputs: channels of the input.
        reduced: channels that they are brought to; None leaves them as they are.
        rank: channels of the 3 x 3 convolution.
        wide: channels of the output.

    Source: Kim et al., "Compression of Deep Convolutional Neural Networks for Fast and Low Power Mobile
    Applications", 2016 (Tucker decomposition of a convolution).
    """

    def __init__(self, inputs: int, reduced: int | None, rank: int, wide: int) -> None:
        super().__init__()
        self.reduce = nn.Identity() if reduced is None else nn.Conv2d(inputs, reduced, 1, bias=False)
        self.conv = convolution(inputs if reduced is None else reduced, rank, bias=False)
        self.expand = nn.Conv2d(rank, wide, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return features (N, wide, H, W)."""
        y: Tensor = self.expand(self.conv(self.reduce(x)))
        return y


Convolution = nn.Conv2d | HeadedConv2d | FactorisedConv2d


"""What counts as one convolution in the names of layers."""


def channels_of(module: Convolution) -> int:
    """Return how many channels a convolution's features have, as its layer shows them."""
    if isinstance(module, HeadedConv2d):
        return module.head.out_channels
    return module.expand.out_channels if isinstance(module, FactorisedConv2d) else module.out_channels


def channels_after(module: nn.Module, channels: int) -> int:
    """Return how many channels ``module`` gives for features of ``channels``."""
    if isinstance(module, Convolution):
        return channels_of(module)
    if isinstance(module, Fire):
        return int(module.expand1x1.out_channels + module.expand3x3.out_channels)
    return channels


def smallest_side(modules: Iterable[nn.Module], side: int = 1) -> int:
    """Return the least height or width of a picture that leaves at least ``side`` positions after the modules.

    >>> smallest_side([nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(2), nn.MaxPool2d(2)])
    4
    >>> smallest_side([nn.Conv2d(3, 8, 3, dilation=4)])
    9
    """
    for module in reversed(list(modules)):
        if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            kernel, stride, padding = (_first(v) for v in (module.kernel_size, module.stride, module.padding))
            dilation = _first(getattr(module, "dilation", 1))
            rounded = stride - 1 if getattr(module, "ceil_mode", False) else 0
            side = max(1, (side - 1) * stride + dilation * (kernel - 1) + 1 - rounded - 2 * padding)
        elif isinstance(module, BlurPool2d | MaxBlurPool2d):
            side = 2 * side - 1
    return side


def unpadded_side(modules: Sequence[nn.Module]) -> int:
    """Return the least height or width of a picture whose maps are as large as the kernels that pad them.

    >>> unpadded_side([nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, padding=1)])
    6
    """
    return max((smallest_side(modules[:i], _padded_kernel(module)) for i, module in enumerate(modules)), default=1)


def _padded_kernel(module: nn.Module) -> int:
    """Return the side of a module's largest kernel that sees what is added round the map, or 1."""
    inner = (part for part in module.modules() if isinstance(part, nn.Conv2d))
    return max((max(part.kernel_size) for part in inner if part.padding not in ("valid", (0, 0))), default=1)


def _first(value: Any) -> int:
    return int(value[0] if isinstance(value, tuple) else value)
