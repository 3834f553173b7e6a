"""Convolutions at a fraction of VGG's arithmetic whose results are in VGG's space."""

from __future__ import annotations

from torch import Tensor, nn


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
