"""AlexNet and SqueezeNet 1.1 as torchvision defines them, without the classifier: LPIPS's small backbones."""

from __future__ import annotations

from torch import nn
from torchvision.models import squeezenet1_1


def alexnet_features() -> nn.Sequential:
    """Return AlexNet's five convolutions with their ReLUs and overlapping pools.

    Written out, because torchvision's constructor also fills a classifier of 58 million weights.
    """
    return nn.Sequential(
        nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(64, 192, kernel_size=5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(192, 384, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2),
    )


def squeezenet_features() -> nn.Sequential:
    """Return SqueezeNet 1.1's convolution, its eight fire modules and its pools (which round sizes up)."""
    features: nn.Sequential = squeezenet1_1(weights=None).features
    return features
