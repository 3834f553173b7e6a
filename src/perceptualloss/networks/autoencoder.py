"""A small autoencoder: pictures to a code, 8 times smaller each way, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal, get_args

from torch import Tensor, nn
from torch.nn import functional as F

from perceptualloss.errors import InputError, check_choice, check_idle
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.codes import FiniteScalarQuantizer, Gaussian
from perceptualloss.networks.residual import ResidualBlock

Code = Literal["kl", "fsq"]
SMALLER = 8  # times, each way
LEVELS = (8, 8, 8, 5, 5, 5)
_USUAL: dict[str, dict[str, Any]] = {"kl": {"channels": 4, "kl_weight": 1e-6}, "fsq": {"levels": LEVELS}}
_STORED = 16  # bits in which a number of a KL code is kept
_QUIET = -4.0  # log-variance of fresh weights: a code begins as little noise
_RANGE = (-30.0, 20.0)  # of the log-variance


class Autoencoder(TransformationNetwork):
    """Encodes pictures into a code 8 times smaller each way, and decodes them.

    It takes pictures (N, 3, H, W) in [0, 1] of any height and width from 1, and gives the same size, about [0, 1]. The
    code has ceil(H / 8) x ceil(W / 8) places. Sides that are no multiple of 8 are filled up to one with copies of the
    last row and column, and the result is cut.

    - **Encoder**: pixels to channels (2 x 2) -> conv 3 x 3 to ``width`` -> ``blocks`` residual blocks -> twice: conv 3
      x 3 of stride 2 to twice the channels, ``blocks`` residual blocks -> conv 3 x 3 to the code.
    - **Decoder**: conv 3 x 3 -> ``blocks`` residual blocks -> twice: pixels repeated, conv 3 x 3 to half the channels,
      ``blocks`` residual blocks -> pixels repeated, conv 3 x 3 to ``detail`` channels, ReLU, conv 3 x 3 to RGB.
    - **Tiles**: there is no normalisation and no attention, so that large pictures are done in tiles.

    The code is one of two:

    - "kl": ``channels`` numbers, each of a normal distribution. In training it is drawn from, in evaluation its mean is
      taken. ``kl_weight`` times the divergence from the standard normal distribution, divided by the picture's 3 H W
      values, joins the loss of a training (Rombach et al., whose sums over a picture have the same ratio).
    - "fsq": a number for each of ``levels``, rounded to so many values (:class:`FiniteScalarQuantizer`). It needs no
      loss of its own.

    Args:
        code: "kl" or "fsq".
        width: channels at half the size; twice and four times as many below.
        blocks: residual blocks at each size.
        detail: channels at the full size.
        channels: channels of a KL code.
        kl_weight: weight of a KL code's divergence.
        levels: levels of an FSQ code's channels.

    Raises:
        InputError: for sizes below 1, a negative weight, impossible levels, or options of the other code.

    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2014; Rombach et al., "High-Resolution Image
    Synthesis with Latent Diffusion Models", 2022; Mentzer et al., "Finite Scalar Quantization", 2024.

    >>> import torch
    >>> network = Autoencoder("fsq", width=4).eval()
    >>> picture = torch.rand(1, 3, 20, 16)
    >>> code = network.encode(picture)
    >>> code.shape, network.decode(code).shape, network(picture).shape
    (torch.Size([1, 6, 3, 2]), torch.Size([1, 3, 24, 16]), torch.Size([1, 3, 20, 16]))
    >>> round(network.bits_per_pixel, 4)
    0.2495
    """

    grid = SMALLER

    def __init__(
        self,
        code: Code = "kl",
        width: int = 32,
        blocks: int = 1,
        detail: int = 16,
        channels: int = 4,
        kl_weight: float = 1e-6,
        levels: Sequence[int] = LEVELS,
    ) -> None:
        super().__init__()
        if min(width, blocks, detail, channels) < 1 or not kl_weight >= 0:
            got = f"{width}, {blocks}, {detail} and {channels}, {kl_weight:g}"
            raise InputError("width, blocks, detail and channels from 1, and kl_weight from 0", got)
        given = {"channels": channels, "kl_weight": kl_weight, "levels": tuple(levels)}
        for other in get_args(Code):
            if other != check_choice("code", code, get_args(Code)):
                check_idle({name: given[name] for name in _USUAL[other]}, _USUAL[other], f"with the code {code!r}")
        self.code, self.width, self.blocks, self.detail = code, width, blocks, detail
        self.channels, self.kl_weight, self.levels = channels, kl_weight, tuple(levels)
        self.quantizer = FiniteScalarQuantizer(levels) if code == "fsq" else None
        numbers = channels if self.quantizer is None else len(levels)
        widths = [width, 2 * width, 4 * width]
        self.encoder = nn.Sequential(nn.PixelUnshuffle(2), _conv(12, width), *self._residual(width))
        for small, large in pairwise(widths):
            self.encoder.extend([_conv(small, large, stride=2), *self._residual(large)])
        self.encoder.append(_conv(widths[-1], numbers * (2 if code == "kl" else 1)))
        self.decoder = nn.Sequential(_conv(numbers, widths[-1]), *self._residual(widths[-1]))
        for large, small in zip(widths[:0:-1], widths[-2::-1], strict=True):
            self.decoder.extend([nn.UpsamplingNearest2d(scale_factor=2), _conv(large, small), *self._residual(small)])
        self.decoder.extend([nn.UpsamplingNearest2d(scale_factor=2), _conv(width, detail), nn.ReLU(), _conv(detail, 3)])
        if code == "kl":
            nn.init.constant_(self._last(self.encoder).bias[channels:], _QUIET)  # type: ignore[index]

    def _residual(self, channels: int) -> list[nn.Module]:
        return [ResidualBlock(channels) for _ in range(self.blocks)]

    @property
    def bits_per_pixel(self) -> float:
        """The size of a code in bits for each pixel of the picture; a KL code's numbers are counted with 16 bits."""
        bits = math.log2(self.quantizer.size) if self.quantizer is not None else _STORED * self.channels
        return bits / SMALLER**2

    @property
    def last_layer(self) -> Tensor:
        """The weights that give the picture, with respect to which gradients of losses are balanced."""
        return self._last(self.decoder).weight

    @property
    def reach(self) -> int:
        """How many pixels of the input, to either side, an output pixel depends on."""
        reach = 0
        for place in range(SMALLER):
            first = last = place
            for layer in reversed([*self.encoder, *self.decoder]):
                first, last = _seen(layer, first, last)
            reach = max(reach, place - first, last - place)
        return reach

    def posterior(self, x: Tensor) -> Gaussian:
        """Return the distributions of a KL code, of pictures (N, 3, H, W) in [0, 1]: (N, channels, H / 8, W / 8).

        Raises:
            InputError: for another code.
        """
        if self.code != "kl":
            raise InputError('an Autoencoder("kl") for distributions', f"the code {self.code!r}", "encode gives it.")
        mean, log_variance = self._encoded(x).chunk(2, dim=1)
        return Gaussian(mean, log_variance.clamp(*_RANGE))

    def encode(self, x: Tensor) -> Tensor:
        """Return the code of pictures (N, 3, H, W) in [0, 1]; of a KL code a draw in training, else the mean."""
        return self._coded(x)[0]

    def decode(self, code: Tensor, size: Sequence[int] | None = None) -> Tensor:
        """Return the pictures of a code, (N, 3, 8 H, 8 W), about [0, 1].

        Args:
            code: (N, channels or levels, H, W).
            size: height and width to cut the pictures to, those that were encoded.
        """
        picture: Tensor = self.decoder(code) + 0.5
        return picture if size is None else picture[..., : size[0], : size[1]]

    def with_terms(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return pictures from their code and back, and with a KL code its term of the loss, "kl", averaged."""
        code, terms = self._coded(x)
        return self.decode(code, x.shape[-2:]), terms

    def forward(self, x: Tensor) -> Tensor:
        """Return pictures (N, 3, H, W) in [0, 1] from their code and back, about [0, 1]."""
        return self.with_terms(x)[0]

    def _coded(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        if self.quantizer is not None:
            return self.quantizer(self._encoded(x)), {}
        posterior = self.posterior(x)
        values = 3 * x.shape[-2] * x.shape[-1]
        term = self.kl_weight * posterior.divergence().mean() / values
        return (posterior.sample() if self.training else posterior.mean), {"kl": term}

    def _encoded(self, x: Tensor) -> Tensor:
        down, right = (-side % SMALLER for side in x.shape[-2:])
        filled = F.pad(x, (0, right, 0, down), mode="replicate") if down or right else x
        result: Tensor = self.encoder(filled - 0.5)
        return result

    @staticmethod
    def _last(layers: nn.Sequential) -> nn.Conv2d:
        layer = layers[-1]
        assert isinstance(layer, nn.Conv2d)
        return layer


def _conv(channels: int, out: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, out, 3, stride=stride, padding=1)


def _seen(layer: nn.Module, first: int, last: int) -> tuple[int, int]:
    """Return the places of a layer's input that its outputs ``first`` to ``last`` depend on."""
    if isinstance(layer, nn.PixelUnshuffle):
        return 2 * first, 2 * last + 1
    if isinstance(layer, nn.UpsamplingNearest2d):
        return first // 2, last // 2
    if isinstance(layer, ResidualBlock):
        return first - 2, last + 2
    if isinstance(layer, nn.Conv2d):
        step = layer.stride[0]
        return step * first - 1, step * last + 1
    return first, last
