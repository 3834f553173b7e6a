"""Pictures of every kind that users have, as colours and opacity."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

PathLike = str | os.PathLike[str]
Source = PathLike | Image.Image
ImageType = TypeVar("ImageType", Tensor, NDArray[Any], Image.Image)
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Picture:
    """Pictures of one size, with what their files or arrays were like.

    Attributes:
        colours: (N, 3, H, W), float32 in [0, 1].
        alpha: opacity, (N, 1, H, W), float32 in [0, 1], or None.
        grey: whether the three channels are one.
        bits: of the samples.
    """

    colours: Tensor
    alpha: Tensor | None = None
    grey: bool = False
    bits: Literal[8, 16] = 8

    def channels(self) -> Tensor:
        """Return (N, C, H, W): grey, grey and alpha, RGB, or RGB and alpha."""
        colours = self.colours[:, :1] if self.grey else self.colours
        return colours if self.alpha is None else torch.cat([colours, self.alpha], dim=1)

    def over_white(self) -> Tensor:
        """Return the colours laid over white, (N, 3, H, W)."""
        return self.colours if self.alpha is None else self.colours * self.alpha + (1 - self.alpha)


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
    return filled(colours, alpha, doubled(fill_hidden(*halved(colours, alpha)), *alpha.shape[-2:]))


def halved(colours: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Return the visible colours at half the size, rounded up, and their opacity."""
    weight = F.avg_pool2d(alpha, 2, ceil_mode=True)
    mean = F.avg_pool2d(colours * alpha, 2, ceil_mode=True) / weight.clamp(min=torch.finfo(weight.dtype).tiny)
    return mean, weight


def doubled(colours: Tensor, height: int, width: int) -> Tensor:
    """Return every pixel of colours four times, as far as height and width go."""
    return colours.repeat_interleave(2, -2)[..., :height, :].repeat_interleave(2, -1)[..., :width]


def filled(colours: Tensor, alpha: Tensor, spread: Tensor) -> Tensor:
    """Return colours with those of ``spread`` where nothing is visible."""
    return torch.where(alpha > 0, colours, spread)
