"""What every transformation network promises."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn


class TransformationNetwork(nn.Module):
    """The base of all networks that make pictures of pictures.

    A network takes (N, 3, H, W) in [0, 1], of any height and width, and gives pictures at ``scale`` times the size,
    about [0, 1]. A subclass keeps its constructor's arguments as attributes of the same names, so that a saved network
    can be built anew.
    """

    scale: int = 1
    whole: bool = False
    """Whether an output pixel depends on the whole picture, so that it cannot be done in tiles."""
    precisions: tuple[str, ...] = ("fp32", "fp16", "bf16")
    """The number formats in which it may be computed."""
    grid: int = 1
    """Tiles of a picture begin at multiples of so many pixels, for a network that divides pictures into cells."""

    planes: bool = False
    """Whether a CPU computes it faster in PyTorch's default layout than in channels_last, as instance norm wants it."""

    @property
    def bytes_per_pixel(self) -> int | None:
        """About how much memory a pixel of the input needs without gradients, in 32 bits; None if nobody said."""
        return None

    @property
    def reach(self) -> int | None:
        """How many pixels of the input, to either side, an output pixel depends on; None if nobody said.

        Large pictures are done in tiles that overlap by as much. An :class:`InterpolatingNetwork` does not
        count what its enlargement looks at.
        """
        return None

    def with_terms(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the pictures, and what the network itself adds to the loss of a training, by name: scalars."""
        return self(x), {}

    def fused(self) -> TransformationNetwork:
        """Return the same function as it is used once it is trained: this network, where there is no cheaper form."""
        return self


def layout_on(network: nn.Module, device: str) -> torch.memory_format:
    """Return the layout in memory in which a kind of device computes a network fastest."""
    planes = device == "cpu" and getattr(network, "planes", False)
    return torch.contiguous_format if planes else torch.channels_last


class InterpolatingNetwork(TransformationNetwork):
    """A network that changes an enlarged picture, and enlarges with reference to the picture's size.

    ``align_corners=True`` puts the first and last pixels of small and large picture upon each other, so where
    a pixel comes from depends on the size of the whole. Tiles are therefore cut after ``upsample``.
    """

    upsample: nn.Upsample

    @abstractmethod
    def refine(self, x: Tensor, up: Tensor) -> Tensor:
        """Return the result for pictures ``x`` (N, 3, H, W) of which ``up`` is the enlargement."""

    def forward(self, x: Tensor) -> Tensor:
        """Upscale pictures (N, 3, H, W) in [0, 1] to (N, 3, scale * H, scale * W), about [0, 1]."""
        return self.refine(x, self.upsample(x))


def convolution_reach(module: nn.Module) -> int:
    """Return how far the odd convolutions in ``module`` look to either side when they follow one another.

    >>> convolution_reach(nn.Sequential(nn.Conv2d(3, 3, 9), nn.ReLU(), nn.Conv2d(3, 3, 3)))
    5
    """
    convolutions = (m for m in module.modules() if isinstance(m, nn.Conv2d))
    return sum(max(m.kernel_size) // 2 for m in convolutions)
