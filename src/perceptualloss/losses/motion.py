"""Motion from one frame to the next: whole pixels, or an optical flow and where it can be followed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from perceptualloss.numerics import wide


@dataclass(frozen=True)
class Shift:
    """A shift of the whole picture by whole pixels, which nothing is interpolated for.

    Args:
        down: pixels by which the picture moves down.
        right: and to the right.

    >>> Shift(0, 1)(torch.tensor([[[[1.0, 2.0, 3.0]]]]))
    tensor([[[[2., 1., 2.]]]])
    """

    down: int
    right: int

    def __call__(self, pictures: Tensor) -> Tensor:
        """Return the moved pictures (N, 3, H, W); what comes in at the border is mirrored."""
        height, width = pictures.shape[-2:]
        top, left, y, x = max(0, self.down), max(0, self.right), max(0, -self.down), max(0, -self.right)
        padded = F.pad(pictures, (left, x, top, y), mode="reflect")
        return padded[..., y : y + height, x : x + width]

    def inner(self, moved: Tensor) -> Tensor:
        """Return the part of moved pictures that was inside before."""
        height, width = moved.shape[-2:]
        rows = slice(max(0, self.down), height + min(0, self.down))
        return moved[..., rows, max(0, self.right) : width + min(0, self.right)]

    def still(self, pictures: Tensor) -> Tensor:
        """Return the part of pictures, before they move, that stays inside."""
        return Shift(-self.down, -self.right).inner(pictures)


def warp(pictures: Tensor, flow: Tensor) -> Tensor:
    r"""Return pictures as a flow moves them, :math:`W(x)_p = x_{p + f_p}`, (N, C, H, W).

    Bilinear between the four pixels around, in 32 bits or more; the gradient flows to the pictures and to the flow.
    Where the flow points outside of the picture (see :func:`inside`) the pixel stays.

    Args:
        pictures: (N, C, H, W).
        flow: (N, 2, H, W) in pixels, to the right and down: where each pixel of the later frame was in the earlier one.
            An estimator such as RAFT gives it for (later, earlier), the "backward" flow.

    >>> ramp = torch.arange(4.0).expand(1, 1, 2, 4)
    >>> flow = torch.tensor([0.5, 0.0]).view(1, 2, 1, 1).expand(1, 2, 2, 4)
    >>> print(warp(ramp, flow)[0, 0, 0], inside(flow)[0, 0, 0])
    tensor([0.5000, 1.5000, 2.5000, 3.0000]) tensor([1., 1., 1., 0.])
    """
    pictures = wide(pictures)
    height, width = pictures.shape[-2:]
    x, y = _places(flow.to(pictures.dtype))
    across, down = _pixels(flow.to(pictures.dtype))
    known = _is_inside(x, y)  # unknown flow is infinite in some data
    x, y = torch.where(known, x, across), torch.where(known, y, down)
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)
    with torch.autocast(pictures.device.type, enabled=False):
        moved: Tensor = F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
        return moved


def inside(flow: Tensor) -> Tensor:
    """Return where a flow (N, 2, H, W) points inside of the picture: (N, 1, H, W), 1 or 0; 0 where it is not finite."""
    return _is_inside(*_places(wide(flow))).unsqueeze(1).to(wide(flow).dtype)


def _pixels(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Return the columns (W,) and rows (H, 1) of a flow's pixels."""
    height, width = flow.shape[-2:]
    across = torch.arange(width, device=flow.device, dtype=flow.dtype)
    return across, torch.arange(height, device=flow.device, dtype=flow.dtype).unsqueeze(1)


def _places(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Return the column and the row that a flow points to, (N, H, W) each."""
    across, down = _pixels(flow)
    return flow[:, 0] + across, flow[:, 1] + down


def _is_inside(x: Tensor, y: Tensor) -> Tensor:
    height, width = x.shape[-2:]
    return (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)


def visible(backward: Tensor, forward: Tensor) -> Tensor:
    r"""Return where the later frame shows what the earlier one did, (N, 1, H, W): 1, or 0 where it was hidden.

    Hidden, and at the edges of motion, is what Ruder et al. take for it, with backward flow :math:`\hat w` and the
    forward flow that it leads to, :math:`\tilde w_p = w_{p + \hat w_p}`: where
    :math:`|\tilde w + \hat w|^2 > 0.01 (|\tilde w|^2 + |\hat w|^2) + 0.5` or
    :math:`|\nabla \hat u|^2 + |\nabla \hat v|^2 > 0.01 |\hat w|^2 + 0.002`; and what comes from outside of the picture.

    Args:
        backward: (N, 2, H, W) in pixels, from the later frame to the earlier one (see :func:`warp`).
        forward: from the earlier frame to the later one.

    Source: Ruder, Dosovitskiy and Brox, "Artistic Style Transfer for Videos", GCPR 2016, equations 5 and 6.

    >>> still = torch.zeros(1, 2, 4, 4)
    >>> visible(still, still).mean()
    tensor(1.)
    """
    there, backward = warp(forward, backward), wide(backward)
    length = backward.square().sum(dim=1, keepdim=True)
    apart = (there + backward).square().sum(dim=1, keepdim=True)
    hidden = apart > 0.01 * (there.square().sum(dim=1, keepdim=True) + length) + 0.5
    across = F.pad(backward.diff(dim=3), (0, 1, 0, 0)).square().sum(dim=1, keepdim=True)
    down = F.pad(backward.diff(dim=2), (0, 0, 0, 1)).square().sum(dim=1, keepdim=True)
    edge = across + down > 0.01 * length + 0.002
    return inside(backward) * (~hidden & ~edge)
