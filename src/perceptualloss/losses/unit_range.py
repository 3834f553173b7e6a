"""Pictures of any range, as a loss sees them that needs to know black and white."""

from __future__ import annotations

import torch
from torch import Tensor

from perceptualloss.features.network import IMAGENET_MEAN, IMAGENET_STD, InputRange
from perceptualloss.numerics import wide


def to_unit_range(images: Tensor, input_range: InputRange) -> Tensor:
    """Return images (N, 3, H, W) of ``input_range`` in [0, 1], in 32 bits or more.

    >>> to_unit_range(torch.tensor([-1.0, 0.0, 1.0]), (-1, 1))
    tensor([0.0000, 0.5000, 1.0000])
    """
    images = wide(images)
    if input_range == "imagenet":  # numbers one by one: a tensor of them would have to travel to the GPU
        channels = zip(images.unbind(dim=1), IMAGENET_MEAN, IMAGENET_STD, strict=True)
        return torch.stack([channel * std + mean for channel, mean, std in channels], dim=1)
    low, high = input_range
    return images if (low, high) == (0, 1) else (images - low) / (high - low)
