"""Heads that score the features of another network: over maps, and over a transformer's tokens."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from perceptualloss.errors import InputError
from perceptualloss.networks.critics import SLOPE, SpectralConv2d

REACH = 4  # tokens to either side that a token's score depends on


class PatchHead(nn.Module):
    """Scores features (N, C, h, w) with convolutions, and gives a map of scores, (N, 1, h', w').

    1. A convolution of 3 x 3 to ``width`` channels.
    2. ``halvings`` convolutions of 4 x 4 with stride 2, each of which halves the map. A map of one pixel a side stays.
    3. A convolution of 3 x 3 to one score a place.

    All have spectral norm. All but the last have a norm over the picture and LeakyReLU(0.2).

    Args:
        channels: C, the channels of the features.
        width: channels within the head.
        halvings: how often the map is halved.
    """

    def __init__(self, channels: int, width: int, halvings: int) -> None:
        super().__init__()
        first = _block(SpectralConv2d(channels, width, 3), width)
        self.layers = nn.ModuleList(
            [first, *(_block(SpectralConv2d(width, width, 4, 2), width) for _ in range(halvings))]
        )
        self.score = SpectralConv2d(width, 1, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return a map of scores (N, 1, h', w'), and the features before."""
        features = []
        for n, layer in enumerate(self.layers):
            if n == 0 or min(x.shape[-2:]) > 1:
                x = layer(x)
                features.append(x)
        return self.score(x), features


class SpectralConv1d(nn.Conv1d):
    """A convolution of sequences with spectral norm (see :class:`SpectralConv2d`); the end is followed by the start."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2, padding_mode="circular")
        spectral_norm(self)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve sequences (N, inputs, length)."""
        with torch.autocast(x.device.type, enabled=False):
            weight = self.weight
        y: Tensor = self._conv_forward(x, weight, self.bias)
        return y


class TokenHead(nn.Module):
    r"""StyleGAN-T's head: scores the tokens of a transformer, and gives a map of scores, (N, 1, h, w).

    It takes the tokens as maps (N, C, h, w) and reads them row by row, as a sequence x:

    .. math:: a = f_1(x), \quad b = \frac{f_9(a) + a}{\sqrt 2}, \quad \text{score} = g_1(b)

    f and g are convolutions over as many tokens as the number says, with spectral norm. f has a norm over the picture's
    tokens and LeakyReLU(0.2) behind it. The paper's norm is over eight pictures of the batch; here pictures stay
    independent of each other.

    Args:
        channels: C, the channels of the tokens.

    Raises:
        InputError: when called, for fewer tokens than 5.

    Source: Sauer et al., "StyleGAN-T: Unlocking the Power of GANs for Fast Large-Scale Text-to-Image Synthesis", ICML
    2023.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alone = _block(SpectralConv1d(channels, channels, 1), channels, channels)
        self.among = _block(SpectralConv1d(channels, channels, 2 * REACH + 1), channels, channels)
        self.score = SpectralConv1d(channels, 1, 1)

    def forward(self, maps: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return a map of scores (N, 1, h, w), and the features before, as sequences."""
        x = maps.flatten(2)
        if x.shape[2] <= REACH:
            raise InputError(f"pictures of more than {REACH} tokens", str(x.shape[2]), "Take larger pictures.")
        alone = self.alone(x)
        both = (self.among(alone) + alone) / math.sqrt(2)
        return self.score(both).unflatten(2, maps.shape[-2:]), [alone, both]


def _block(layer: nn.Module, channels: int, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(layer, nn.GroupNorm(groups, channels), nn.LeakyReLU(SLOPE))
