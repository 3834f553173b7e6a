"""Super-resolution that works at low resolution and enlarges last: fast on a CPU."""

from __future__ import annotations

import math
from itertools import accumulate
from operator import mul

from torch import Tensor, nn
from torch.nn import functional as F

from perceptualloss.errors import InputError
from perceptualloss.networks.base import TransformationNetwork, convolution_reach


class ResidualBlock(nn.Module):
    """conv 3 x 3 -> ReLU -> conv 3 x 3, plus the input: (N, C, H, W) to the same, without batch norm.

    Source: Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution", 2017.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Transform features (N, channels, H, W)."""
        y: Tensor = x + self.conv2(F.relu(self.conv1(x)))
        return y


class ResidualUpscaler(TransformationNetwork):
    """Residual blocks at the size of the input, then enlargement in steps by repeated pixels and convolutions.

    It takes pictures (N, 3, H, W) in [0, 1] of any height and width, and gives ``scale`` times the size, about [0, 1].

    1. Body: conv 3 x 3 -> ``blocks`` residual blocks -> conv 3 x 3 -> + (long skip).
    2. For every prime factor of the scale: pixels repeated, conv 3 x 3 to ``detail`` channels, ReLU.
    3. conv 3 x 3 -> ReLU -> conv 3 x 3 to RGB, plus the bilinearly interpolated input. The last convolution starts from
       zero: an untrained network interpolates.

    Under a perceptual loss, repeated pixels and a convolution leave less of a grid than a plain sub-pixel layer, whose
    places are separate channels (docs/loss-network-study.md). Borders of pictures are repeated.

    Args:
        scale: how many times larger the pictures become.
        width: channels at low resolution.
        blocks: residual blocks.
        detail: channels of the enlarged features.

    Raises:
        InputError: for sizes below 1.

    Source: the blocks from Lim et al. 2017; enlargement from Odena et al., "Deconvolution and Checkerboard Artifacts",
    2016.

    >>> import torch
    >>> ResidualUpscaler(4, width=8, blocks=1)(torch.rand(1, 3, 5, 7)).shape
    torch.Size([1, 3, 20, 28])
    """

    def __init__(self, scale: int = 4, width: int = 48, blocks: int = 8, detail: int = 16) -> None:
        super().__init__()
        if min(scale, width, blocks, detail) < 1:
            raise InputError("scale, width, blocks and detail from 1", f"{scale}, {width}, {blocks} and {detail}")
        self.scale, self.width, self.blocks, self.detail = scale, width, blocks, detail
        self.first = nn.Conv2d(3, width, 3, padding=1, padding_mode="replicate")
        self.body = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)), nn.Conv2d(width, width, 3, padding=1))
        self.factors = (*prime_factors(scale), 1)
        inputs = [width, *(detail for _ in self.factors[1:])]
        self.enlarge = nn.ModuleList(nn.Conv2d(channels, detail, 3, padding=1) for channels in inputs)
        self.last = nn.Conv2d(detail, 3, 3, padding=1, padding_mode="replicate")
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    @property
    def reach(self) -> int:
        """How many pixels of the input, to either side, an output pixel depends on."""
        low = convolution_reach(self.first) + convolution_reach(self.body)
        enlarged = sum(1 / size for size in accumulate(self.factors, mul))
        pixels: int = low + math.ceil(enlarged + 1 / self.scale)
        return pixels

    def forward(self, x: Tensor) -> Tensor:
        """Upscale pictures (N, 3, H, W) in [0, 1] to (N, 3, scale * H, scale * W), about [0, 1]."""
        features = self.first(x - 0.5)
        features = features + self.body(features)
        for factor, convolution in zip(self.factors, self.enlarge, strict=True):
            enlarged = F.interpolate(features, scale_factor=factor, mode="nearest") if factor > 1 else features
            features = F.relu(convolution(enlarged))
        up = F.interpolate(x, scale_factor=self.scale, mode="bilinear", align_corners=False)
        out: Tensor = up + self.last(features)
        return out


def prime_factors(number: int) -> tuple[int, ...]:
    """Return the prime factors of a number from 1, smallest first.

    >>> prime_factors(12)
    (2, 2, 3)
    """
    for factor in range(2, number + 1):
        if number % factor == 0:
            return (factor, *prime_factors(number // factor))
    return ()
