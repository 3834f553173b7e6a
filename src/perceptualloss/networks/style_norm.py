"""Normalisation with a scale and a shift for every style: conditional instance norm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perceptualloss.errors import InputError
from perceptualloss.pictures.ranges import values_can_be_read

Normalisation = Literal["instance", "batch"]
Style = int | Sequence[float] | Tensor


class StyleNorm(nn.Module):
    """Normalise features, then scale and shift them as a style or a blend of styles says.

    y = scale * (x - mean) / sqrt(variance + 1e-5) + shift, where scale and shift are sums over the styles, weighted
    by their shares. Mean and variance are those of each picture and channel ("instance"), or of each channel in the
    batch, in evaluation of all training ("batch").

    Args:
        channels: of the features.
        kind: "instance" or "batch".
        styles: how many scales and shifts.

    Source: Dumoulin, Shlens and Kudlur, "A Learned Representation for Artistic Style", 2017.
    """

    def __init__(self, channels: int, kind: Normalisation = "instance", styles: int = 1) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(styles, channels))
        self.shift = nn.Parameter(torch.zeros(styles, channels))
        self.batch = nn.BatchNorm2d(channels, affine=False) if kind == "batch" else None

    def forward(self, x: Tensor, shares: Tensor | None = None) -> Tensor:
        """Normalise (N, C, H, W) with shares (1 or N, styles); None is the first style."""
        scale, shift = self.scale[:1], self.shift[:1]
        if shares is not None:  # no matrix product, which autocast would round
            scale, shift = ((shares.to(v)[:, :, None] * v).sum(dim=1) for v in (self.scale, self.shift))
        if self.batch is not None:
            y = self.batch(x)
        else:  # in channels_last the CPU adds up means and variances less exactly, and more slowly in bf16
            x, channels = x.contiguous(), x.shape[1]
            if len(scale) == 1:
                return F.group_norm(x, channels, scale[0], shift[0])
            y = F.group_norm(x, channels)
        return torch.addcmul(shift.to(y)[:, :, None, None], y, scale.to(y)[:, :, None, None])


def _check_numbers(style: Style, styles: int) -> None:
    """Raise unless all numbers are those of styles; tensors on a GPU, which would wait, are left to the look-up."""
    if isinstance(style, Tensor):
        if style.is_cuda or not values_can_be_read():
            return
        style = style.tolist()
    numbers = [style] if isinstance(style, int) else list(style)
    if not all(0 <= number < styles for number in numbers):
        raise InputError(f"a style from 0 to {styles - 1}", str(style))


def style_shares(style: Style, styles: int, x: Tensor) -> Tensor | None:
    """Return how much of each style the pictures ``x`` get, (1 or N, styles); None if there is only one style.

    Args:
        style: a number, numbers (N,) of whole type, weights (styles,), or weights (N, styles).
        styles: how many there are.
        x: the pictures, (N, 3, H, W).

    Raises:
        InputError: a style that there is not, or another shape.

    >>> style_shares(1, 3, torch.rand(1, 3, 8, 8))
    tensor([[0., 1., 0.]])
    """
    given = torch.as_tensor(style, device=x.device)
    whole = not given.is_floating_point()
    if whole and given.ndim <= 1 and given.numel() in (1, x.shape[0]):
        _check_numbers(style, styles)
        shares = torch.eye(styles, device=x.device).index_select(0, given.reshape(-1).long())
    elif not whole and tuple(given.shape) in ((styles,), (1, styles), (x.shape[0], styles)):
        shares = given.reshape(-1, styles)
    else:
        expected = f"a style's number, ({len(x)},) numbers, or weights ({styles},) or ({len(x)}, {styles})"
        raise InputError(expected, f"{given.dtype} of shape {tuple(given.shape)}".removeprefix("torch."))
    return None if styles == 1 else shares
