"""Masks: how much each pixel counts, and how much each position of a layer counts, which sees many pixels."""

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
    """How much each position of a grid counts, and what a sum over the positions is divided by.

    The grid may be a picture's pixels or a layer's positions.

    Attributes:
        positions: the weight of each position, (N, 1, h, w), or (1, 1, h, w) for all pictures; at least 0.
        total: the sum of the weights, (N,) or (1,). For a tile it is the sum over the whole picture. Then the results
            of :func:`weighted_mean` for all tiles add up to its result for the whole.
    """

    positions: Tensor
    total: Tensor

    @classmethod
    def of(cls, positions: Tensor) -> Weights:
        """Return the weights of whole pictures, given each position's, (N, 1, h, w) or (1, 1, h, w)."""
        return cls(positions, positions.sum(dim=(1, 2, 3)))

    def scale(self) -> Tensor:
        """Return the number of positions over the total, (N,) or (1,).

        It is 1 if all weights are 1. It is 0, and not NaN, if nothing counts.
        """
        some = self.total > 0
        count = torch.full_like(self.total, self.positions[0].numel())  # a number over a tensor is rounded twice
        return torch.where(some, count / torch.where(some, self.total, 1), 0)


def weighted_mean(values: Tensor, weights: Weights | None = None) -> Tensor:
    r"""Return each picture's weighted mean, :math:`\frac{\sum_p w_p v_p}{\sum_p w_p}`, (N,).

    v are the values and w the weights of the positions p. If there are channels, the mean is over them, too. If all
    weights are 1, value and gradient are those of the plain mean, bit for bit.

    Args:
        values: (N, C, h, w), or (N, h, w) without channels.
        weights: how much each position counts; None for the plain mean.

    >>> weighted_mean(torch.tensor([[[1.0, 3.0]]]), Weights.of(torch.tensor([[[[1.0, 0.5]]]])))
    tensor([1.6667])
    """
    axes = tuple(range(1, values.ndim))
    if weights is None:
        return values.mean(dim=axes)
    return weighted(values, weights).mean(dim=axes) * weights.scale()


def weighted(values: Tensor, weights: Weights | None) -> Tensor:
    """Return values, (N, C, h, w) or (N, h, w), times the weights of their positions; None leaves them as they are."""
    if weights is None:
        return values
    return values * (weights.positions if values.ndim == 4 else weights.positions.squeeze(1))


class Mask:
    """How much each pixel of a picture counts.

    ``loss(output, target, weight=tensor)`` makes a mask of the tensor (see :func:`checked_mask`). ``_per_image`` of the
    loss gets it, and asks it how much each position of a grid counts.

    - "area": a position counts as much as the pixels under it, on average.
    - "exact": a position counts if it sees only pixels of weight 1. All others do not count.

    **Nothing counts.** If values can be read, a picture of which no position counts is an error. They cannot be read
    under torch.compile, under torch.func, in a captured CUDA graph, and on a GPU after the first call. Then such a
    picture adds 0, without NaN, and has no gradient.

    Attributes:
        pixels: the weight of each pixel, (N, 1, H, W) or (1, 1, H, W), in [0, 1], without a gradient. In an exact mask
            it is 1 or 0.
        exact: whether the mask is "exact".

    Args:
        pixels: the weight of each pixel, as above. "exact" takes weights below 1 as 0.
        masking: "area" or "exact".
        readable: whether values may be read. A GPU waits for that.
    """

    def __init__(self, pixels: Tensor, masking: Masking, readable: bool) -> None:
        self.exact, self._readable = masking == "exact", readable
        self.pixels = (pixels == 1).to(pixels.dtype) if self.exact else pixels
        self._side, self._step = 1, 1  # of its pixels, in those of the pictures that came first

    def part(self, part: slice) -> Mask:
        """Return the mask of some pictures of the batch, given as a slice."""
        return self if len(self.pixels) == 1 else self._like(self.pixels[part])

    def repeated(self, times: int) -> Mask:
        """Return the mask of a batch in which each picture comes ``times`` times in a row."""
        return self if len(self.pixels) == 1 else self._like(self.pixels.repeat_interleave(times, dim=0))

    def _like(self, pixels: Tensor) -> Mask:
        mask = Mask(pixels, "exact" if self.exact else "area", self._readable)
        mask._side, mask._step = self._side, self._step
        return mask

    def shown(self, images: Tensor, input_range: InputRange) -> Tensor:
        """Return the pictures, (N, C, H, W), as losses may see them: under an exact mask, grey outside.

        No position that counts sees the grey. But fast convolutions compute several positions at once, and how they
        round depends on all of these.
        """
        if not self.exact:
            return images
        low, high = range_bounds(input_range)
        return torch.where(self.pixels > 0, images, (low + high) / 2)

    def windows(self, radius: int, what: str, whole: bool = True) -> Weights:
        """Return the weights of windows of 2 ``radius`` + 1 pixels a side, such as those of SSIM.

        Args:
            radius: r, pixels on each side of the middle.
            what: what looks through the windows, for messages.
            whole: only windows that fit into the picture, (N, 1, H - 2 r, W - 2 r). Otherwise there is one around every
                pixel, (N, 1, H, W).

        Raises:
            InputError: for a picture of which no window counts, if values can be read.
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
        """Return the mask of filtered pictures, for a filter that averages, such as one that halves them.

        Args:
            average: the filter, which takes (N, 1, H, W).
            side: height and width of its window in pixels.
            step: pixels from one window to the next.
        """
        if self.exact:
            mask = self._like((average(1 - self.pixels) == 0).to(self.pixels.dtype))
        else:
            pixels = average(self.pixels)
            mask = self._like(torch.where((pixels - 1).abs() < ALMOST, 1, pixels))
        mask._side, mask._step = self._side + (side - 1) * self._step, self._step * step
        return mask

    def reduced(self, size: tuple[int, int]) -> Tensor:
        """Return the weights of a grid of h x w cells, (N, 1, h, w): the mean of the pixels in each cell."""
        return F.interpolate(self.pixels, size=size, mode="area")

    def counted(self, positions: Tensor, what: str, side: int = 1) -> Weights:
        """Return positions with their total.

        Args:
            positions: the weight of each position, (N, 1, h, w) or (1, 1, h, w).
            what: what has the positions, for messages.
            side: height and width in pixels of this mask of what one position sees.

        Raises:
            InputError: for a picture of which no position counts, if values can be read.
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
    """Read no values of masks inside: a picture of which nothing counts is no error, and has no gradient."""
    token = _unread.set(True)
    try:
        yield
    finally:
        _unread.reset(token)


def each(mask: Mask | None) -> Weights | None:
    """Return the weights of the pixels, for a loss that looks at each pixel alone; None without a mask."""
    return None if mask is None else mask.counted(mask.pixels, "each pixel")


def checked_mask(weight: Tensor, output: Tensor, masking: Masking, read: bool = True) -> Mask:
    """Return the :class:`Mask` that a tensor means, after checking it.

    Args:
        weight: how much each pixel counts, (N, 1, H, W), or (1, 1, H, W) for all pictures. Floating point in [0, 1], or
            booleans.
        output: the pictures that it goes with, (N, C, H, W).
        masking: "area" or "exact" (see :class:`Mask`).
        read: whether to read the values, if they can be read.

    Raises:
        InputError: for an unknown masking; a tensor of another shape or type, or on another device than the pictures;
            or, if values are read, for values outside [0, 1], NaN, or a picture of which nothing counts.
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
    """Raise InputError unless a mask has the shape, type and device that go with the pictures; read no values."""
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
