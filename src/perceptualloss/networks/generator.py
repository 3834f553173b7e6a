"""The course's generator: features of growing width at low resolution, enlarged by PixelShuffle."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn

from perceptualloss.errors import InputError
from perceptualloss.networks.base import InterpolatingNetwork, convolution_reach
from perceptualloss.networks.blocks import ResNetBlock

_BLOCKS, _KERNEL = 5, 7


class Generator(InterpolatingNetwork):
    """The generator of the course's adversarial training: 6,460,243 parameters for ``scale=4``.

    Five 7 x 7 ResNetBlocks 3-16-32-64-128-256 at low resolution, ``PixelShuffle(scale)`` to 256 / scale²
    channels, a 7 x 7 convolution to 3 channels without activation, plus the bilinearly enlarged picture
    (``align_corners=True``). The last convolution starts from zero, which the course's does not: an untrained
    generator interpolates. Takes any height and width.

    Args:
        scale: how many times larger the pictures become.
        width: channels of the first block; each of the next four has twice as many.

    Raises:
        InputError: if the last block's 16 * width channels cannot be spread over scale² places.

    Source: the course "Adversarial Loss", exercise 1, for scale 4 and width 16; the blocks' insides are reconstructed
    (see :class:`ResNetBlock`).

    >>> import torch
    >>> Generator(4, width=2).eval()(torch.rand(1, 3, 5, 7)).shape
    torch.Size([1, 3, 20, 28])
    """

    def __init__(self, scale: int = 4, width: int = 16) -> None:
        super().__init__()
        widths = [width * 2**block for block in range(_BLOCKS)]
        if min(scale, width) < 1 or widths[-1] % scale**2:
            raise InputError("scale² to divide 16 * width", f"scale {scale} and width {width}")
        self.scale, self.width = scale, width
        self.upsample = nn.Upsample(scale_factor=scale, mode="bilinear", align_corners=True)
        last = nn.Conv2d(widths[-1] // scale**2, 3, _KERNEL, padding=_KERNEL // 2)
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
        blocks = [ResNetBlock(a, b, _KERNEL) for a, b in pairwise([3, *widths])]
        self.model = nn.Sequential(*blocks, nn.PixelShuffle(scale), last)

    @property
    def reach(self) -> int:
        """How many pixels of the input, to either side, an output pixel depends on."""
        return convolution_reach(self.model[:-1]) + math.ceil(_KERNEL // 2 / self.scale)

    def refine(self, x: Tensor, up: Tensor) -> Tensor:
        """Add what the blocks find in ``x`` to its enlargement ``up``."""
        out: Tensor = up + self.model(x)
        return out
