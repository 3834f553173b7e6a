"""The loss networks by name, and the names of their layers."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn
from torchvision.models import squeezenet1_1
from torchvision.models.squeezenet import Fire
from torchvision.models.vgg import cfgs, make_layers

from perceptualloss.features.modules import (
    BlurPool2d,
    Convolution,
    FactorisedConv2d,
    HeadedConv2d,
    MaxBlurPool2d,
)


def vgg16_features() -> nn.Sequential:
    """Return VGG-16's convolutions, ReLUs and pooling (13 convolutions, configuration D)."""
    return _features("D")


def vgg19_features() -> nn.Sequential:
    """Return VGG-19's convolutions, ReLUs and pooling (16 convolutions, configuration E)."""
    return _features("E")


def _features(configuration: str) -> nn.Sequential:
    features: nn.Sequential = make_layers(cfgs[configuration], batch_norm=False)
    return features


def alexnet_features() -> nn.Sequential:
    """Return AlexNet's five convolutions with their ReLUs and overlapping pools.

    Written out, because torchvision's constructor also fills a classifier of 58 million weights.
    """
    return nn.Sequential(
        nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(64, 192, kernel_size=5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(192, 384, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2),
    )


def squeezenet_features() -> nn.Sequential:
    """Return SqueezeNet 1.1's convolution, its eight fire modules and its pools (which round sizes up)."""
    features: nn.Sequential = squeezenet1_1(weights=None).features
    return features


def _convolution(inputs: int, outputs: int, size: int) -> list[nn.Module]:
    # Repeating the border keeps flat areas flat up to the edge; zeros would mark it in every map.
    conv = nn.Conv2d(inputs, outputs, size, padding=size // 2, padding_mode="replicate")
    return [conv, nn.ReLU()]


def _chain(blocks: list[list[tuple[int, int]]]) -> nn.Sequential:
    """Return convolutions of (width, filter size) for each block, with a pool between two blocks."""
    modules: list[nn.Module] = []
    channels = 3
    for number, block in enumerate(blocks):
        if number:
            modules.append(BlurPool2d())
        for width, size in block:
            modules += _convolution(channels, width, size)
            channels = width
    return nn.Sequential(*modules)


def judge_features() -> nn.Sequential:
    """Return the network ``judge`` with random weights: few layers with large filters, as in AlexNet.

    Filters of 7x7 and 5x5 at the full and half resolution, 3x3 below; widths 24-48-96-128.
    0.47 million weights, under 1 MB at half precision.
    Input: (N, 3, H, W) normalised with ImageNet's mean and standard deviation.
    """
    return _chain([[(24, 7)], [(48, 5)], [(96, 5), (96, 3)], [(128, 3), (128, 3)]])


def compact_features() -> nn.Sequential:
    """Return the network ``compact`` with random weights: VGG-16 up to relu4_3, with convolutions of low rank.

    Layers have VGG-16's names and numbers of channels. Up to relu4_3 it takes 34,100 multiplications per input
    pixel, the heads of relu1_2, relu2_2, relu3_3 and relu4_3 included (VGG-16: 278,208), and has 0.83 million weights,
    1.7 MB at half precision. Input: (N, 3, H, W) normalised with ImageNet's mean and standard deviation.
    """
    convolutions: list[list[nn.Module]] = [
        [HeadedConv2d(3, 20, 64), HeadedConv2d(20, 20, 64)],
        [HeadedConv2d(20, 44, 128), FactorisedConv2d(44, None, 44, 128)],
        [FactorisedConv2d(128, 44, 64, 256), *(FactorisedConv2d(256, 64, 64, 256) for _ in range(2))],
        [FactorisedConv2d(256, 64, 112, 512), *(FactorisedConv2d(512, 112, 112, 512) for _ in range(2))],
    ]
    modules: list[nn.Module] = []
    for block in convolutions:
        if modules:
            modules.append(MaxBlurPool2d())
        for module in block:
            modules += [module, nn.ReLU()]
    return nn.Sequential(*modules)


POOLS = (nn.MaxPool2d, nn.AvgPool2d, BlurPool2d, MaxBlurPool2d)

ARCHITECTURES: dict[str, Callable[[], nn.Sequential]] = {
    "vgg16": vgg16_features,
    "vgg19": vgg19_features,
    "alexnet": alexnet_features,
    "squeezenet": squeezenet_features,
    "compact": compact_features,
    "judge": judge_features,
}

EMBEDDED = ("compact", "judge")


def layer_names(features: nn.Sequential) -> list[str]:
    """Return the name of each module of a VGG-like network, in the literature's numbering.

    The i-th convolution of block b is ``convb_i``, its activation ``relub_i``, and the pooling that ends
    block b is ``poolb``. SqueezeNet's fire modules are counted from ``fire2``, as its authors do.

    >>> layer_names(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3)))
    ['conv1_1', 'relu1_1', 'pool1', 'conv2_1']
    """
    names = []
    block, conv, fire = 1, 0, 2
    for module in features:
        if isinstance(module, Convolution):
            conv += 1
            names.append(f"conv{block}_{conv}")
        elif isinstance(module, POOLS):
            names.append(f"pool{block}")
            block, conv = block + 1, 0
        elif isinstance(module, nn.ReLU):
            names.append(f"relu{block}_{conv}")
        elif isinstance(module, Fire):
            names.append(f"fire{fire}")
            fire += 1
        else:
            raise TypeError(f"expected convolutions, ReLUs, pooling or fire modules, got {type(module).__name__}")
    return names


def layers_before_pooling(architecture: str) -> list[str]:
    """Return the last activation of every block, before it is pooled, and that of the whole network.

    >>> layers_before_pooling("judge")
    ['relu1_1', 'relu2_1', 'relu3_2', 'relu4_2']
    """
    names = layer_names(ARCHITECTURES[architecture]())
    following = [*names[1:], "pool"]
    return [name for name, after in zip(names, following, strict=True) if after.startswith("pool") and "relu" in name]
