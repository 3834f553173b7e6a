"""The network ``distilled``: it sees what VGG-16 sees, at an eighth of its arithmetic."""

from __future__ import annotations

from torch import nn

from perceptualloss.features.blur_pool import MaxBlurPool2d
from perceptualloss.features.factorised import FactorisedConv2d, HeadedConv2d


def distilled_features() -> nn.Sequential:
    """Return the network ``distilled`` with random weights: VGG-16 up to relu4_3, with convolutions of low rank.

    Layers have VGG-16's names and numbers of channels. Up to relu4_3 it takes 34,100 multiplications per input
    pixel, the heads of relu1_2, relu2_2, relu3_3 and relu4_3 included (VGG-16: 278,208), and has 0.83 million weights,
    1.7 MB at half precision. Input: (N, 3, H, W) normalised with ImageNet's mean and standard deviation.
    """
    convolutions: list[list[nn.Module]] = [
        [HeadedConv2d(3, 20, 64), HeadedConv2d(20, 20, 64)],
        [HeadedConv2d(20, 44, 128), FactorisedConv2d(44, None, 44, 128)],
        [FactorisedConv2d(128, 44, 64, 256), *(FactorisedConv2d(256, 64, 64, 256) for _ in range(2))],
        [FactorisedConv2d(256, 64, 112, 512), *(FactorisedConv2d(512, 112, 112, 512) for _ in range(2))],
    ]
    modules: list[nn.Module] = []
    for block in convolutions:
        if modules:
            modules.append(MaxBlurPool2d())
        for module in block:
            modules += [module, nn.ReLU()]
    return nn.Sequential(*modules)
