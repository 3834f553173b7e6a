"""A network that paints in a style, and how to find it: by a name, a file, or as one style of several."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from perceptualloss.apply.device import device_for
from perceptualloss.apply.steady import Steady
from perceptualloss.apply.tiles import transform_in_tiles
from perceptualloss.apply.tool import Frames, Tool
from perceptualloss.apply.transformer import check_strength
from perceptualloss.errors import InputError, check_choice
from perceptualloss.losses.style_objective import saved_styles
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.checkpoint import read_metadata
from perceptualloss.networks.hub import is_hub_address
from perceptualloss.networks.named import load_network, network_file, shipped_style
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.pictures.color import keep_colors as with_colours_of
from perceptualloss.pictures.images import READ_SUFFIXES
from perceptualloss.pictures.picture import PathLike, Picture, Progress, fill_hidden
from perceptualloss.pictures.resize import resize
from perceptualloss.vocabulary import Precision

Chosen = PathLike | nn.Module | int | Sequence[float] | Mapping[str, float]


class InStyle(TransformationNetwork):
    """A network for several styles, held to one of them or to a blend.

    Args:
        network: for several styles.
        shares: how much of each style.
    """

    whole = True

    def __init__(self, network: StyleTransferNetwork, shares: Sequence[float]) -> None:
        super().__init__()
        self.network, self.shares = network, shares

    @property
    def bytes_per_pixel(self) -> int:
        """As the network says."""
        return self.network.bytes_per_pixel

    def forward(self, x: Tensor) -> Tensor:
        """Paint pictures (N, 3, H, W) in [0, 1]."""
        painted: Tensor = self.network(x, self.shares)
        return painted


def with_longer_side(images: Tensor, size: int | None) -> Tensor:
    """Return pictures (N, C, H, W) in [0, 1] with a longer side of ``size`` pixels; None leaves them.

    Raises:
        InputError: a size below 1.

    >>> with_longer_side(torch.rand(1, 3, 10, 20), 40).shape
    torch.Size([1, 3, 20, 40])
    """
    height, width = images.shape[-2:]
    sides = longer_side(height, width, size)
    return images if sides == (height, width) else resize(images, size=sides).clamp(0, 1)


def longer_side(height: int, width: int, size: int | None) -> tuple[int, int]:
    """Return height and width of a picture whose longer side becomes ``size`` pixels; None leaves them.

    Raises:
        InputError: a size below 1.

    >>> longer_side(10, 20, 40), longer_side(10, 20, None)
    ((20, 40), (10, 20))
    """
    if size is None:
        return height, width
    if size < 1:
        raise InputError("a size of the longer side from 1 pixel", str(size))
    factor = size / max(height, width)
    return max(1, round(factor * height)), max(1, round(factor * width))


@dataclass(frozen=True)
class Stylist(Tool):
    """A network, and how to paint with it.

    Attributes:
        network: takes (N, 3, H, W) in [0, 1] and gives as many pixels.
        device: where to compute.
        size: longer side in pixels to which pictures are resized first; None leaves them as they are.
        strength: from 0, the picture as it was, to 1, the network's.
        keep_colors: take the luminance alone from the network.
        precision: see :func:`perceptualloss.apply.tiles.transform_in_tiles`.
    """

    network: nn.Module
    device: torch.device
    size: int | None = None
    strength: float = 1.0
    keep_colors: bool = False
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        check_strength(self.strength)

    def paint(self, content: Tensor, progress: Progress | None = None) -> Tensor:
        """Return pictures (N, 3, H, W) in [0, 1] as they look in the style, of the same size, within [0, 1]."""
        content = content.clamp(0, 1)
        painted = transform_in_tiles(
            self.network, content, device=self.device, precision=self.precision, progress=progress
        ).clamp_(0, 1)
        if self.keep_colors:
            painted = with_colours_of(painted, content)
        return painted if self.strength == 1 else content.lerp(painted, self.strength)

    def picture(self, picture: Picture, progress: Progress | None = None) -> Picture:
        """Paint a picture; opacity stays. A grey one becomes coloured, unless colours are kept."""
        colours, alpha = picture.colours, picture.alpha
        if alpha is not None:
            colours, alpha = fill_hidden(colours, alpha), with_longer_side(alpha, self.size)
        painted = self.paint(with_longer_side(colours, self.size), progress)
        return replace(picture, colours=painted, alpha=alpha, grey=picture.grey and self.keep_colors)

    def size_of(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the painting of a picture of this size."""
        return longer_side(height, width, self.size)

    def frames(self, smooth: float) -> Frames:
        """Return what paints frame after frame of one clip."""
        steady = Steady(smooth)

        def change(frame: Tensor) -> Tensor:
            content = with_longer_side(frame, self.size)
            return steady(self.paint(content), content)

        return change


def stylist(
    style: object = None,
    network: PathLike | nn.Module | None = None,
    size: int | None = None,
    strength: float = 1.0,
    keep_colors: bool = False,
    device: str | None = None,
    precision: Precision = "auto",
) -> Stylist:
    """Load a style once, to paint many pictures, files or clips in it.

    It takes the arguments of :func:`stylize` that are about networks. The tool that it returns has ``picture`` for
    tensors, ``file`` for files, and ``video`` for clips (see :class:`Tool`).

    Raises:
        InputError: for a style or network that cannot be used, or settings out of range.
    """
    model = _load(style) if network is None else _choose(network, style)
    if getattr(model, "scale", 1) != 1:
        raise InputError("a network that keeps the size", f"one of scale {model.scale}", "Use perceptualloss upscale.")
    own = isinstance(style if network is None else network, nn.Module)
    return Stylist(
        model, device_for(model, device if own else device or "auto"), size, strength, keep_colors, precision
    )


def _load(style: object) -> nn.Module:
    """Return the network of a style: a module, a file, or one that ships."""
    if isinstance(style, nn.Module):
        return style
    if not isinstance(style, str | os.PathLike):
        got = repr(style) if isinstance(style, int | float | None) else type(style).__name__
        remedy = "Name a network with network; from a picture alone, method='optimize' paints."
        raise InputError("the name of a style or the file of a network", got, remedy)
    path = Path(style)
    if path.suffix.lower() in READ_SUFFIXES:
        raise InputError(
            "the name of a style or the file of a network",
            f"the picture {path}",
            "From a picture alone, --method optimize paints (method='optimize' in Python); perceptualloss train style "
            "trains a network.",
        )
    own = path.suffix == ".safetensors" or is_hub_address(style)
    return load_network(style) if own else shipped_style(str(style))


def _choose(network: PathLike | nn.Module, style: object) -> nn.Module:
    """Return a network of the user's, held to the style if it has several."""
    if isinstance(network, nn.Module):
        model, names = network, list[str]()
    else:
        file = network_file(network)
        model = load_network(file)
        names = saved_styles(read_metadata(file)) if isinstance(model, StyleTransferNetwork) else []
    if names and len(names) != getattr(model, "styles", 1):
        raise InputError(f"names of the {getattr(model, 'styles', 1)} styles in {network}", str(len(names)))
    if style is None:
        return model
    if not isinstance(model, StyleTransferNetwork):
        raise InputError("a style for a StyleTransferNetwork", type(model).__name__, "Leave the style away.")
    if isinstance(style, nn.Module):
        raise InputError("a network or a style that is one", "both")
    if not isinstance(style, str | os.PathLike | int | Sequence | Mapping):
        raise InputError("one of the network's styles: a name, a number, or weights", type(style).__name__)
    return InStyle(model, _shares(style, names, model.styles))


def _shares(style: PathLike | int | Sequence[float] | Mapping[str, float], names: list[str], count: int) -> list[float]:
    """Return how much of each style is meant by a name, a number, weights, or weights by name or number."""
    if isinstance(style, str | os.PathLike):
        style = parse_blend(str(style))
    elif isinstance(style, int):
        style = {str(style): 1.0}
    if not isinstance(style, Mapping):
        if len(style) != count:
            raise InputError(f"{count} weights, one for each style", str(len(style)))
        return [float(weight) for weight in style]
    shares = [0.0] * count
    numbers = [str(number) for number in range(count)]
    for name, weight in style.items():
        where = names if name in names else numbers
        shares[where.index(check_choice("style", name, [*names, *numbers]))] += weight
    return shares


def parse_blend(text: str) -> dict[str, float]:
    """Return the weights that a text gives to styles.

    Raises:
        InputError: something that is no weight.

    >>> parse_blend("wave"), parse_blend("wave:0.3,udnie:0.7")
    ({'wave': 1.0}, {'wave': 0.3, 'udnie': 0.7})
    """
    weights = {}
    for part in text.split(","):
        name, _, weight = part.strip().partition(":")
        try:
            weights[name] = float(weight or 1)
        except ValueError as error:
            raise InputError("a style, or styles with weights such as wave:0.3,udnie:0.7", repr(text)) from error
    return weights
