"""How a loss shows its pictures to a network: at which size, and under which random change."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from perceptualloss.errors import InputError
from perceptualloss.features.modules import BlurPool2d
from perceptualloss.numerics import wide

Augment = Literal["geometric", "shift"]
AUGMENTS = get_args(Augment)

SHIFT = 0.125  # of the side
ANGLE = math.radians(15)
ZOOM = math.log(1.2)
CUTOUT = 0.5  # the longest side of the square, of the picture's side
PLACES = 8  # pixels: the stride of relu4, after which a pooling network sees the same grid again


@dataclass(frozen=True)
class View:
    """What happens to pictures before a loss network sees them.

    Args:
        resize: the size (height, width) in pixels at which they are compared (bilinear, not antialiased).
        halvings: how often they are halved after that, each time with a low-pass filter (:class:`BlurPool2d`).
        augment: "geometric" for a random geometric change, "shift" for a random shift by whole pixels, the same for
            output and target; else None.
    """

    resize: tuple[int, int] | None = None
    halvings: int = 0
    augment: Augment | None = None

    def draw(self, images: Tensor) -> Change | PixelShift | None:
        """Draw the random change of one call, for as many pictures as ``images`` has."""
        return {None: lambda _: None, "geometric": draw_change, "shift": draw_shift}[self.augment](images)

    def show(self, images: Tensor, change: Change | PixelShift | None) -> Tensor:
        """Return what the network gets to see of ``images``, in 32 bits or more where they are changed."""
        if self == View():
            return images
        images = wide(images)
        if self.resize is not None and tuple(images.shape[-2:]) != self.resize:
            images = F.interpolate(images, size=self.resize, mode="bilinear", align_corners=False)
        for _ in range(self.halvings):
            images = BlurPool2d()(images)
        if isinstance(change, PixelShift):
            return shifted(images, change)
        return images if change is None else geometric(images, change)


@dataclass(frozen=True)
class Change:
    """A geometric change of every picture of a batch.

    Args:
        affine: (N, 2, 3), where each output position comes from, in coordinates from -1 to 1.
        hole: (N, 4), left, top, right and bottom of what is cut out, in the same coordinates.
    """

    affine: Tensor
    hole: Tensor


def draw_change(images: Tensor) -> Change:
    """Draw a flip, shift, rotation, zoom and cutout for each picture of (N, 3, H, W).

    Drawn by torch's generator of the pictures' device, so ``torch.manual_seed`` repeats it and nothing waits
    for a GPU. Half the pictures are mirrored, half lose a square; shifts go up to an eighth of the side,
    rotations up to 15 degrees, zooms up to 1.2 in or out.
    """
    height, width = images.shape[-2:]
    r = torch.rand(9, len(images), device=images.device, dtype=torch.float32)
    angle, zoom = (2 * r[0] - 1) * ANGLE, torch.exp((2 * r[1] - 1) * ZOOM)
    mirrored = torch.where(r[2] < 0.5, -1.0, 1.0)
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    x, y = (2 * r[3] - 1) * 2 * SHIFT, (2 * r[4] - 1) * 2 * SHIFT
    affine = torch.stack([mirrored * cos, -mirrored * sin * height / width, x, sin * width / height, cos, y])
    side = torch.where(r[5] < 0.5, r[6] * CUTOUT, 0.0)
    left, top = 2 * r[7] - 1 - side, 2 * r[8] - 1 - side
    hole = torch.stack([left, top, left + 2 * side, top + 2 * side])
    return Change(affine.T.reshape(-1, 2, 3), hole.T)


def geometric(images: Tensor, change: Change) -> Tensor:
    """Return ``images`` (N, 3, H, W) changed as said, differentiable; what lies outside is mirrored in.

    Computed in 32 bits or more: 16 cannot tell neighbouring pixels of a large picture apart. The places are sums of
    products, because a matrix product of them may be rounded (TF32) to a tenth of a pixel.

    The hole is filled with each picture's mean colour, which carries no edge of its own into flat pictures. One
    picture is given every change of a batch.
    """
    images = wide(images)
    affine = change.affine.to(images.dtype)
    images = images.expand(len(affine), -1, -1, -1)
    height, width = images.shape[-2:]
    x, y = _middles(width, images), _middles(height, images)
    grid = affine[:, None, None, :, 0] * x[:, None] + affine[:, None, None, :, 1] * y[:, None, None]
    with torch.autocast(images.device.type, enabled=False):
        moved = F.grid_sample(
            images, grid + affine[:, None, None, :, 2], padding_mode="reflection", align_corners=False
        )
    left, top, right, bottom = (edge.view(-1, 1) for edge in change.hole.unbind(1))
    across, down = (x >= left) & (x < right), (y >= top) & (y < bottom)
    hole = (down.unsqueeze(2) & across.unsqueeze(1)).unsqueeze(1)
    return torch.where(hole, moved.mean(dim=(2, 3), keepdim=True), moved)


def _middles(count: int, images: Tensor) -> Tensor:
    """Return where the middles of so many pixels lie between -1 and 1."""
    return (torch.arange(count, device=images.device, dtype=images.dtype) + 0.5) * (2 / count) - 1


@dataclass(frozen=True)
class PixelShift:
    """A shift of a batch by whole pixels.

    Args:
        offset: (2,), how many rows and columns are cut off above and on the left, each from 0 to 7.
    """

    offset: Tensor


def draw_shift(images: Tensor) -> PixelShift:
    """Draw one shift for a batch of pictures, by torch's generator of their device."""
    return PixelShift(torch.randint(PLACES, (2,), device=images.device))


def shifted(images: Tensor, shift: PixelShift) -> Tensor:
    """Return ``images`` (N, 3, H, W) without ``offset`` rows and columns at their start, and 7 fewer in all.

    Pixels keep their values, in contrast to :func:`geometric`; what changes is where they lie on the grid of a network
    that pools. A pattern that repeats with that grid, and that the network does not see at one place of it, is seen
    at others.

    Raises:
        InputError: for pictures of fewer than 8 rows or columns.
    """
    height, width = (side - PLACES + 1 for side in images.shape[-2:])
    if min(height, width) < 1:
        got = f"{images.shape[-2]} x {images.shape[-1]}"
        raise InputError(f'pictures of at least {PLACES} x {PLACES} pixels for augment="shift"', got)
    rows, columns = (torch.arange(n, device=images.device) for n in (height, width))
    return images.index_select(-2, rows + shift.offset[0]).index_select(-1, columns + shift.offset[1])
