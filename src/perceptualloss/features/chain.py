"""VGG-like loss networks: modules that run one after another, with the literature's names for their layers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.squeezenet import Fire

from perceptualloss.errors import InputError, check_choice, warn_once
from perceptualloss.features.architectures import POOLS, layer_names
from perceptualloss.features.blocks import Block, blocks
from perceptualloss.features.modules import Convolution, HeadedConv2d, channels_after, smallest_side, unpadded_side
from perceptualloss.features.reach import reach, touched

REMEDY = "Take earlier layers or larger pictures."


class Chain:
    """Convolutions, ReLUs, pools and fire modules in the order in which they run, up to the deepest layer wanted.

    Attributes:
        modules: those that run.
        names: their names (:func:`layer_names`).

    Args:
        features: the modules; they are frozen where they are.
        layers: the layers that are wanted.
        name: what errors call it.

    Raises:
        InputError: for an unknown layer.
    """

    def __init__(self, features: nn.Sequential, layers: Iterable[str], name: str = "custom") -> None:
        self.name = name
        names = layer_names(features)
        depth = max(names.index(check_choice("layer", layer, names)) for layer in layers) + 1
        self.names = tuple(names[:depth])
        frozen = [module.requires_grad_(False).eval() for module in features[:depth]]
        self.modules: list[nn.Module] = [module.to(memory_format=torch.channels_last) for module in frozen]

    @staticmethod
    def takes(features: nn.Module) -> bool:
        """Return whether a network is such a chain."""
        kinds = (Convolution, *POOLS, nn.ReLU, Fire)
        return isinstance(features, nn.Sequential) and all(isinstance(module, kinds) for module in features)

    def check(self, layers: Iterable[str]) -> tuple[str, ...]:
        """Return the layers, or raise InputError for one that is not known."""
        return tuple(check_choice("layer", layer, self.names) for layer in layers)

    def fit(self, images: Tensor, layers: Sequence[str]) -> Tensor:
        """Return the images laid out as channels_last; raise InputError if they are too small for the layers.

        Those that leave a layer less than its kernel sees are said once: it sees more padding than picture.
        """
        modules = self.modules[: self._depth(layers)]
        smallest = smallest_side(modules)
        if min(images.shape[-2:]) < smallest:
            raise InputError(
                f"images of at least {smallest} x {smallest} pixels to see {', '.join(layers)}",
                f"{images.shape[-2]} x {images.shape[-1]}",
                REMEDY,
            )
        unpadded = unpadded_side(modules)
        if min(images.shape[-2:]) < unpadded and not torch.compiler.is_compiling():
            warn_once(
                f"pictures of less than {unpadded} x {unpadded} pixels: the maps on the way to {', '.join(layers)} get "
                f"smaller than their kernels, which see mostly padding. {REMEDY}"
            )
        # By a way that torch.func.vmap knows, too.
        return images.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)

    def run(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Return the features of normalised images (N, 3, H, W) by layer."""
        depth = self._depth(layers)
        return run_layers(self.modules[:depth], self.names[:depth], images, layers)

    def channels(self) -> dict[str, int]:
        """Return the number of channels of every layer."""
        widths: dict[str, int] = {}
        width = 3
        for name, module in zip(self.names, self.modules, strict=True):
            width = channels_after(module, width)
            widths[name] = width
        return widths

    def touched(self, marks: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Return which positions of the layers see a marked pixel, (N, 1, h, w) each, 1 or 0."""
        depth = self._depth(layers)
        return touched(self.modules[:depth], self.names[:depth], marks, layers)

    def reach(self, layer: str) -> int:
        """Return how many pixels a side a position of the layer sees."""
        return reach(self.modules[: self._depth([layer])])

    def blocks(self, layers: Sequence[str]) -> list[Block]:
        """Return the blocks as far as to the layers, to be run one after another."""
        depth = self._depth(layers)
        return blocks(self.modules[:depth], self.names[:depth], run_modules)

    def _depth(self, layers: Iterable[str]) -> int:
        return max(self.names.index(layer) for layer in layers) + 1


def run_layers(
    modules: Sequence[nn.Module], names: Sequence[str], x: Tensor, layers: Collection[str], *, in_place: bool = True
) -> dict[str, Tensor]:
    """Run ``modules`` one after another on normalised images and return the features of some layers (see below)."""
    return run_modules(modules, names, x, layers, in_place=in_place)[0]


def run_modules(
    modules: Sequence[nn.Module], names: Sequence[str], x: Tensor, layers: Collection[str], *, in_place: bool = True
) -> tuple[dict[str, Tensor], Tensor]:
    """Run ``modules`` one after another; return the features of some layers, and what the last module gives.

    Between a headed convolution and the next convolution, what is asked for is taken behind the head.

    Args:
        modules: the network's, in the order in which they run.
        names: their names, as :func:`layer_names` gives them.
        x: images (N, 3, H, W), normalised, or what the module before the first one gave.
        layers: names of those that are asked for.
        in_place: whether ReLUs may overwrite what is not asked for: faster, but not for modules that are trained.
    """
    features: dict[str, Tensor] = {}
    wide: Tensor | None = None
    for i, (name, module) in enumerate(zip(names, modules, strict=True)):
        if isinstance(module, Convolution):
            x = module(x)
            headed = isinstance(module, HeadedConv2d) and bool(_shown_by(names, i) & set(layers))
            wide = cast(HeadedConv2d, module).head(x) if headed else None
        elif isinstance(module, nn.ReLU):
            asked = i > 0 and names[i - 1] in layers
            x = F.relu(x, inplace=in_place and i > 0 and not asked and wide is None)
            wide = None if wide is None else F.relu(wide, inplace=in_place and not asked)
        else:
            x = module(x)
            wide = None if wide is None else module(wide)
        if name in layers:
            features[name] = x if wide is None else wide
    return features, x


def _shown_by(names: Sequence[str], i: int) -> set[str]:
    """Return the names from the convolution ``i`` up to the next one."""
    later = (j for j in range(i + 1, len(names)) if names[j].startswith("conv"))
    return set(names[i : next(later, len(names))])
