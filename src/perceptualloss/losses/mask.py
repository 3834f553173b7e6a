"""Masks: how much each pixel counts, and what that means for the positions of a layer, which see many pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from perceptualloss.errors import InputError, check_choice
from perceptualloss.pictures.ranges import InputRange, range_bounds, values_can_be_read

Masking = Literal["area", "exact"]
ALMOST = 1e-5  # interpolated weights of ones are ones but for rounding


class Weights(NamedTuple):
    """How much each position of a grid counts, and what sums over the positions are divided by.

    Attributes:
        positions: (N, 1, h, w) or (1, 1, h, w), at least 0.
        total: (N,) or (1,): their sum. Of a part of a picture, a tile, that of the whole: then what
            :func:`weighted_mean` gives for the parts adds up to what it gives for the whole.
    """

    positions: Tensor
    total: Tensor

    @classmethod
    def of(cls, positions: Tensor) -> Weights:
        """Return the weights of a whole picture."""
        return cls(positions, positions.sum(dim=(1, 2, 3)))

    def scale(self) -> Tensor:
        """Return the number of positions over the total, (N,) or (1,): 1 for ones; 0 where nothing counts, not NaN."""
        some = self.total > 0
        count = torch.full_like(self.total, self.positions[0].numel())  # a number over a tensor is rounded twice
        return torch.where(some, count / torch.where(some, self.total, 1), 0)


def weighted_mean(values: Tensor, weights: Weights | None = None) -> Tensor:
    r"""Return :math:`\frac{\sum_p w_p v_p}{\sum_p w_p}` of each picture, (N,), and over the channels if there are any.

    Weights of ones give the plain mean bit for bit, in value and gradient: they multiply by 1 and nothing else.

    Args:
        values: (N, C, h, w) or (N, h, w).
        weights: of the positions; None for the plain mean.

    >>> weighted_mean(torch.tensor([[[1.0, 3.0]]]), Weights.of(torch.tensor([[[[1.0, 0.5]]]])))
    tensor([1.6667])
    """
    axes = tuple(range(1, values.ndim))
    if weights is None:
        return values.mean(dim=axes)
    return weighted(values, weights).mean(dim=axes) * weights.scale()


def weighted(values: Tensor, weights: Weights | None) -> Tensor:
    """Return values (N, C, h, w) or (N, h, w) times the weights of their positions."""
    if weights is None:
        return values
    return values * (weights.positions if values.ndim == 4 else weights.positions.squeeze(1))


class Mask:
    """What ``loss(output, target, weight=mask)`` hands on: how much each pixel counts, and what that means.

    Where values can be read, positions that count are looked for; where they cannot (torch.compile, torch.func, a
    captured CUDA graph; on a GPU after the first call), a picture of which nothing counts gives neither NaN nor a
    gradient.

    Attributes:
        pixels: (N, 1, H, W) or (1, 1, H, W) in [0, 1], without a gradient; in an exact mask 1 or 0.
        exact: whether positions count that see nothing of what is outside (``masking="exact"``), and no others;
            otherwise a position counts as much as the pixels that lie under it ("area").

    Args:
        pixels: see above.
        masking: "area" or "exact"; this counts pixels of full weight as inside, and no others.
        readable: whether values may be read, for which a GPU waits.
    """

    def __init__(self, pixels: Tensor, masking: Masking, readable: bool) -> None:
        self.exact, self._readable = masking == "exact", readable
        self.pixels = (pixels == 1).to(pixels.dtype) if self.exact else pixels
        self._side, self._step = 1, 1  # of its pixels, in those of the pictures that came first

    def part(self, part: slice) -> Mask:
        """Return the mask of some pictures of the batch."""
        return self if len(self.pixels) == 1 else self._like(self.pixels[part])

    def repeated(self, times: int) -> Mask:
        """Return the mask of a batch in which each picture stands so many times, one after the other."""
        return self if len(self.pixels) == 1 else self._like(self.pixels.repeat_interleave(times, dim=0))

    def _like(self, pixels: Tensor) -> Mask:
        mask = Mask(pixels, "exact" if self.exact else "area", self._readable)
        mask._side, mask._step = self._side, self._step
        return mask

    def shown(self, images: Tensor, input_range: InputRange) -> Tensor:
        """Return images as losses may see them: for an exact mask, grey outside.

        No position that counts sees it, but fast convolutions compute several positions at once, and round by what
        the others see.
        """
        if not self.exact:
            return images
        low, high = range_bounds(input_range)
        return torch.where(self.pixels > 0, images, (low + high) / 2)

    def windows(self, radius: int, what: str, whole: bool = True) -> Weights:
        """Return the weights of windows of 2 ``radius`` + 1 pixels a side.

        Args:
            radius: pixels on each side of the middle.
            what: what looks through them, for messages.
            whole: whether there are windows only where they fit wholly into the picture, (N, 1, H - 2 r, W - 2 r).
        """
        if not self.exact:
            height, width = self.pixels.shape[-2:]
            inner = self.pixels[..., radius : height - radius, radius : width - radius] if whole else self.pixels
            return self.counted(inner, what)
        outside = 1 - self.pixels
        for size, padding in (((2 * radius + 1, 1), (radius, 0)), ((1, 2 * radius + 1), (0, radius))):
            outside = F.max_pool2d(outside, size, 1, 0 if whole else padding)
        return self.counted(1 - outside, what, 2 * radius + 1)

    def passed(self, average: Callable[[Tensor], Tensor], side: int = 1, step: int = 1) -> Mask:
        """Return the mask of pictures that went through a filter that averages, such as one that halves them.

        Args:
            average: the filter.
            side: of the window that it looks through, in pixels.
            step: from window to window.
        """
        if self.exact:
            mask = self._like((average(1 - self.pixels) == 0).to(self.pixels.dtype))
        else:
            pixels = average(self.pixels)
            mask = self._like(torch.where((pixels - 1).abs() < ALMOST, 1, pixels))
        mask._side, mask._step = self._side + (side - 1) * self._step, self._step * step
        return mask

    def reduced(self, size: tuple[int, int]) -> Tensor:
        """Return the weights of a grid of that size, (N, 1, h, w): the mean of the pixels in each of its cells."""
        return F.interpolate(self.pixels, size=size, mode="area")

    def counted(self, positions: Tensor, what: str, side: int = 1) -> Weights:
        """Return the weights of positions; raise InputError, where values can be read, if a picture has none.

        Args:
            positions: (N, 1, h, w) or (1, 1, h, w).
            what: whose they are, for messages.
            side: pixels of this mask, a side, that one of them sees.
        """
        weights = Weights.of(positions)
        if self._readable and bool((weights.total <= 0).any()):
            picture = int((weights.total <= 0).nonzero()[0, 0])
            if not self.exact:
                raise InputError(f"a mask with some weight for {what}", f"none of picture {picture}")
            size = self._side + (side - 1) * self._step
            expected = f"a region of full weight of {size} x {size} pixels, as {what} sees them (masking='exact')"
            remedy = "Take earlier layers or a larger region, or masking='area', which weighs positions."
            raise InputError(expected, f"none in the mask of picture {picture}", remedy)
        return weights


_unread: ContextVar[bool] = ContextVar("unread", default=False)


@contextmanager
def unread_masks() -> Iterator[None]:
    """Leave the values of masks unread inside: a picture of which nothing counts gives no error and no gradient."""
    token = _unread.set(True)
    try:
        yield
    finally:
        _unread.reset(token)


def each(mask: Mask | None) -> Weights | None:
    """Return the weights of the pixels, for what looks at each by itself; None without a mask."""
    return None if mask is None else mask.counted(mask.pixels, "each pixel")


def checked_mask(weight: Tensor, output: Tensor, masking: Masking, read: bool = True) -> Mask:
    """Return the mask of a call.

    Args:
        weight: (N, 1, H, W), or (1, 1, H, W) for all pictures; floating point in [0, 1], or booleans.
        output: the pictures, (N, C, H, W).
        masking: see :class:`Mask`.
        read: whether to read the values where they can be read.

    Raises:
        InputError: for another shape, type, device or meaning, values outside [0, 1] or that are not finite, or a
            picture of which nothing counts.
    """
    check_choice("masking", masking, get_args(Masking))
    check_mask_shape(weight, output)
    pixels = weight.detach().to(torch.promote_types(output.dtype, torch.float32))
    readable = read and values_can_be_read() and not _unread.get()
    if readable:
        least, most = (value.item() for value in torch.aminmax(pixels))
        if not (least >= 0 and most <= 1):  # also catches NaN
            remedy = "Divide masks of 8 bits by 255." if most > 1 else ""
            raise InputError("a mask with values in [0, 1]", f"[{least:.4g}, {most:.4g}]", remedy)
    mask = Mask(pixels, masking, readable)
    if readable:
        empty = (pixels.amax(dim=(1, 2, 3)) <= 0).nonzero()
        if len(empty):
            got = f"an empty one for picture {empty[0, 0]}"
            raise InputError("a mask of which something counts in every picture", got, "Leave the picture out.")
    return mask


def check_mask_shape(weight: Tensor, output: Tensor) -> None:
    """Raise unless a mask has the shape and type that go with the pictures; reads no values."""
    wanted = (len(output), 1, *output.shape[-2:])
    if not isinstance(weight, Tensor):
        raise InputError(f"a mask (weight), a tensor of shape {wanted}", type(weight).__name__)
    shape = tuple(weight.shape)
    if shape not in (wanted, (1, *wanted[1:])):
        remedy = ""
        if shape == (wanted[0], *wanted[2:]):
            remedy = "Add the axis of the channels: mask.unsqueeze(1)."
        elif weight.ndim == 4 and shape[1] == 3:
            remedy = "One channel says how much a pixel counts: mask[:, :1]."
        raise InputError(f"a mask (weight) of shape {wanted} or {(1, *wanted[1:])}", str(shape), remedy)
    if not (weight.is_floating_point() or weight.dtype == torch.bool):
        got = str(weight.dtype).removeprefix("torch.")
        raise InputError("a mask in floating point with values in [0, 1], or of booleans", got, "mask.float() / 255.")
    if weight.device != output.device:
        raise InputError(f"the mask on {output.device}, as the pictures", str(weight.device), "mask.to(output.device).")
