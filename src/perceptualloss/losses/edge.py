"""The edge loss: the error where the ground truth has edges."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from perceptualloss.errors import InputError, check_choice
from perceptualloss.losses.base import Loss, Reduction
from perceptualloss.losses.mask import Mask
from perceptualloss.numerics import wide
from perceptualloss.pictures.ranges import InputRange, to_unit_range

EdgeMask = Literal["soft", "hard"]
Distance = Literal["l1", "mse"]


@torch.no_grad()
def sobel(images: Tensor) -> Tensor:
    r"""Return the strength of edges, :math:`\sqrt{g_x^2 + g_y^2}`, by the Sobel operator, (N, C, H, W).

    Kernels are divided by 4, so that a straight step from black to white gives 1. At the border the nearest
    pixels are repeated. Without a gradient.

    Source: Sobel and Feldman 1968.

    >>> step = torch.cat([torch.zeros(1, 1, 4, 2), torch.ones(1, 1, 4, 2)], dim=3)
    >>> sobel(step)[0, 0, 0]
    tensor([0., 1., 1., 0.])
    """
    padded = F.pad(wide(images), (1, 1, 1, 1), mode="replicate")
    rows = padded[..., :-2, :] + 2 * padded[..., 1:-1, :] + padded[..., 2:, :]
    columns = padded[..., :-2] + 2 * padded[..., 1:-1] + padded[..., 2:]
    across = rows[..., 2:] - rows[..., :-2]
    down = columns[..., 2:, :] - columns[..., :-2, :]
    return torch.hypot(across, down) / 4


def edge_mask(target: Tensor, threshold: float = 0.1, mask: EdgeMask = "hard") -> Tensor:
    r"""Return where pictures in [0, 1] have edges, (N, 1, H, W) in [0, 1], without a gradient.

    With :math:`g` the largest Sobel strength of the three channels and :math:`\tau` the threshold, "hard" is 1
    where :math:`g > \tau` and else 0, as the source has it: only pixels of edges count. "soft" is ours,
    :math:`g^2 / (g^2 + \tau^2)`: half at the threshold, and no pixel jumps in or out for a little noise, but all
    pixels that are not quite flat count a little.
    """
    strength = sobel(target).amax(dim=1, keepdim=True)
    if mask == "hard":
        return (strength > threshold).to(strength.dtype)
    squares = strength.square()
    return squares / (squares + threshold**2)


def edge_distance(output: Tensor, target: Tensor, mask: Tensor, distance: Distance = "l1") -> Tensor:
    r"""Return the mean error under a mask, :math:`\sum_p m_p e_p / \max(\sum_p m_p, 1)`, of each image, (N,).

    :math:`e_p` is the mean over the channels of the absolute ("l1") or squared ("mse") error of pixel p. A
    picture with less than one pixel of edges counts as one with one, so that a flat one gives about 0.

    Args:
        output: (N, C, H, W).
        target: as ``output``.
        mask: (N, 1, H, W) in [0, 1] (see :func:`edge_mask`).
        distance: "l1" or "mse".
    """
    difference = wide(output) - wide(target)
    errors = difference.abs() if distance == "l1" else difference.square()
    edges = mask.sum(dim=(1, 2, 3)).clamp(min=1)
    return (mask * errors.mean(dim=1, keepdim=True)).sum(dim=(1, 2, 3)) / edges


class EdgeLoss(Loss):
    r"""The error at the edges of the target, :math:`\sum_p m_p e_p / \max(\sum_p m_p, 1)`.

    The Sobel operator finds the edges of the target. They are the mask :math:`m_p` that selects which pixels count (see
    :func:`edge_mask`); :math:`e_p` is the error of a pixel (see :func:`edge_distance`). Flat areas do not count, so put
    another loss beside it. It is in [0, 1] for pictures in [0, 1]; equal pictures give 0.

    Args:
        threshold: the step above which an edge is one, as a share of the range from black to white.
        mask: "hard" for edge or no edge, as the source has it; "soft" for the strength of the edge.
        distance: "l1" or "mse".
        input_range: the range of the pictures' values, such as (0, 1) or (-1, 1) (see :class:`Loss`).
        reduction: "mean" or "sum" over the pictures of a batch, or "none" for one value each (see :class:`Loss`).

    Raises:
        InputError: for an unknown mask or distance, or a threshold that is not positive.

    Source: the notes on losses for image restoration (Sobel on the ground truth as mask; only pixels that it marks as
    edges). The notes name neither threshold nor distance.

    >>> target = torch.zeros(1, 3, 8, 8)
    >>> target[..., 4:] = 1
    >>> EdgeLoss()(target * 0.75, target)  # one of the two columns at the edge is off by 0.25
    tensor(0.1250)
    """

    def __init__(
        self,
        threshold: float = 0.1,
        mask: EdgeMask = "hard",
        distance: Distance = "l1",
        input_range: InputRange = (0.0, 1.0),
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(input_range, reduction)
        check_choice("mask", mask, get_args(EdgeMask))
        check_choice("distance", distance, get_args(Distance))
        if not threshold > 0:
            raise InputError("threshold to be a positive number", repr(threshold), "0.1 is a tenth of white.")
        self.threshold, self.mask, self.distance = float(threshold), mask, distance

    def _per_image(self, output: Tensor, target: Tensor, weight: Mask | None = None) -> dict[str, Tensor]:
        """Return the mean error at the edges of each image, (N,)."""
        mask = edge_mask(to_unit_range(target, self.input_range), self.threshold, self.mask)
        if weight is not None:
            mask = mask * weight.windows(1, "the Sobel filter", whole=False).positions
        return {"edge": edge_distance(output, target, mask, self.distance)}
