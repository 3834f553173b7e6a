"""Super-resolution that works at low resolution and enlarges last: fast on a CPU."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from perceptualloss.checks import InputError
from perceptualloss.networks.network import TransformationNetwork, convolution_reach


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


class SubpixelUpscaler(TransformationNetwork):
    """Residual blocks at the size of the input, one sub-pixel convolution, and interpolation to add the result to.

    conv 3 x 3 -> ``blocks`` residual blocks -> conv 3 x 3 -> + (long skip) -> conv 3 x 3 to ``detail`` channels
    for each of the scale² places of a pixel -> rearranged to full size -> ReLU -> conv 3 x 3 to RGB, plus the
    bilinearly interpolated input. The last convolution sees across the places, and starts from zero: an
    untrained network interpolates. Takes any height and width; borders are repeated.

    Args:
        scale: how many times larger the pictures become.
        width: channels at low resolution.
        blocks: residual blocks.
        detail: channels at full resolution.

    Raises:
        InputError: for sizes below 1.

    Source: Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
    Convolutional Neural Network", 2016; the blocks from Lim et al. 2017.

    >>> import torch
    >>> SubpixelUpscaler(4, width=8, blocks=1)(torch.rand(1, 3, 5, 7)).shape
    torch.Size([1, 3, 20, 28])
    """

    def __init__(self, scale: int = 4, width: int = 48, blocks: int = 8, detail: int = 16) -> None:
        super().__init__()
        if min(scale, width, blocks, detail) < 1:
            raise InputError("scale, width, blocks and detail from 1", f"{scale}, {width}, {blocks} and {detail}")
        self.scale, self.width, self.blocks, self.detail = scale, width, blocks, detail
        self.first = nn.Conv2d(3, width, 3, padding=1, padding_mode="replicate")
        self.body = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)), nn.Conv2d(width, width, 3, padding=1))
        self.enlarge = nn.Sequential(nn.Conv2d(width, detail * scale**2, 3, padding=1), nn.PixelShuffle(scale))
        self.last = nn.Conv2d(detail, 3, 3, padding=1, padding_mode="replicate")
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    @property
    def reach(self) -> int:
        """How many pixels of the input, to either side, an output pixel depends on."""
        return sum(convolution_reach(part) for part in (self.first, self.body, self.enlarge, self.last))

    def forward(self, x: Tensor) -> Tensor:
        """Upscale pictures (N, 3, H, W) in [0, 1] to (N, 3, scale * H, scale * W), about [0, 1]."""
        low = self.first(x - 0.5)
        low = low + self.body(low)
        found = self.last(F.relu(self.enlarge(low)))
        up = F.interpolate(x, scale_factor=self.scale, mode="bilinear", align_corners=False)
        out: Tensor = up + found
        return out
