"""ST-LPIPS: LPIPS on networks without aliasing, so that a shift that nobody sees does not count."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perceptualloss.errors import InputError, check_choice, check_image_batch, check_same_shape
from perceptualloss.features.modules import Averages
from perceptualloss.features.reach import reach, touched_by
from perceptualloss.features.weight_files import read_features
from perceptualloss.losses.distance import learned_over_layers
from perceptualloss.losses.mask import Mask, Masking, Weights
from perceptualloss.metrics.metric import Distance
from perceptualloss.metrics.protocol import masked
from perceptualloss.pictures.ranges import check_pair, normalised

Net = Literal["alex", "vgg"]
NETS = ("alex", "vgg")
HOW_TO_GET = (
    "ST-LPIPS needs the weights in the package stlpips-pytorch (BSD), which is not here: "
    "pip install 'perceptualloss[metrics]'."
)
SMALLEST = {"alex": 21, "vgg": 18}  # pixels a side: less leaves nothing to mirror at a border
HEADS = {"alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512)}  # channels of the layers
_VGG = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


@torch.no_grad()
def st_lpips(
    output: Tensor,
    target: Tensor,
    net: Net = "alex",
    *,
    weight: Tensor | None = None,
    masking: Masking = "area",
) -> Tensor:
    r"""Return the shift-tolerant LPIPS of each picture, (N,): 0 for equal ones, about 1 for very different ones.

    .. math:: \sum_j \frac{1}{H_jW_j} \sum_{hw} \| \sqrt{w_j} \odot (\hat f_{hw} - \hat g_{hw}) \|_2^2

    This is the formula of LPIPS, over five layers of an AlexNet or a VGG-16 whose strides are taken after a low-pass
    filter. All weights were fitted to people's judgements. So a shift that nobody sees counts little. It equals the
    output of the authors' package, whose weights are read from where it is installed; none of its code runs. This is a
    measure and no loss: it gives no gradient. Needs ``pip install 'perceptualloss[metrics]'``.

    Args:
        output: pictures (N, 3, H, W) in [0, 1], at least 21 pixels a side for "alex" and 18 for "vgg".
        target: the pictures they should look like, of the same shape.
        net: "alex" or "vgg".
        weight: a mask, (N, 1, H, W) or (1, 1, H, W) in [0, 1]: how much each pixel counts.
        masking: "area": a position counts as much as the pixels under it. "exact": only those count that see pixels of
            weight 1 alone.

    Raises:
        InputError: for other shapes, types or ranges, without the package, or if its weights are damaged.

    Source: Ghildyal and Liu, "Shift-tolerant Perceptual Similarity Metric", ECCV 2022; Zhang, "Making Convolutional
    Networks Shift-Invariant Again", 2019 for the filter before the stride.
    """
    check_same_shape("output", output, "target", target)
    for name, images in (("output", output), ("target", target)):
        check_image_batch(name, images)
    check_pair(output, target, finite=True)
    return masked(lambda target: distance_to(target, net), output, target, weight, masking)


def weights_file(net: str) -> Path | None:
    """Return the file with a network's weights in the installed package, which is not imported, or None."""
    package = find_spec("stlpips_pytorch")
    places = package.submodule_search_locations if package else None
    for place in places or ():
        file = Path(place) / "weights" / "vST0.0" / f"{net}_shift_tolerant.pth"
        if file.is_file():
            return file
    return None


def why_missing(net: str) -> str:
    """Return how to get a network's weights where they are not installed, else ""."""
    return "" if weights_file(net) else HOW_TO_GET


@torch.no_grad()
def distance_to(target: Tensor, net: str) -> Distance:
    """Return ST-LPIPS to ``target`` as a function of the output; the target is looked at once."""
    network = _network(net).to(target.device)
    of_target = network(target)

    @torch.no_grad()
    def distance(output: Tensor, mask: Mask | None = None) -> Tensor:
        features = network(output)
        places = None if mask is None else network.places(mask, features)
        return learned_over_layers(features, of_target, network.heads(), places)

    return distance


class _BlurPool(Averages):
    """Filter with [1, 2, 1] / 4 in both directions and keep every second value, the border mirrored by two.

    One convolution for each channel: half the time of two means one after the other, which go through memory twice.
    """

    window = 3, 2
    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        taps = torch.tensor([0.25, 0.5, 0.25])
        self.register_buffer("kernel", taps[:, None] * taps, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        channels = images.shape[1]
        padded = F.pad(images, (2, 2, 2, 2), mode="reflect")
        return F.conv2d(padded, self.kernel.expand(channels, 1, 3, 3), stride=2, groups=channels)


class _Maximum(nn.MaxPool2d):
    """The maximum of ``side`` x ``side`` values at every place: of rows, then of columns.

    The same numbers as a pool gives, which also writes down where each maximum was: half the time.
    """

    def __init__(self, side: int) -> None:
        super().__init__(side, stride=1)
        self.side = side

    def forward(self, images: Tensor) -> Tensor:
        for axis in (-2, -1):
            length = images.shape[axis] - self.side + 1
            found = images.narrow(axis, 0, length)
            for place in range(1, self.side):
                found = torch.maximum(found, images.narrow(axis, place, length))
            images = found
        return images


class _ShiftTolerant(nn.Module):
    """AlexNet or VGG-16 without a stride that is not filtered before; gives the features of five layers.

    AlexNet's first convolution has stride 1 and one filtered halving in place of two unfiltered ones; pools are
    a maximum at every place, then a filtered halving.
    """

    def __init__(self, net: str) -> None:
        super().__init__()
        self.net, count = net, 0
        self.stages = nn.Module()
        for number, modules in enumerate(_alexnet() if net == "alex" else _vgg(), start=1):
            named = OrderedDict((str(count + i), module) for i, module in enumerate(modules))
            count += len(named)
            self.stages.add_module(f"slice{number}", nn.Sequential(named))

    def heads(self) -> list[Tensor]:
        """Return the weights of each layer's channels."""
        return [self.get_buffer(f"head{i}") for i in range(5)]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the features of pictures (N, 3, H, W) in [0, 1] at the five layers."""
        smallest = SMALLEST[self.net]
        if min(images.shape[-2:]) < smallest:
            size = f"{images.shape[-2]} x {images.shape[-1]}"
            raise InputError(f"pictures of at least {smallest} x {smallest} pixels for ST-LPIPS ({self.net})", size)
        features = []
        with torch.autocast(images.device.type, enabled=False):
            x = normalised(images.float()).to(memory_format=torch.channels_last)
            for stage in self.stages.children():
                x = stage(x)
                features.append(x)
        return features

    def places(self, mask: Mask, features: Sequence[Tensor]) -> list[Weights]:
        """Return how much each position of the five layers counts under a mask."""
        names = [f"layer {i + 1} of ST-LPIPS" for i in range(len(features))]
        if not mask.exact:
            sizes = [(found.shape[-2], found.shape[-1]) for found in features]
            return [mask.counted(mask.reduced(size), name) for size, name in zip(sizes, names, strict=True)]
        passed: list[nn.Module] = []
        outside, weights = 1 - mask.pixels, []
        for stage, name in zip(self.stages.children(), names, strict=True):
            for module in stage.children():
                outside = touched_by(module, outside)
                passed.append(module)
            weights.append(mask.counted(1 - outside, name, reach(passed)))
        return weights


def _conv(inputs: int, outputs: int, size: int, padding: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, size, padding=padding), nn.ReLU(inplace=True)]


def _alexnet() -> list[list[nn.Module]]:
    def halve() -> list[nn.Module]:
        return [_Maximum(3), _BlurPool()]

    return [
        [nn.Conv2d(3, 64, 11, padding=2), _BlurPool(), nn.ReLU(inplace=True)],
        [*halve(), *_conv(64, 192, 5, 2)],
        [*halve(), *_conv(192, 384, 3, 1)],
        _conv(384, 256, 3, 1),
        _conv(256, 256, 3, 1),
    ]


def _vgg() -> list[list[nn.Module]]:
    stages: list[list[nn.Module]] = []
    channels = 3
    for widths in _VGG:
        stage: list[nn.Module] = [_Maximum(2), _BlurPool()] if stages else []
        for width in widths:
            stage += _conv(channels, width, 3, 1)
            channels = width
        stages.append(stage)
    return stages


@cache
def _network(net: str) -> _ShiftTolerant:
    file = weights_file(check_choice("net", net, NETS))
    if file is None:
        raise InputError("the weights of ST-LPIPS", "no package stlpips-pytorch", HOW_TO_GET)
    network = _ShiftTolerant(net).requires_grad_(False).eval()
    stages = network.stages.state_dict()
    heads = {f"lin{i}.model.1.weight": torch.empty(1, count, 1, 1) for i, count in enumerate(HEADS[net])}
    state = read_features(file, {f"net.{name}": value for name, value in stages.items()} | heads)
    network.stages.load_state_dict({name: state[f"net.{name}"] for name in stages})
    for i, name in enumerate(heads):
        network.register_buffer(f"head{i}", state[name].flatten())
    return network.to(memory_format=torch.channels_last)
