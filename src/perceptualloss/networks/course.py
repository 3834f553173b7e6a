"""The course's networks: residual block, upscalers, generator and critic."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn

from perceptualloss.errors import InputError
from perceptualloss.networks.base import InterpolatingNetwork, convolution_reach
from perceptualloss.networks.critics import CriticNetwork


class ResNetBlock(nn.Module):
    """The course's residual block, with batch norm behind the non-linearity.

    It takes features (N, in_channels, H, W) and gives (N, out_channels, H, W):

        conv k (no bias) -> ReLU -> BN -> conv k (no bias) -> + shortcut -> ReLU -> BN

    The shortcut is the input itself, or a 1 x 1 convolution without bias where the number of channels changes.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: odd size of both convolutions.

    Raises:
        InputError: for an even kernel size, which cannot keep the size of the picture.

    Source: the course "Perceptual Loss", exercise 2. Its text has the arguments, padding that keeps the size, batch
    norm behind the non-linearity, and a shortcut that brings the input to the output's channels. The block itself is a
    picture there. This project reconstructed the rest: two convolutions without bias, the 1 x 1 convolution of the
    shortcut, and ReLU and batch norm after the addition.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise InputError("an odd kernel_size", str(kernel_size))
        padding = kernel_size // 2
        self.conv1 = nn.Conv2d(in_channels, out_channels, kernel_size, padding=padding, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, kernel_size, padding=padding, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()
        self.shortcut = (
            nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Transform features (N, in_channels, H, W) into (N, out_channels, H, W)."""
        y = self.norm1(self.relu(self.conv1(x)))
        y = self.conv2(y) + self.shortcut(x)
        out: Tensor = self.norm2(self.relu(y))
        return out


def _last(convolution: nn.Conv2d, zero: bool) -> nn.Conv2d:
    """Return the last convolution, set to zero so that training starts from plain interpolation, not from noise."""
    for parameter in convolution.parameters() if zero else ():
        nn.init.zeros_(parameter)
    return convolution


class _Upscale(InterpolatingNetwork):
    """Bilinear interpolation (``align_corners=True``) plus a learned residual at full resolution."""

    def __init__(self, scale: int, widths: list[int], kernel_sizes: list[int], zero_last: bool) -> None:
        super().__init__()
        self.scale, self.zero_last = scale, zero_last
        self.upsample = nn.Upsample(scale_factor=scale, mode="bilinear", align_corners=True)
        blocks = [ResNetBlock(a, b, k) for (a, b), k in zip(pairwise([3, *widths]), kernel_sizes, strict=True)]
        last = _last(nn.Conv2d(widths[-1], 3, kernel_size=5, padding=2), zero_last)
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
    """The course's network for twice the size. It has 521,459 parameters and takes as many MACs per output pixel.

    It takes pictures (N, 3, H, W) in [0, 1] of any height and width, and gives (N, 3, 2 H, 2 W), about [0, 1].

    1. The picture is enlarged bilinearly (``align_corners=True``).
    2. Three :class:`ResNetBlock` follow: 3 to 64 channels (9 x 9), 64 to 32 (7 x 7), 32 to 16 (5 x 5).
    3. A 5 x 5 convolution gives 3 channels, and the enlarged picture is added.

    Args:
        zero_last: whether the last convolution starts from zero, so that an untrained network interpolates. The
            course's does not: False leaves it torch's default.

    Source: the course "Perceptual Loss", exercise 2. The blocks' insides are reconstructed (see :class:`ResNetBlock`),
    and the number of parameters is that of the reconstruction.

    >>> import torch
    >>> Upscale2x().eval()(torch.rand(1, 3, 5, 7)).shape
    torch.Size([1, 3, 10, 14])
    """

    def __init__(self, zero_last: bool = True) -> None:
        super().__init__(2, [64, 32, 16], [9, 7, 5], zero_last)


class Upscale4x(_Upscale):
    """The course's network for four times the size.

    It takes pictures (N, 3, H, W) in [0, 1] of any height and width, and gives (N, 3, 4 H, 4 W), about [0, 1].

    1. The picture is enlarged bilinearly (``align_corners=True``).
    2. Four :class:`ResNetBlock` follow: 3 to 64 channels (9 x 9), 64 to 48 (7 x 7), 48 to 32 (5 x 5), 32 to 24 (5 x 5).
    3. A 5 x 5 convolution gives 3 channels, and the enlarged picture is added.

    Args:
        zero_last: as in :class:`Upscale2x`.

    Source: the example of the course "Perceptual Loss", exercise 5; the blocks as in :class:`Upscale2x`.
    """

    def __init__(self, zero_last: bool = True) -> None:
        super().__init__(4, [64, 48, 32, 24], [9, 7, 5, 5], zero_last)


_BLOCKS, _KERNEL = 5, 7


class Generator(InterpolatingNetwork):
    """The generator of the course's adversarial training. It has 6,460,243 parameters for ``scale=4``.

    It takes pictures (N, 3, H, W) in [0, 1] of any height and width, and gives ``scale`` times the size, about [0, 1].

    1. Five :class:`ResNetBlock` of 7 x 7 work at low resolution: 3-16-32-64-128-256 channels.
    2. ``PixelShuffle(scale)`` makes 256 / scale² channels of them at the full size.
    3. A 7 x 7 convolution gives 3 channels, without an activation. The bilinearly enlarged picture
       (``align_corners=True``) is added.

    Args:
        scale: how many times larger the pictures become.
        width: channels of the first block; each of the next four has twice as many.
        zero_last: as in :class:`Upscale2x`.

    Raises:
        InputError: if the last block's 16 * width channels cannot be spread over scale² places.

    Source: the course "Adversarial Loss", exercise 1, for scale 4 and width 16. The blocks' insides are reconstructed
    (see :class:`ResNetBlock`).

    >>> import torch
    >>> Generator(4, width=2).eval()(torch.rand(1, 3, 5, 7)).shape
    torch.Size([1, 3, 20, 28])
    """

    def __init__(self, scale: int = 4, width: int = 16, zero_last: bool = True) -> None:
        super().__init__()
        widths = [width * 2**block for block in range(_BLOCKS)]
        if min(scale, width) < 1 or widths[-1] % scale**2:
            raise InputError("scale² to divide 16 * width", f"scale {scale} and width {width}")
        self.scale, self.width, self.zero_last = scale, width, zero_last
        self.upsample = nn.Upsample(scale_factor=scale, mode="bilinear", align_corners=True)
        last = _last(nn.Conv2d(widths[-1] // scale**2, 3, _KERNEL, padding=_KERNEL // 2), zero_last)
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


class Critic(CriticNetwork):
    """The critic of the course's adversarial training: one score for a picture of any size, high for real ones.

    It takes pictures (N, 3, H, W) in [0, 1] and gives (N, 1), without bounds. It has 17,470,017 parameters.

    1. Six convolutions of stride 2, each with LeakyReLU: 3 to 32 channels (9 x 9), then 32-64-128-256-512-1024 (5 x 5).
    2. The mean over all places, of which there are 4 x 4 for 256 x 256 pixels.
    3. A linear layer gives one number.

    There is no normalisation, because a gradient penalty wants scores that do not depend on other pictures of the
    batch.

    Args:
        width: channels of the first convolution; each of the next five has twice as many.
        slope: LeakyReLU's slope below zero.

    Raises:
        InputError: for a width below 1; when called, for something that is no batch of pictures.

    Source: after the course "Adversarial Loss". Its text asks for a score on an open scale in place of a class, high
    for real pictures, and names no layer of its critic. All layers here are this project's reconstruction.

    >>> import torch
    >>> Critic(width=2)(torch.rand(4, 3, 50, 70)).shape
    torch.Size([4, 1])
    """

    def __init__(self, width: int = 32, slope: float = 0.2) -> None:
        super().__init__()
        if width < 1:
            raise InputError("width from 1", str(width))
        self.width, self.slope = width, slope
        widths = [3, *(width * 2**layer for layer in range(6))]
        layers: list[nn.Module] = []
        for (a, b), kernel in zip(pairwise(widths), [9, 5, 5, 5, 5, 5], strict=True):
            layers += [nn.Conv2d(a, b, kernel, stride=2, padding=kernel // 2), nn.LeakyReLU(slope)]
        self.features = nn.Sequential(*layers)
        self.score = nn.Linear(widths[-1], 1)

    def look(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return scores (N, 1), unbounded, of pictures, and the features of all convolutions."""
        features, x = [], images - 0.5
        for layer in self.features:
            x = layer(x)
            if isinstance(layer, nn.LeakyReLU):
                features.append(x)
        return self.score(x.mean(dim=(2, 3))), features
