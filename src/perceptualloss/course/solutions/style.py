"""Chapter 8: style."""

from collections.abc import Sequence

import torch
from torch import Tensor


def gram_matrix(features: Tensor) -> Tensor:
    """Return the Gram matrices (N, C, C) of features (N, C, H, W), divided by C * H * W."""
    n, c, h, w = features.shape
    rows = features.reshape(n, c, h * w)
    return rows @ rows.transpose(1, 2) / (c * h * w)


def style_loss(output: Sequence[Tensor], target: Sequence[Tensor]) -> Tensor:
    """Compare the styles of two batches of pictures, given by their features, one tensor (N, C, H, W) a layer.

    For each layer the squared Frobenius norm of the difference of the Gram matrices (the sum of its squared entries),
    mean over the pictures; then the sum over the layers.
    """
    layers = []
    for features, wanted in zip(output, target, strict=True):
        difference = gram_matrix(features) - gram_matrix(wanted)
        layers.append(difference.square().sum(dim=(1, 2)).mean())
    return torch.stack(layers).sum()
