"""What the two networks of Johnson et al. have in common."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from perceptualloss.errors import InputError, check_choice
from perceptualloss.networks.base import TransformationNetwork, convolution_reach

Upsampling = Literal["nearest", "bilinear", "transposed"]

_REACH_OF_TANH = 150 / 255  # more than the 0.5 that black and white are away from grey, so that both can be reached


def scaled_tanh(x: Tensor) -> Tensor:
    """Return 0.5 + 150/255 tanh(x), a scaled tanh for pictures in [0, 1]: within [-0.09, 1.09].

    The paper wants its scaled tanh to end within [0, 255], and gives no factor. 150 is that of the authors' code, and
    reaches 22 beyond on either side: a tanh that ended at black and white could only come near them. What is beyond is
    clamped when a picture is written.

    Source: Johnson et al. 2016, section 3.1, and its released code.
    """
    return 0.5 + _REACH_OF_TANH * torch.tanh(x)


def enlarge_by_2(
    a: int, b: int, upsampling: Upsampling, padding: Literal["replicate", "reflect"] = "replicate", bias: bool = True
) -> list[nn.Module]:
    """Return the layers that make (N, a, H, W) into (N, b, 2 H, 2 W) by a 3 x 3 convolution.

    "nearest" repeats pixels before the convolution, "bilinear" interpolates them; "transposed" is the paper's
    fractionally strided one, whose filters overlap unevenly, which leaves checkerboards.
    """
    if upsampling == "transposed":
        return [nn.ConvTranspose2d(a, b, 3, stride=2, padding=1, output_padding=1, bias=bias)]
    enlarge = nn.Upsample(scale_factor=2, mode=upsampling)
    return [enlarge, nn.Conv2d(a, b, 3, padding=1, padding_mode=padding, bias=bias)]


class _Residual(nn.Module):
    """conv 3 x 3 -> BN -> ReLU -> conv 3 x 3 -> BN, plus the input, without ReLU after the addition.

    Source: Gross and Wilber, "Training and investigating residual nets", 2016, which Johnson et al. follow.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _convolution(channels, channels, 3),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            _convolution(channels, channels, 3),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Transform features (N, channels, H, W)."""
        y: Tensor = x + self.layers(x)
        return y


class SuperResolutionNetwork(TransformationNetwork):
    """The super-resolution network of Johnson et al.

    It takes pictures (N, 3, H, W) in [0, 1] of any height and width, and gives ``scale`` times the size, in [-0.09,
    1.09].

    1. conv 9 x 9 to ``width`` channels, then ``blocks`` residual blocks.
    2. log2(scale) enlargements by 2, each with a 3 x 3 convolution.
    3. conv 9 x 9 to 3 channels, then 0.5 + 150/255 tanh(x), the scaled tanh of the authors' code.

    Batch norm and ReLU follow every convolution outside of the blocks but the last one. Borders are repeated.

    Args:
        scale: how many times larger the pictures become: 2, 4 or 8, or another power of 2.
        width: channels of all layers but the last.
        blocks: residual blocks.
        upsampling: "nearest" repeats pixels before the convolution, "bilinear" interpolates them. "transposed" is the
            paper's fractionally strided convolution, whose filters overlap unevenly, which leaves checkerboards.

    Raises:
        InputError: for a scale that is no power of 2 from 2 on, sizes below 1, or another upsampling.

    Source: Johnson, Alahi and Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", 2016; for
    "nearest" Odena, Dumoulin and Olah, "Deconvolution and Checkerboard Artifacts", 2016.

    >>> import torch
    >>> SuperResolutionNetwork(8, width=4, blocks=1).eval()(torch.rand(1, 3, 5, 7)).shape
    torch.Size([1, 3, 40, 56])
    """

    def __init__(self, scale: int = 4, width: int = 64, blocks: int = 4, upsampling: Upsampling = "nearest") -> None:
        super().__init__()
        if scale < 2 or scale & (scale - 1):
            raise InputError("scale to be a power of 2 from 2 on", str(scale))
        if min(width, blocks) < 1:
            raise InputError("width and blocks from 1", f"{width} and {blocks}")
        check_choice("upsampling", upsampling, get_args(Upsampling))
        self.scale, self.width, self.blocks, self.upsampling = scale, width, blocks, upsampling
        self.first = nn.Sequential(_convolution(3, width, 9), nn.BatchNorm2d(width), nn.ReLU())
        self.body = nn.Sequential(*(_Residual(width) for _ in range(blocks)))
        self.enlarge = nn.Sequential(*(_enlarge_by_2(width, upsampling) for _ in range(int(math.log2(scale)))))
        self.last = _convolution(width, 3, 9)

    @property
    def reach(self) -> int:
        """How many pixels of the input, to either side, an output pixel depends on."""
        pixels = float(convolution_reach(self.last)) / self.scale
        each = 2 if self.upsampling == "bilinear" else 1  # pixels of each size that is enlarged
        pixels += sum(each * 0.5**stage for stage in range(len(self.enlarge)))
        return convolution_reach(self.first) + convolution_reach(self.body) + math.ceil(pixels)

    def forward(self, x: Tensor) -> Tensor:
        """Upscale pictures (N, 3, H, W) in [0, 1] to (N, 3, scale * H, scale * W), within [-0.09, 1.09]."""
        return scaled_tanh(self.last(self.enlarge(self.body(self.first(x - 0.5)))))


def _convolution(a: int, b: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(a, b, kernel, padding=kernel // 2, padding_mode="replicate")


def _enlarge_by_2(channels: int, upsampling: Upsampling) -> nn.Sequential:
    return nn.Sequential(*enlarge_by_2(channels, channels, upsampling), nn.BatchNorm2d(channels), nn.ReLU())
