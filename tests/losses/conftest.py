"""A loss network small enough for gradients by finite differences."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from perceptualloss.features.base import LossNetwork

TinyNetwork = Callable[..., LossNetwork]


@pytest.fixture
def tiny_network() -> TinyNetwork:
    """Build two convolutions with a pool between; the layers are conv1_1, relu1_1, pool1, conv2_1 and relu2_1."""

    def build(*layers: str) -> LossNetwork:
        torch.manual_seed(5)
        first, second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 5, 3, padding=1)
        features = nn.Sequential(first, nn.ReLU(), nn.AvgPool2d(2), second, nn.ReLU())
        return LossNetwork(features, layers or ["relu2_1"])

    return build
