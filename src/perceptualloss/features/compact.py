"""The two networks that ship with the package: ``compact`` trains, ``judge`` measures.

Both are chains of convolutions, ReLUs and pools in the shape that they run in, without batch norm: it is
folded into the convolutions after training. They differ in filters, widths and in what they learned, since
what trains a picture never judges it.
"""

from __future__ import annotations

from torch import nn

from perceptualloss.features.blur_pool import BlurPool2d


def _convolution(inputs: int, outputs: int, size: int) -> list[nn.Module]:
    # Repeating the border keeps flat areas flat up to the edge; zeros would mark it in every map.
    conv = nn.Conv2d(inputs, outputs, size, padding=size // 2, padding_mode="replicate")
    return [conv, nn.ReLU()]


def _chain(blocks: list[list[tuple[int, int]]]) -> nn.Sequential:
    """Return convolutions of (width, filter size) for each block, with a pool between two blocks."""
    modules: list[nn.Module] = []
    channels = 3
    for number, block in enumerate(blocks):
        if number:
            modules.append(BlurPool2d())
        for width, size in block:
            modules += _convolution(channels, width, size)
            channels = width
    return nn.Sequential(*modules)


def compact_features() -> nn.Sequential:
    """Return the network ``compact`` with random weights: VGG's layout at a tenth of its arithmetic.

    3x3 filters, widths 16-32-96-192 with 2, 2, 3 and 3 convolutions. Up to relu3_3 it takes 18,288
    multiplications per input pixel (VGG16: 186,048); 1.04 million weights, 2.1 MB at half precision.
    Input: (N, 3, H, W) normalised with ImageNet's mean and standard deviation.
    """
    return _chain([[(16, 3)] * 2, [(32, 3)] * 2, [(96, 3)] * 3, [(192, 3)] * 3])


def judge_features() -> nn.Sequential:
    """Return the network ``judge`` with random weights: few layers with large filters, as in AlexNet.

    Filters of 7x7 and 5x5 at the full and half resolution, 3x3 below; widths 24-48-96-128.
    0.47 million weights, under 1 MB at half precision.
    Input: (N, 3, H, W) normalised with ImageNet's mean and standard deviation.
    """
    return _chain([[(24, 7)], [(48, 5)], [(96, 5), (96, 3)], [(128, 3), (128, 3)]])
