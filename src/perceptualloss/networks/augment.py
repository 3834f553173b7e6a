"""Random changes of what a critic sees, with a gradient: it cannot learn a few pictures by heart."""

from __future__ import annotations

import torch
from torch import Tensor

from perceptualloss.numerics import wide

BRIGHTNESS, SHIFT, CUTOUT = 0.25, 0.125, 0.5
GREY = 0.5  # what comes in from outside


def differentiable_augmentation(images: Tensor) -> Tensor:
    """Change colours and place of each picture at random, and cover a part of it; the result has a gradient.

    - **Colours**: brightness by up to 0.25 up or down, saturation by a factor from 0 to 2, contrast by a factor from
      0.5 to 1.5.
    - **Place**: a shift of up to an eighth of each side.
    - **Cover**: a grey rectangle, half as high and half as wide as the picture, at any place, also partly outside.

    Show a critic real and generated pictures after such changes, in its own updates and in the generator's.

    Args:
        images: (N, 3, H, W) in [0, 1]. Their device's generator of torch gives the random numbers.

    Returns:
        (N, 3, H, W), in 32 bits or more. Values may leave [0, 1].

    Source: Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", NeurIPS 2020, for pictures in
    [-1, 1].

    >>> differentiable_augmentation(torch.rand(2, 3, 8, 12)).shape
    torch.Size([2, 3, 8, 12])
    """
    images = wide(images)
    height, width = images.shape[-2:]
    r = torch.rand(7, len(images), device=images.device)
    brightness, saturation, contrast = (r[n].to(images.dtype)[:, None, None, None] for n in range(3))
    x = images - GREY + (2 * brightness - 1) * BRIGHTNESS
    x = torch.lerp(x.mean(dim=1, keepdim=True), x, 2 * saturation)
    x = torch.lerp(x.mean(dim=(1, 2, 3), keepdim=True), x, 0.5 + contrast)
    hole = torch.ones(len(images), 1, 1, 1, dtype=torch.bool, device=images.device)
    for dim, side, shift, middle in ((2, height, r[3], r[4]), (3, width, r[5], r[6])):
        places = torch.arange(side, device=images.device)
        most, half = int(side * SHIFT + 0.5), CUTOUT * side / 2
        x = _shifted(x, (shift * (2 * most + 1)).long().clamp(max=2 * most) - most, dim)
        from_middle = places - (middle * (side + 1)).floor()[:, None]
        hole = hole & _along(dim, (from_middle >= -half) & (from_middle < half))
    return torch.where(hole, GREY, x + GREY)


def _shifted(x: Tensor, shift: Tensor, dim: int) -> Tensor:
    """Return every picture shifted by whole pixels along one axis, with zeros where it was not."""
    side = x.shape[dim]
    source = torch.arange(side, device=x.device) - shift[:, None]
    moved = x.gather(dim, _along(dim, source.clamp(0, side - 1)).expand_as(x))
    return torch.where(_along(dim, (source >= 0) & (source < side)), moved, 0.0)


def _along(dim: int, values: Tensor) -> Tensor:
    """Return values (N, side) as (N, 1, side, 1) or (N, 1, 1, side)."""
    return values[:, None, :, None] if dim == 2 else values[:, None, None]
