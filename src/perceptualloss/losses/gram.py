"""Gram matrices: which features go together, wherever in the picture."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from perceptualloss.numerics import exact_product, wide


def gram_matrix(features: Tensor) -> Tensor:
    r"""Return :math:`G_{cc'} = \frac{1}{CHW}\sum_{hw}\phi_{chw}\phi_{c'hw}` of each image, (N, C, C).

    Computed in 32 bits (64 for float64), not in TF32, whatever the autocast type and matmul precision: 16 bits
    overflow on large pictures of strong contrast, where 32 hold the sum of 10^28 squares of float16's largest number.

    Args:
        features: (N, C, H, W).

    Source: Johnson et al. 2016, equation 3.

    >>> gram_matrix(torch.ones(1, 2, 8, 8))
    tensor([[[0.5000, 0.5000],
             [0.5000, 0.5000]]])
    """
    with torch.autocast(features.device.type, enabled=False):
        positions = wide(features).permute(0, 2, 3, 1).flatten(1, 2)
        gram: Tensor = _Gram.apply(positions)
    return gram / features[0].numel()


class _Gram(torch.autograd.Function):
    """P^T P for P of shape (N, H W, C).

    The derivative of a product with itself needs one product, not autograd's two, and comes out in
    channels_last, as the convolutions below want it.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(positions: Tensor) -> Tensor:
        return exact_product(positions.mT, positions)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (positions,) = ctx.saved_tensors
        return exact_product(positions, gradient + gradient.mT)
