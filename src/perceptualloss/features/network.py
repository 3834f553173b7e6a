"""Loss networks by name: the package's own, torchvision's and timm's."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import cache
from pathlib import Path

import torch
from torch import nn

from perceptualloss.errors import InputError, check_choice, warn_once
from perceptualloss.features.architectures import ARCHITECTURES, EMBEDDED, layer_names
from perceptualloss.features.backbone import Backbone
from perceptualloss.features.base import LossNetwork
from perceptualloss.features.frozen import check_values_exist
from perceptualloss.features.libraries import find_weights, library_entry, load_weights
from perceptualloss.features.passes import Passes
from perceptualloss.features.weight_files import read_features
from perceptualloss.features.weights import IMAGENET, embedded_weights, find_imagenet_file, how_to_get, imagenet_weights
from perceptualloss.pictures.ranges import InputRange

__all__ = ["LossNetwork", "layer_names_of", "loss_network", "why_no_imagenet"]


@torch.inference_mode(False)
def loss_network(
    network: str,
    layers: Iterable[str],
    weights: str | Path | None = "default",
    input_range: InputRange = (0.0, 1.0),
    checkpoint: bool = False,
    chunk: int | None = None,
    tile: int | None = None,
) -> LossNetwork:
    """Build a loss network by name: frozen, it gives the features of the layers that you ask for.

    >>> network = loss_network("compact", ["relu1_2", "relu2_2"])
    >>> {layer: tuple(features.shape) for layer, features in network(torch.rand(1, 3, 32, 32)).items()}
    {'relu1_2': (1, 64, 32, 32), 'relu2_2': (1, 128, 16, 16)}

    The names:

    - "compact" ships with the package and needs no download. It sees what VGG-16 sees at an eighth of its arithmetic,
      in layers of the same names and widths up to relu4_3.
    - "judge" ships, too, and is meant for measuring.
    - "vgg16" and "vgg19" are torchvision's, without batch norm.
    - "alexnet" and "squeezenet" are LPIPS's other backbones.
    - "torchvision/resnet50", "timm/vit_small_patch14_dinov2": any network of these libraries. A dot and a name choose
      other weights than the library's first choice: "torchvision/resnet50.IMAGENET1K_V1".

    Args:
        network: one of the names above.
        layers: the layers whose features are wanted, such as ``["relu2_2", "relu3_3"]``, ``["layer2"]`` or
            ``["blocks.3"]`` (see :func:`layer_names_of`).
        weights: "default", a file, or None. "default" is the embedded weights; else ImageNet's, downloaded once; else
            the library's, which must be at hand. A ``.pth`` or ``.safetensors`` file holds the whole network or its
            features only. None is random weights, for experiments.
        input_range: the range of the pictures' values, such as (0, 1) or (-1, 1) (see :class:`LossNetwork`).
        checkpoint: compute features again in the backward pass and keep none, to save memory (see :class:`Passes`).
        chunk: at most this many pictures go through the network at a time, to save memory (see :class:`Passes`).
        tile: at most this many positions a side at a time, from 8 on, to save memory (see :class:`Passes`).

    Raises:
        InputError: for an unknown name or layer; for weights that cannot be had, with the file, its source and where to
            put it; for unusable settings of memory; under ``torch.device("meta")``.
    """
    check_values_exist()
    passes = Passes(checkpoint, chunk, tile)
    built = (_library_network if "/" in network else _own_network)(network, tuple(layers), weights, input_range)
    built.passes = passes
    return built


def _own_network(
    network: str, layers: tuple[str, ...], weights: str | Path | None, input_range: InputRange
) -> LossNetwork:
    """Build a network of the package, or one of torchvision's that it knows layer by layer."""
    remedy = "Or one of a library: torchvision/NAME or timm/NAME."
    features = ARCHITECTURES[check_choice("network", network, ARCHITECTURES, remedy)]()
    names = layer_names(features)
    layers = tuple(check_choice("layer", layer, names) for layer in layers)  # before any download
    source: Hashable = None
    words = "random"
    if weights is None:
        _draw_weights(features)
    elif weights in ("default", "imagenet"):
        source, words = network, "embedded in the package" if network in EMBEDDED else str(IMAGENET[network])
        state = embedded_weights(network) if network in EMBEDDED else imagenet_weights(network, features.state_dict())
        features.load_state_dict(state)
    else:
        file = Path(weights).resolve()
        features.load_state_dict(read_features(file, features.state_dict()))
        source, words = (network, file, file.stat().st_mtime_ns), str(file)
    return _named(LossNetwork(features, layers, input_range), network, source, words)


def _library_network(
    network: str, layers: tuple[str, ...], weights: str | Path | None, input_range: InputRange
) -> LossNetwork:
    """Build a network of torchvision or timm, without the modules behind its deepest layer."""
    entry = library_entry(network)
    body = Backbone(entry.build(), layers or None, entry.side, network)
    source: Hashable = None
    words = "random"
    if weights is not None:
        usual = weights in ("default", "imagenet")
        file = find_weights(network, entry) if usual else Path(weights).resolve()
        load_weights(body, entry, file)
        source = network if usual else (network, file, file.stat().st_mtime_ns)
        words = f"{entry.source} in {file}" if usual else str(file)
    body.prune()
    return _named(LossNetwork(body, layers, input_range, entry.mean, entry.std), network, source, words)


def _named(network: LossNetwork, name: str, source: Hashable, weights: str) -> LossNetwork:
    network.name, network.source, network.weights = name, source, weights
    return network


def layer_names_of(network: str) -> list[str]:
    """Return the names of a network's layers, first to last: all that :func:`loss_network` takes for it.

    Of a network of torchvision or timm these are the modules whose output is a map with places.

    Args:
        network: a name as :func:`loss_network` takes it.

    Raises:
        InputError: for an unknown network.

    >>> print(*layer_names_of("compact")[:5])
    conv1_1 relu1_1 conv1_2 relu1_2 pool1
    >>> print(*layer_names_of("torchvision/resnet18")[:5])
    conv1 bn1 relu maxpool layer1.0.conv1
    """
    with torch.device("meta"):  # without memory for weights
        if "/" not in network:
            return layer_names(ARCHITECTURES[check_choice("network", network, ARCHITECTURES)]())
        entry = library_entry(network)
        return list(Backbone(entry.build(), None, entry.side, network).names)


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
