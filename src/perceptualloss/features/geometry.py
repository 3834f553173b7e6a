"""Widths and sizes of a loss network's layers, read off its modules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn
from torchvision.models.squeezenet import Fire

from perceptualloss.features.factorised import Convolution, channels_of


def channels_after(module: nn.Module, channels: int) -> int:
    """Return how many channels ``module`` gives for features of ``channels``."""
    if isinstance(module, Convolution):
        return channels_of(module)
    if isinstance(module, Fire):
        return int(module.expand1x1.out_channels + module.expand3x3.out_channels)
    return channels


def smallest_side(modules: Iterable[nn.Module]) -> int:
    """Return the least height or width of a picture that leaves at least one position after every module.

    >>> smallest_side([nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(2), nn.MaxPool2d(2)])
    4
    """
    side = 1
    for module in reversed(list(modules)):
        if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            kernel, stride, padding = (_first(v) for v in (module.kernel_size, module.stride, module.padding))
            rounded = stride - 1 if getattr(module, "ceil_mode", False) else 0
            side = max(1, (side - 1) * stride + kernel - rounded - 2 * padding)
    return side


def _first(value: Any) -> int:
    return int(value[0] if isinstance(value, tuple) else value)
