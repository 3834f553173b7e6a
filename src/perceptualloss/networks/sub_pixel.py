"""Super-resolution and restoration whose only work at full size is to put pixels in their places: the fastest here."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perceptualloss.errors import InputError
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.residual import prime_factors


class ExpandedConvolution(nn.Module):
    r"""A 3 x 3 convolution whose kernel is a product while it is trained: (N, C, H, W) to the same.

    The kernel is what a 1 x 1 convolution to ``expand * C`` channels, a 3 x 3 one of as many and a 1 x 1 one back come
    to when nothing lies between them, plus a 1 x 1 shortcut. The product is made of the weights and not of pictures, so
    that a step costs little more than a plain convolution's; such a product learns faster. It has a bias at its end
    alone, which makes it exact at borders that are filled with zeros, too.

    Args:
        channels: of input and output.
        expand: how many times more there are in between.

    Source: Wan et al., "Swift Parameter-free Attention Network for Efficient Super-Resolution", 2024 (SPAN), and Ding
    et al., "RepVGG: Making VGG-style ConvNets Great Again", 2021.
    """

    def __init__(self, channels: int, expand: int) -> None:
        super().__init__()
        between = expand * channels
        self.enter = nn.Parameter(torch.empty(between, channels))
        self.middle = nn.Parameter(torch.empty(between, between, 3, 3))
        self.leave = nn.Parameter(torch.empty(channels, between))
        self.shortcut = nn.Parameter(torch.empty(channels, channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        for weight in (self.enter, self.middle, self.leave, self.shortcut):
            nn.init.kaiming_uniform_(weight, a=math.sqrt(5))  # as nn.Conv2d does

    def kernel(self) -> Tensor:
        """Return the kernel that all this comes to, (channels, channels, 3, 3), in 32 bits."""
        with torch.autocast(self.middle.device.type, enabled=False):
            product = torch.einsum("om,mihw->oihw", self.leave, self.middle)
            product = torch.einsum("oihw,ic->ochw", product, self.enter)
            return product + F.pad(self.shortcut[:, :, None, None], (1, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Transform features."""
        return F.conv2d(x, self.kernel().contiguous(memory_format=torch.channels_last), self.bias, padding=1)


class _Block(nn.Module):
    """convolution -> ReLU -> convolution, plus the input, as in EDSR."""

    def __init__(self, channels: int, expand: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = _convolution(channels, expand), _convolution(channels, expand)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.conv2(F.relu(self.conv1(x)))
        return y


def _convolution(channels: int, expand: int) -> nn.Module:
    return ExpandedConvolution(channels, expand) if expand else nn.Conv2d(channels, channels, 3, padding=1)


class EvenSubPixel(nn.Module):
    r"""A sub-pixel layer that keeps even areas even: (N, C, H, W) to (N, out_channels, scale * H, scale * W).

    A 3 x 3 convolution at low resolution computes each of the scale x scale places of a pixel with a kernel of its own,
    and the places are shuffled together. In a plain sub-pixel layer nothing makes these kernels agree where the
    features do not change, so that even areas get a lattice with the period of the scale, above all under perceptual
    losses. Here the taps :math:`W_{kct}` (place k, input channel c, tap t of T) are used as

    .. math:: W_{kct} - \frac{1}{T}\sum_t W_{kct} + \frac{1}{KT}\sum_{k,t} W_{kct}

    with one bias for all K places: every place has the same sum of taps, and constant features give a constant
    picture. It is as much as repeated pixels and a convolution at full size promise, at a fraction of their time.
    Borders are repeated.

    Args:
        channels: of the features.
        out_channels: of the picture.
        scale: how many times larger the picture becomes.

    Source: the layer from Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
    Convolutional Neural Network", 2016; the equal sums are ours.

    >>> layer = EvenSubPixel(8, 3, 4)
    >>> even = layer(torch.rand(1, 8, 1, 1).expand(1, 8, 5, 5))
    >>> bool(torch.allclose(even, even[..., :1, :1].expand_as(even), atol=1e-6))
    True
    """

    def __init__(self, channels: int, out_channels: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.weight = nn.Parameter(torch.empty(out_channels * scale**2, channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))  # as nn.Conv2d does

    def even_weight(self) -> Tensor:
        """Return the kernels that are used, of the shape of ``weight``: all places of a channel in a row."""
        places = self.weight.unflatten(0, (-1, self.scale**2))
        sums = places.mean(dim=(-2, -1), keepdim=True)
        even: Tensor = places - sums + sums.mean(dim=1, keepdim=True)
        return even.flatten(0, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Make pictures of features."""
        padded = F.pad(features, (1, 1, 1, 1), mode="replicate")
        places = F.conv2d(padded, self.even_weight(), self.bias.repeat_interleave(self.scale**2))
        return F.pixel_shuffle(places, self.scale)


class SubPixelUpscaler(TransformationNetwork):
    """Residual blocks at low resolution, then sub-pixel layers that keep even areas even: it upscales and restores.

    It takes pictures (N, 3, H, W) in [0, 1] of any height and width, and gives ``scale`` times the size, about [0, 1].

    1. Body, at the size of the input: conv 3 x 3 -> ``blocks`` residual blocks -> conv 3 x 3 -> + (long skip).
    2. For every prime factor of the scale but the last: :class:`EvenSubPixel` to ``detail`` channels, and ReLU.
    3. :class:`EvenSubPixel` to RGB, plus the bilinearly interpolated input. This layer starts from zero: an untrained
       network interpolates.

    At the full size nothing is computed but the interpolation, so it takes about half the time of a
    ``ResidualUpscaler`` of the same blocks. With ``reduce`` that holds for restoration, too, where the result is as
    large as the input. The body then works on cells of ``reduce`` x ``reduce`` pixels, whose colours are its channels.
    Borders of pictures are repeated.

    Args:
        scale: how many times larger the pictures become; 1 restores.
        width: channels at low resolution.
        blocks: residual blocks.
        detail: channels of features enlarged by a part of the scale; there are none for a prime scale.
        expand: 0 for plain convolutions in the blocks. 2, say, trains :class:`ExpandedConvolution` of twice the
            channels in their place, of which ``fused()`` makes the network with plain ones that gives the same.
        reduce: side of the cells of pixels that the body works on. Pictures are filled up to whole cells by their last
            row and column.

    Raises:
        InputError: for sizes below 1, or expand below 0.

    Source: the blocks from Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution", 2017; cells
    as channels from Zhang et al., "FFDNet: Toward a Fast and Flexible Solution for CNN based Image Denoising", 2018.

    >>> SubPixelUpscaler(4, width=8, blocks=1)(torch.rand(1, 3, 5, 7)).shape
    torch.Size([1, 3, 20, 28])
    >>> SubPixelUpscaler(1, width=8, blocks=1, reduce=2)(torch.rand(1, 3, 5, 7)).shape
    torch.Size([1, 3, 5, 7])
    """

    def __init__(
        self, scale: int = 4, width: int = 48, blocks: int = 10, detail: int = 16, expand: int = 0, reduce: int = 1
    ) -> None:
        super().__init__()
        sizes = {"scale": scale, "width": width, "blocks": blocks, "detail": detail, "reduce": reduce}
        for name, size in sizes.items():
            if size < 1:
                raise InputError(f"{name} from 1", str(size))
        if expand < 0:
            raise InputError("expand from 0", str(expand))
        self.scale, self.width, self.blocks, self.detail, self.expand = scale, width, blocks, detail, expand
        self.reduce = self.grid = reduce
        self.first = nn.Conv2d(3 * reduce**2, width, 3, padding=1, padding_mode="replicate")
        self.body = nn.Sequential(*(_Block(width, expand) for _ in range(blocks)), _convolution(width, expand))
        *some, last = prime_factors(scale * reduce) or (1,)
        inputs = [width, *(detail for _ in some)]
        self.enlarge = nn.ModuleList(EvenSubPixel(a, detail, factor) for a, factor in zip(inputs, some, strict=False))
        self.last = EvenSubPixel(inputs[-1], 3, last)
        nn.init.zeros_(self.last.weight)

    @property
    def reach(self) -> int:
        """How many pixels of the input, to either side, an output pixel depends on."""
        pixels = 1.0 + (2 * self.blocks + 1)  # the first convolution, and the body's
        size = 1
        for layer in (*self.enlarge, self.last):
            pixels += 1 / size
            size *= layer.scale
        return math.ceil(pixels) * self.reduce + self.reduce - 1

    def forward(self, x: Tensor) -> Tensor:
        """Upscale pictures (N, 3, H, W) in [0, 1] to (N, 3, scale * H, scale * W), about [0, 1]."""
        height, width = x.shape[-2:]
        right, below = -width % self.reduce, -height % self.reduce  # what whole cells lack
        cells = x - 0.5
        if self.reduce > 1:
            cells = F.pixel_unshuffle(F.pad(cells, (0, right, 0, below), mode="replicate"), self.reduce)
        features = self.first(cells)
        features = features + self.body(features)
        for layer in self.enlarge:
            features = F.relu(layer(features))
        detail = self.last(features)
        if self.reduce > 1:  # a slice would tie an exported program to sizes of whole cells, or to others alone
            detail = F.pad(detail, (0, -self.scale * right, 0, -self.scale * below))
        up = F.interpolate(x, scale_factor=self.scale, mode="bilinear", align_corners=False)
        out: Tensor = up + detail
        return out

    def fused(self) -> SubPixelUpscaler:
        """Return the same function with plain convolutions: a new network with ``expand=0``."""
        plain = SubPixelUpscaler(self.scale, self.width, self.blocks, self.detail, reduce=self.reduce).to(
            self.last.weight
        )
        state = {name: value for name, value in self.state_dict().items() if name in plain.state_dict()}
        for name, layer in self.named_modules():
            if isinstance(layer, ExpandedConvolution):
                state[f"{name}.weight"] = layer.kernel().detach()
        plain.load_state_dict(state)
        return plain.train(self.training)
