"""The course's super-resolution networks: interpolate, then add what a few residual blocks find missing."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn

from perceptualloss.networks.base import InterpolatingNetwork, convolution_reach
from perceptualloss.networks.blocks import ResNetBlock


class _Upscale(InterpolatingNetwork):
    """Bilinear interpolation (``align_corners=True``) plus a learned residual at full resolution."""

    def __init__(self, scale: int, widths: list[int], kernel_sizes: list[int]) -> None:
        super().__init__()
        self.scale = scale
        self.upsample = nn.Upsample(scale_factor=scale, mode="bilinear", align_corners=True)
        blocks = [ResNetBlock(a, b, k) for (a, b), k in zip(pairwise([3, *widths]), kernel_sizes, strict=True)]
        last = nn.Conv2d(widths[-1], 3, kernel_size=5, padding=2)
        for parameter in last.parameters():
            nn.init.zeros_(parameter)  # training starts from plain interpolation, not from noise around it
        self.model = nn.Sequential(*blocks, last)

    @property
    def reach(self) -> int:
        """How many pixels of the input, to either side, an output pixel depends on."""
        return math.ceil(convolution_reach(self.model) / self.scale)

    def refine(self, x: Tensor, up: Tensor) -> Tensor:
        """Add what the blocks find missing in ``up``, the enlargement of ``x``."""
        out: Tensor = up + self.model(up)
        return out


class Upscale2x(_Upscale):
    """The course's network for twice the size: 521,459 parameters, as many MACs per output pixel.

    Bilinear x2 (``align_corners=True``), ResNetBlocks 3-64 (9 x 9), 64-32 (7 x 7), 32-16 (5 x 5), a 5 x 5
    convolution to 3 channels, plus the interpolated picture. Takes any height and width. The last convolution starts
    from zero, which the course's does not: an untrained network interpolates.

    Source: the course "Perceptual Loss", exercise 2; the blocks' insides are reconstructed (see :class:`ResNetBlock`),
    and the number of parameters is that of the reconstruction.
    """

    def __init__(self) -> None:
        super().__init__(2, [64, 32, 16], [9, 7, 5])


class Upscale4x(_Upscale):
    """The course's network for four times the size.

    Bilinear x4 (``align_corners=True``), ResNetBlocks 3-64 (9 x 9), 64-48 (7 x 7), 48-32 (5 x 5),
    32-24 (5 x 5), a 5 x 5 convolution to 3 channels, plus the interpolated picture. Takes any height and width. The
    last convolution starts from zero, which the course's does not.

    Source: the example of the course "Perceptual Loss", exercise 5; the blocks as in :class:`Upscale2x`.
    """

    def __init__(self) -> None:
        super().__init__(4, [64, 48, 32, 24], [9, 7, 5, 5])
