"""A trained network, how it is run, and how large its results are: what every use of a network is made of."""

from __future__ import annotations

import logging
import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor, nn

from perceptualloss.apply.in_parts import InParts
from perceptualloss.apply.result_size import ResultSize
from perceptualloss.apply.steady import Steady
from perceptualloss.apply.tiles import is_cut, tiles_of, transform_in_tiles
from perceptualloss.apply.tool import Frames, Tool
from perceptualloss.errors import InputError
from perceptualloss.networks.cascade import Cascade, scale_of
from perceptualloss.pictures.color import match_histogram as matched
from perceptualloss.pictures.parts import Parts
from perceptualloss.pictures.picture import Picture, Progress, fill_hidden
from perceptualloss.pictures.resize import resize
from perceptualloss.pictures.stored import Stored
from perceptualloss.vocabulary import Precision

log = logging.getLogger(__name__)

LARGEST = 16  # times larger: beyond that nothing of the result is the picture's


class Networks(Protocol):
    """Gives the network that makes pictures so many times larger."""

    @abstractmethod
    def at(self, factor: float | None) -> nn.Module:
        """Return a network whose scale is at least ``factor``; None asks for the usual one.

        Raises:
            InputError: where there is none.
        """


@dataclass(frozen=True)
class OneNetwork:
    """One network, used in turn with itself where a larger picture is wanted than it makes."""

    network: nn.Module
    _larger: dict[int, nn.Module] = field(default_factory=dict, init=False, repr=False, compare=False)

    def at(self, factor: float | None) -> nn.Module:
        """Return the network, or itself in turn as often as it takes.

        Raises:
            InputError: a network that does not enlarge, or a factor beyond 16.
        """
        scale = scale_of(self.network)
        if factor is None or factor <= scale:
            return self.network
        if scale == 1:
            raise InputError("a network that enlarges pictures", "one that keeps their size", "Name another one.")
        check_factor(factor)
        return cascaded(self._larger, {scale: self.network}, (scale,) * math.ceil(math.log(factor, scale) - 1e-9))


def cascaded(made: dict[int, nn.Module], networks: Mapping[int, nn.Module], scales: tuple[int, ...]) -> nn.Module:
    """Return networks in turn, built once, which is said in a line."""
    product = math.prod(scales)
    if product not in made:
        made[product] = Cascade([networks[scale] for scale in scales])
        log.warning("x%d is made in %d passes: %s", product, len(scales), ", then ".join(f"x{one}" for one in scales))
    return made[product]


def check_factor(factor: float) -> None:
    """Raise InputError for more times larger than is of use."""
    if factor > LARGEST:
        remedy = "Beyond that nothing is left of the picture; perceptualloss.resize takes any."
        raise InputError(f"a result at most {LARGEST} times as large", f"{factor:.4g} times", remedy)


@dataclass(frozen=True)
class Transformer(Tool):
    """A network, and how to run it.

    Attributes:
        networks: gives the network for an enlargement; see :class:`OneNetwork`. Networks take (N, 3, H, W) in [0, 1]
            and give ``scale`` times the size (1 if they do not say).
        device: where to compute.
        size: of the results. Where the network makes a larger one, that is made smaller, antialiased.
        enlarges: whether a result that is no larger than its picture is refused.
        strength: from 0, the picture as it was (of the result's size by bicubic interpolation), to 1, the network's.
        match_histogram: give the result the histogram of the input, as Johnson et al. do.
        colours_grey: whether grey pictures become what the network makes of them, in place of the mean of its channels.
        tile: longest side of a tile in input pixels; None chooses.
        precision: see :func:`perceptualloss.apply.tiles.transform_in_tiles`.
    """

    networks: Networks
    device: torch.device
    size: ResultSize = field(default_factory=ResultSize)
    enlarges: bool = False
    strength: float = 1.0
    match_histogram: bool = False
    colours_grey: bool = False
    tile: int | None = None
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        check_strength(self.strength)

    def network_for(self, height: int, width: int) -> nn.Module:
        """Return the network for a picture of this size.

        Raises:
            InputError: where there is none, or the picture would not become larger, although it should.
        """
        factor = self.size.factor(height, width)
        if self.enlarges and factor is not None and factor <= 1:
            remedy = "perceptualloss.resize makes pictures smaller."
            raise InputError(f"more pixels than the picture's {width} x {height}", str(self.size), remedy)
        return self.networks.at(factor)

    def size_of(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the result of a picture of this size.

        Raises:
            InputError: as :meth:`network_for`.
        """
        return self.size.of(height, width, scale_of(self.network_for(height, width)))

    def colours(
        self,
        content: Tensor,
        grey: bool = False,
        progress: Progress | None = None,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        """Return what the network makes of pictures, within [0, 1] and of the result's size.

        Args:
            content: (N, 3, H, W) in [0, 1].
            grey: whether the three channels of the pictures are one; so are those of the result.
            progress: called with input pixels done and all input pixels.
            size: height and width of the result, in place of :meth:`size_of`.
        """
        height, width = content.shape[-2:]
        network, size = self.network_for(height, width), size or self.size_of(height, width)
        made = transform_in_tiles(
            network, content, self.tile, device=self.device, precision=self.precision, progress=progress
        )
        if grey:
            made = made.mean(dim=1, keepdim=True)
        made = made.clamp_(0, 1)
        if tuple(made.shape[-2:]) != size:
            made = resize(made, size=size).clamp_(0, 1)
        made = made.expand(-1, 3, -1, -1)
        if self.match_histogram:
            made = matched(made, content.clamp(0, 1))
        if self.strength == 1:
            return made
        return _of_size(content.clamp(0, 1), size).lerp(made, self.strength)

    def picture(self, picture: Picture, progress: Progress | None = None) -> Picture:
        """Transform a picture: colours by the network, opacity by bicubic interpolation; grey stays grey."""
        colours, alpha = picture.colours, picture.alpha
        if alpha is not None:
            colours = fill_hidden(colours, alpha)
        grey = picture.grey and not self.colours_grey
        made = self.colours(colours, grey, progress)
        if alpha is not None:
            alpha = _of_size(alpha, (made.shape[-2], made.shape[-1]))
        return replace(picture, colours=made, alpha=alpha, grey=grey)

    def parts(self, stored: Stored, progress: Progress | None = None) -> Parts:
        """Return the result of a picture as its file stores it, made part by part where the network can be cut."""
        network = self.network_for(stored.height, stored.width)
        if self.match_histogram or not is_cut(network):
            return super().parts(stored, progress)
        tiles = tiles_of(network, self.tile, device=self.device, precision=self.precision)
        grey = stored.grey and not self.colours_grey
        return InParts(stored, tiles, self.size_of(stored.height, stored.width), grey, self.strength, progress).parts()

    def frames(self, smooth: float) -> Frames:
        """Return what transforms frame after frame of one clip; sizes that are wanted become even, which is said."""
        return _Frames(self, Steady(smooth))


class _Frames:
    """Transforms frames of one clip."""

    def __init__(self, tool: Transformer, steady: Steady) -> None:
        self.tool, self.steady = tool, steady
        self.size: tuple[int, int] | None = None

    def __call__(self, frame: Tensor) -> Tensor:
        if self.size is None:
            self.size = self._even(*self.tool.size_of(frame.shape[-2], frame.shape[-1]))
        made = self.tool.colours(frame, size=self.size)
        return self.steady(made, _of_size(frame, self.size)) if self.steady.smooth else made

    def _even(self, height: int, width: int) -> tuple[int, int]:
        """Return the nearest size below that a clip can have, where somebody asked for one."""
        if not self.tool.size.wanted or not (height % 2 or width % 2):
            return height, width
        even = max(2, height // 2 * 2), max(2, width // 2 * 2)
        log.warning("%d x %d pixels become %d x %d: H.264 has even sides", width, height, even[1], even[0])
        return even


def check_strength(strength: float) -> None:
    """Raise InputError unless a strength is from 0 to 1."""
    if not 0 <= strength <= 1:
        raise InputError("a strength from 0 to 1", f"{strength:g}")


def _of_size(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Return pictures in [0, 1] of a size."""
    return images if tuple(images.shape[-2:]) == size else resize(images, size=size).clamp(0, 1)
