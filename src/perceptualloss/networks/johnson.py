"""What the two networks of Johnson et al. have in common."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

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
