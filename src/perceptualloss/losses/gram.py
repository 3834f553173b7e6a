"""Gram matrices: which features go together, wherever in the picture."""

from __future__ import annotations

import torch
from torch import Tensor

from perceptualloss.losses.distance import wide


def gram_matrix(features: Tensor) -> Tensor:
    r"""Return :math:`G_{cc'} = \frac{1}{CHW}\sum_{hw}\phi_{chw}\phi_{c'hw}` of each image, (N, C, C).

    Computed in 32 bits (64 for float64) whatever the autocast type, and divided before the product, so that
    no sum over a large picture overflows.

    Args:
        features: (N, C, H, W).

    Source: Johnson et al. 2016, equation 3.

    >>> gram_matrix(torch.ones(1, 2, 8, 8))
    tensor([[[0.5000, 0.5000],
             [0.5000, 0.5000]]])
    """
    channels, height, width = features.shape[1:]
    with torch.autocast(features.device.type, enabled=False):
        positions = wide(features).flatten(2) * (channels * height * width) ** -0.5
        gram: Tensor = positions @ positions.transpose(1, 2)
    return gram
