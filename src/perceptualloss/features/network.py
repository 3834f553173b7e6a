"""A frozen network that turns pictures into named features."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perceptualloss.errors import InputError, check_choice, check_image_batch, warn_once
from perceptualloss.features.architectures import (
    ARCHITECTURES,
    EMBEDDED,
    layer_names,
)
from perceptualloss.features.modules import (
    Convolution,
    HeadedConv2d,
    channels_after,
    smallest_side,
)
from perceptualloss.features.weight_files import read_features
from perceptualloss.features.weights import embedded_weights, find_imagenet_file, how_to_get, imagenet_weights
from perceptualloss.pictures.ranges import (
    FAR,
    InputRange,
    check_input_range,
    check_values,
    range_bounds,
    range_normalisation,
    values_can_be_read,
)


class LossNetwork(nn.Module):
    r"""A frozen convolutional network :math:`\phi` that gives the features of named layers.

    ``network(images)`` returns ``{layer: features}`` with features :math:`\phi_j(x)` of shape
    :math:`(N, C_j, H_j, W_j)`, for images of shape (N, 3, H, W) in ``input_range``. The network is run no
    further than the deepest layer asked for, and features taken before a ReLU are not overwritten by it.

    The network is frozen for good: its weights need no gradient, stay in evaluation mode, and are not
    registered as parameters, so that no optimiser, checkpoint or DistributedDataParallel bucket ever holds
    them. They do follow ``.to(...)``.

    Args:
        features: convolutions, ReLUs and pooling in the order in which they run.
        layers: names such as ``relu2_2``, ``conv5_4`` or ``pool3`` (see :func:`layer_names`).
        input_range: the range of the images: (0, 1) by contract, (-1, 1), (0, 255), any other pair of
            numbers, or ``"imagenet"`` for images that are already normalised with ImageNet's mean and
            standard deviation.

    Raises:
        InputError: for an unknown layer, an empty list of layers or an unusable range.

    Source: Johnson, Alahi and Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and
    Super-Resolution", ECCV 2016; Simonyan and Zisserman, "Very Deep Convolutional Networks", ICLR 2015.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, features: nn.Sequential, layers: Iterable[str], input_range: InputRange = (0.0, 1.0)) -> None:
        super().__init__()
        names = layer_names(features)
        self.layers = tuple(check_choice("layer", layer, names) for layer in layers)
        if not self.layers:
            raise InputError("at least one layer", "none", f"Known layers: {', '.join(names)}.")
        self.input_range = check_input_range(input_range)
        self._values_checked = False
        self.name = "custom"
        self.source: Hashable | None = None  # what the weights are, where that is known
        depth = max(names.index(layer) for layer in self.layers) + 1
        self.names = tuple(names[:depth])
        # A list hides the modules from nn.Module: they are the loss's tools, not its parameters.
        self._frozen = [m.requires_grad_(False).eval().to(memory_format=torch.channels_last) for m in features[:depth]]
        mean, std = range_normalisation(self.input_range)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)

    def forward(self, images: Tensor, layers: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Return ``{layer: features}`` for images (N, 3, H, W) in ``input_range``.

        Args:
            images: 32 bits or less, unless the network was converted with ``.double()``.
            layers: other layers than those that the network was built with, none deeper than its deepest.

        Raises:
            InputError: for images of another shape or type, too small for the deepest layer, or an unknown layer.
        """
        wanted = self.layers if layers is None else tuple(check_choice("layer", name, self.names) for name in layers)
        depth = max(self.names.index(layer) for layer in wanted) + 1
        x = self._normalised(images, smallest_side(self._frozen[:depth]), wanted)
        found = run_layers(self._frozen[:depth], self.names[:depth], x, wanted)
        return {layer: found[layer] for layer in wanted}

    def _normalised(self, images: Tensor, smallest: int, layers: tuple[str, ...]) -> Tensor:
        check_image_batch("images", images)
        if min(images.shape[-2:]) < smallest:
            raise InputError(
                f"images of at least {smallest} x {smallest} pixels to see {', '.join(layers)}",
                f"{images.shape[-2]} x {images.shape[-1]}",
                "Take earlier layers or larger pictures.",
            )
        if images.dtype == torch.float64 != self.mean.dtype:
            raise InputError(
                "images in 32 bits or less", "float64", "Convert them with images.float(), or the loss with .double()."
            )
        if not self._values_checked and values_can_be_read():
            check_values("images", images, *range_bounds(self.input_range), slack=FAR)
            self._values_checked = True
        # Laid out as channels_last by a way that torch.func.vmap knows, too.
        x = images.to(self.mean.dtype).permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
        return x if self.input_range == "imagenet" else (x - self.mean) / self.std

    def sees_like(self, other: LossNetwork) -> bool:
        """Return whether both give the same features for the same pictures, as far as both go."""
        return self is other or (
            self.source is not None
            and (self.source, self.input_range, self.mean.dtype, self.mean.device)
            == (other.source, other.input_range, other.mean.dtype, other.mean.device)
        )

    def modules_in_turn(self) -> tuple[nn.Module, ...]:
        """Return the convolutions, ReLUs and pools in the order in which they run."""
        return tuple(self._frozen)

    def channels(self) -> dict[str, int]:
        """Return the number of channels of each layer asked for."""
        widths: dict[str, int] = {}
        width = 3
        for name, module in zip(self.names, self._frozen, strict=True):
            width = channels_after(module, width)
            widths[name] = width
        return {layer: widths[layer] for layer in self.layers}

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        for module in self._frozen:
            module._apply(fn)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def extra_repr(self) -> str:
        """Return what ``print`` shows."""
        return f"{self.name}, layers={self.layers}, input_range={self.input_range}"


def run_layers(
    modules: Sequence[nn.Module], names: Sequence[str], x: Tensor, wanted: Collection[str], *, in_place: bool = True
) -> dict[str, Tensor]:
    """Run ``modules`` one after another on normalised images and return the features of the ``wanted`` names.

    Between a headed convolution and the next convolution, what is asked for is taken behind the head.

    Args:
        modules: the network's, in the order in which they run.
        names: their names, as :func:`layer_names` gives them.
        x: images (N, 3, H, W), normalised.
        wanted: names of layers.
        in_place: whether ReLUs may overwrite what is not asked for: faster, but not for modules that are trained.
    """
    found: dict[str, Tensor] = {}
    wide: Tensor | None = None
    for i, (name, module) in enumerate(zip(names, modules, strict=True)):
        if isinstance(module, Convolution):
            x = module(x)
            headed = isinstance(module, HeadedConv2d) and bool(_shown_by(names, i) & set(wanted))
            wide = cast(HeadedConv2d, module).head(x) if headed else None
        elif isinstance(module, nn.ReLU):
            asked = i > 0 and names[i - 1] in wanted
            x = F.relu(x, inplace=in_place and i > 0 and not asked and wide is None)
            wide = None if wide is None else F.relu(wide, inplace=in_place and not asked)
        else:
            x = module(x)
            wide = None if wide is None else module(wide)
        if name in wanted:
            found[name] = x if wide is None else wide
    return found


def _shown_by(names: Sequence[str], i: int) -> set[str]:
    """Return the names from the convolution ``i`` up to the next one."""
    later = (j for j in range(i + 1, len(names)) if names[j].startswith("conv"))
    return set(names[i : next(later, len(names))])


def loss_network(
    network: str,
    layers: Iterable[str],
    weights: str | Path | None = "default",
    input_range: InputRange = (0.0, 1.0),
) -> LossNetwork:
    """Build a loss network by name.

    Args:
        network: "vgg16" or "vgg19" (torchvision's, without batch norm), "compact" (small, embedded in the
            package, needs no download), "distilled" (embedded too, sees what VGG-16 sees at an eighth of its
            arithmetic, in layers of the same names and widths), "judge" (embedded too, meant for measuring), or
            LPIPS's other backbones, "alexnet" and "squeezenet".
        layers: the layers whose features are wanted, such as ``["relu2_2", "relu3_3"]``.
        weights: "default" (the embedded ones, or else ImageNet's, downloaded once), a ``.pth`` or
            ``.safetensors`` file with the whole network or its features only, or None for random weights, for
            experiments.
        input_range: see :class:`LossNetwork`.

    Raises:
        InputError: for an unknown name or layer, or weights that cannot be had; the message names the file,
            its source and where to put it.
    """
    features = ARCHITECTURES[check_choice("network", network, ARCHITECTURES)]()
    names = layer_names(features)
    layers = tuple(check_choice("layer", layer, names) for layer in layers)  # before any download
    source: Hashable = None
    if weights is None:
        _draw_weights(features)
    elif weights in ("default", "imagenet"):
        source = network
        found_weights = (
            embedded_weights(network) if network in EMBEDDED else imagenet_weights(network, features.state_dict())
        )
        features.load_state_dict(found_weights)
    else:
        file = Path(weights).resolve()
        features.load_state_dict(read_features(file, features.state_dict()))
        source = network, file, file.stat().st_mtime_ns
    found = LossNetwork(features, layers, input_range)
    found.name, found.source = network, source
    return found


def _draw_weights(features: nn.Sequential) -> None:
    for module in features.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def why_no_imagenet(network: str) -> str:
    """Return why a network's ImageNet weights cannot be had here and what to do, or "" if they can. Never downloads.

    The answer is remembered: a file is read once in a process, unless its size or time changes. One that is there but
    cannot be used is warned of, once.

    >>> why_no_imagenet("vgg16") in ("", f"they are not here. {how_to_get('vgg16')}")
    True
    """
    try:
        file = find_imagenet_file(network)
        if file is None:
            return f"they are not here. {how_to_get(network)}"
        facts = file.stat()
        why = _unusable(network, file, facts.st_size, facts.st_mtime_ns)
    except (InputError, OSError) as error:
        why = str(error)
    if why:
        warn_once(f"without {network}'s ImageNet weights: {why}")
    return why


@cache
def _unusable(network: str, file: Path, size: int, modified: int) -> str:
    """Return what keeps the file that is found for a network from being used; another size or time is another file."""
    try:
        loss_network(network, ["relu1_1"])
    except InputError as error:
        return str(error)
    return ""
