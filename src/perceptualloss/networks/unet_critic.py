"""A critic that scores every pixel, by what it sees near and far: a U-Net with spectral norm."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from perceptualloss.errors import InputError
from perceptualloss.networks.critics import SLOPE, CriticNetwork, SpectralConv2d, check_size


class UNetCritic(CriticNetwork):
    """Real-ESRGAN's critic: a U-Net that scores each pixel, (N, 1, H, W), from fine texture and arrangement.

    It takes pictures (N, 3, H, W) in [0, 1] of any size from 8 x 8. High scores are real.

    1. A 3 x 3 convolution to ``width`` channels, then three of 4 x 4 and stride 2, each to twice as many.
    2. Three times: bilinear enlargement, a 3 x 3 convolution to half as many, plus the features of that size on the way
       down.
    3. Two more convolutions of 3 x 3, and one to a score.

    Each has LeakyReLU(0.2) but the last. All but the first and the last have spectral norm and no bias; it bounds their
    slope and needs no batch. Enlarged features take the size of those that they are added to.

    Args:
        width: channels of the first convolution (64 in the paper: 4,376,897 parameters).

    Raises:
        InputError: for a width below 1; when called, for pictures below 8 x 8.

    Source: Wang et al., "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data", ICCVW 2021,
    section 3.3; after Schoenfeld et al., "A U-Net Based Discriminator for Generative Adversarial Networks", CVPR 2020.

    >>> import torch
    >>> UNetCritic(width=2)(torch.rand(4, 3, 21, 30)).shape
    torch.Size([4, 1, 21, 30])
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        if width < 1:
            raise InputError("width from 1", str(width))
        self.width = width
        sizes = [width, 2 * width, 4 * width, 8 * width]
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.down = nn.ModuleList(SpectralConv2d(n, 2 * n, 4, 2, bias=False) for n in sizes[:3])
        self.up = nn.ModuleList(SpectralConv2d(2 * n, n, 3, bias=False) for n in reversed(sizes[:3]))
        self.last = nn.ModuleList(SpectralConv2d(width, width, 3, bias=False) for _ in range(2))
        self.score = nn.Conv2d(width, 1, 3, padding=1)

    def look(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return a score of every pixel, (N, 1, H, W), and the features of all convolutions before."""
        check_size(images, 8, "Take larger crops.")
        features = [F.leaky_relu(self.first(images), SLOPE)]
        for layer in self.down:
            features.append(F.leaky_relu(layer(features[-1]), SLOPE))
        x = features[-1]
        for layer, before in zip(self.up, features[2::-1], strict=True):
            enlarged = F.interpolate(x, size=before.shape[-2:], mode="bilinear", align_corners=False)
            x = F.leaky_relu(layer(enlarged), SLOPE) + before
            features.append(x)
        for layer in self.last:
            x = F.leaky_relu(layer(x), SLOPE)
            features.append(x)
        return self.score(x), features
