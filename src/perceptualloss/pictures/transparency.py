"""Colours where nobody sees them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def fill_hidden(colours: Tensor, alpha: Tensor) -> Tensor:
    """Continue the visible colours into what is fully transparent.

    Files have any colour there, mostly black, which a network would draw into the visible edge. The colours
    come from the picture at half the size, where they are means of what is visible, and so on.

    Args:
        colours: (N, C, H, W).
        alpha: opacity, (N, 1, H, W), in [0, 1]; with 0 everywhere the colours stay as they are.

    >>> fill_hidden(torch.tensor([[[[0.5, 0.0, 0.0]]]]), torch.tensor([[[[1.0, 0.0, 0.0]]]]))
    tensor([[[[0.5000, 0.5000, 0.5000]]]])
    """
    if alpha.min() > 0 or not alpha.any() or max(alpha.shape[-2:]) == 1:
        return colours
    weight = F.avg_pool2d(alpha, 2, ceil_mode=True)
    mean = F.avg_pool2d(colours * alpha, 2, ceil_mode=True) / weight.clamp(min=torch.finfo(weight.dtype).tiny)
    spread = F.interpolate(fill_hidden(mean, weight), size=alpha.shape[-2:], mode="nearest")
    return torch.where(alpha > 0, colours, spread)
