"""A frozen network that turns pictures into named features."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from perceptualloss.checks import InputError, check_choice, check_image_batch
from perceptualloss.loss_networks.blur_pool import BlurPool2d
from perceptualloss.loss_networks.compact import compact_features, judge_features
from perceptualloss.loss_networks.vgg import vgg16_features, vgg19_features
from perceptualloss.loss_networks.weights import embedded_weights, imagenet_weights, read_features

InputRange = tuple[float, float] | Literal["imagenet"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

POOLS = (nn.MaxPool2d, nn.AvgPool2d, BlurPool2d)
ARCHITECTURES: dict[str, Callable[[], nn.Sequential]] = {
    "vgg16": vgg16_features,
    "vgg19": vgg19_features,
    "compact": compact_features,
    "judge": judge_features,
}
EMBEDDED = ("compact", "judge")


def layer_names(features: nn.Sequential) -> list[str]:
    """Return the name of each module of a VGG-like network, in the literature's numbering.

    The i-th convolution of block b is ``convb_i``, its activation ``relub_i``, and the pooling that ends
    block b is ``poolb``.

    >>> layer_names(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3)))
    ['conv1_1', 'relu1_1', 'pool1', 'conv2_1']
    """
    names = []
    block, conv = 1, 0
    for module in features:
        if isinstance(module, nn.Conv2d):
            conv += 1
            names.append(f"conv{block}_{conv}")
        elif isinstance(module, POOLS):
            names.append(f"pool{block}")
            block, conv = block + 1, 0
        elif isinstance(module, nn.ReLU):
            names.append(f"relu{block}_{conv}")
        else:
            raise TypeError(f"expected convolutions, ReLUs and pooling, got {type(module).__name__}")
    return names


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
        depth = max(names.index(layer) for layer in self.layers) + 1
        self._names = names[:depth]
        modules = list(features[:depth])
        for before, module in zip(["", *self._names], modules, strict=False):
            if isinstance(module, nn.ReLU):  # in place is faster, and harmless unless its input is asked for
                module.inplace = before not in self.layers
        # A list hides the modules from nn.Module: they are the loss's tools, not its parameters.
        self._frozen = [m.requires_grad_(False).eval().to(memory_format=torch.channels_last) for m in modules]
        mean, std = range_normalisation(self.input_range)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return ``{layer: features}`` in the order of ``layers`` for images (N, 3, H, W) in ``input_range``."""
        check_image_batch("images", images)
        x = images.to(memory_format=torch.channels_last)
        if self.input_range != "imagenet":
            x = (x - self.mean) / self.std
        found = {}
        for name, module in zip(self._names, self._frozen, strict=True):
            x = module(x)
            if name in self.layers:
                found[name] = x
        return {layer: found[layer] for layer in self.layers}

    def channels(self) -> dict[str, int]:
        """Return the number of channels of each layer asked for."""
        widths: dict[str, int] = {}
        width = 3
        for name, module in zip(self._names, self._frozen, strict=True):
            width = module.out_channels if isinstance(module, nn.Conv2d) else width
            widths[name] = width
        return {layer: widths[layer] for layer in self.layers}

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        for module in self._frozen:
            module._apply(fn)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def extra_repr(self) -> str:
        """Return what ``print`` shows."""
        return f"layers={self.layers}, input_range={self.input_range}"


def check_input_range(input_range: Any) -> InputRange:
    """Return ``input_range`` as a pair of floats or "imagenet", or raise InputError."""
    if input_range == "imagenet":
        return "imagenet"
    try:
        low, high = (float(v) for v in input_range)
    except (TypeError, ValueError):
        low = high = 0.0
    if not low < high:
        raise InputError(
            "input_range to be (low, high) with low < high, or 'imagenet'",
            repr(input_range),
            "Usual ranges: (0, 1), (-1, 1), (0, 255).",
        )
    return low, high


def range_normalisation(input_range: InputRange) -> tuple[Tensor, Tensor]:
    """Return the mean and standard deviation, each (1, 3, 1, 1), that bring images to ImageNet's statistics."""
    if input_range == "imagenet":
        return torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1)
    low, high = input_range
    mean = torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1)
    std = torch.tensor(IMAGENET_STD).view(1, 3, 1, 1)
    return low + mean * (high - low), std * (high - low)


def loss_network(
    network: str,
    layers: Iterable[str],
    weights: str | Path | None = "default",
    input_range: InputRange = (0.0, 1.0),
) -> LossNetwork:
    """Build a loss network by name.

    Args:
        network: "vgg16" or "vgg19" (torchvision's, without batch norm), or "compact" (small, embedded in the
            package, needs no download), or "judge" (embedded too, meant for measuring).
        layers: the layers whose features are wanted, such as ``["relu2_2", "relu3_3"]``.
        weights: "default" (ImageNet's for VGG, downloaded once; the embedded ones for the others),
            a ``.pth`` or ``.safetensors`` file with the whole VGG or its features only, or None for
            random weights, for experiments.
        input_range: see :class:`LossNetwork`.

    Raises:
        InputError: for an unknown name or layer, or weights that cannot be had; the message names the file,
            its source and where to put it.
    """
    features = ARCHITECTURES[check_choice("network", network, ARCHITECTURES)]()
    names = layer_names(features)
    layers = tuple(check_choice("layer", layer, names) for layer in layers)  # before any download
    if weights is None:
        for module in features:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
    else:
        if weights in ("default", "imagenet"):
            state = embedded_weights(network) if network in EMBEDDED else imagenet_weights(network)
        else:
            state = read_features(Path(weights), features.state_dict())
        features.load_state_dict(state)
    return LossNetwork(features, layers, input_range)
