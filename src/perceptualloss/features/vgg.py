"""VGG-16 and VGG-19 as torchvision defines them, without batch norm and without the classifier."""

from __future__ import annotations

from torch import nn
from torchvision.models.vgg import cfgs, make_layers


def vgg16_features() -> nn.Sequential:
    """Return VGG-16's convolutions, ReLUs and pooling (13 convolutions, configuration D)."""
    return _features("D")


def vgg19_features() -> nn.Sequential:
    """Return VGG-19's convolutions, ReLUs and pooling (16 convolutions, configuration E)."""
    return _features("E")


def _features(configuration: str) -> nn.Sequential:
    features: nn.Sequential = make_layers(cfgs[configuration], batch_norm=False)
    return features
