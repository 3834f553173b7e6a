"""Critics that score patches: PatchGAN's, and several of them at several sizes; what every critic of ours promises."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from perceptualloss.errors import InputError, check_choice, check_image_batch
from perceptualloss.pictures.ranges import FAR, check_values, values_can_be_read

Norm = Literal["instance", "batch", "spectral", "none"]
Scores = Tensor | list[Tensor]
SLOPE = 0.2  # LeakyReLU's, below zero


class CriticNetwork(nn.Module):
    """Scores pictures (N, 3, H, W) in [0, 1]: the higher, the more real.

    ``critic(images)`` gives the scores, without a sigmoid: (N, 1), a map (N, 1, h, w), or a list of maps.
    ``critic(images, features=True)`` gives (scores, features): what the layers before saw, in the same pass.

    The constructor's arguments are kept as attributes of the same names.

    Shapes are checked on every call, values on the first.

    Attributes:
        maps: how many maps of scores it gives.
    """

    maps: int = 1
    _values_checked = False

    def forward(self, images: Tensor, *, features: bool = False) -> Scores | tuple[Scores, list[Tensor]]:
        """Score pictures (N, 3, H, W) in [0, 1]; with ``features`` return (scores, features)."""
        check_image_batch("images", images)
        if not self._values_checked and values_can_be_read():
            check_values("images", images, 0, 1, FAR, setting="", finite=False)
            self._values_checked = True
        scores, seen = self.look(images)
        return (scores, seen) if features else scores

    @abstractmethod
    def look(self, images: Tensor) -> tuple[Scores, list[Tensor]]:
        """Return the scores of pictures that are checked, and the features of every layer before them."""


class SpectralConv2d(nn.Conv2d):
    """A convolution whose weights are divided by their largest singular value, in the weights' own precision.

    The singular value is found by power iteration, one step a call in training; its vectors are in the state.

    Source: Miyato et al., "Spectral Normalization for Generative Adversarial Networks", 2018.

    >>> layer = SpectralConv2d(3, 8, 4)
    >>> bool(torch.linalg.matrix_norm(layer.eval().weight.flatten(1), 2) < 1.1)
    True
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, *, bias: bool = True) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding=(kernel - 1) // 2, bias=bias)
        spectral_norm(self)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve features (N, inputs, H, W)."""
        with torch.autocast(x.device.type, enabled=False):
            weight = self.weight
        y: Tensor = self._conv_forward(x, weight, self.bias)
        return y


class PatchCritic(CriticNetwork):
    """PatchGAN: scores every patch of a picture, with three layers 70 x 70 pixels, in place of the whole.

    It takes pictures (N, 3, H, W) in [0, 1] and gives a map of scores, (N, 1, h, w), high for real. With three layers h
    = H / 8 - 2 and w = W / 8 - 2.

    ``n_layers`` convolutions of 4 x 4 and stride 2 have width, 2 width, ... 8 width channels. One more of stride 1
    follows, and a last one to one score a place. Each has LeakyReLU(0.2), and each but the first and the last a norm. A
    score depends on a patch of 16, 34, 70 or 142 pixels a side for 1 to 4 layers.

    Args:
        width: channels of the first convolution (64 in the paper).
        n_layers: how many convolutions halve the size.
        norm: "instance", "batch", "spectral" or "none". "batch" is the paper's, whose batches are of one picture in
            most of its trainings, where it is the same as "instance". "spectral" bounds the weights in place of a norm
            of features. With a gradient penalty, R1 or R2, pictures may not depend on each other: not "batch". An
            instance norm sees the whole picture, so its patches are larger than said.

    Raises:
        InputError: for a width or n_layers out of range; when called, for pictures too small for one score.

    Source: Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017 (its critic sees
    the input, too; this one the picture alone); the instance norm is of Zhu et al., "Unpaired Image-to-Image
    Translation", ICCV 2017.

    >>> PatchCritic(width=2)(torch.rand(4, 3, 64, 80)).shape
    torch.Size([4, 1, 6, 8])
    """

    def __init__(self, width: int = 64, n_layers: int = 3, norm: Norm = "instance") -> None:
        super().__init__()
        check_choice("norm", norm, ("instance", "batch", "spectral", "none"))
        if width < 1 or not 1 <= n_layers <= 8:
            raise InputError("width from 1, and n_layers from 1 to 8", f"{width} and {n_layers}")
        self.width, self.n_layers, self.norm = width, n_layers, norm
        widths = [3, *(width * min(2**layer, 8) for layer in range(n_layers + 1))]
        strides = [2] * n_layers + [1]
        self.layers = nn.ModuleList(
            nn.Sequential(*_convolution(a, b, stride, norm, normed=layer > 0), nn.LeakyReLU(SLOPE))
            for layer, ((a, b), stride) in enumerate(zip(pairwise(widths), strides, strict=True))
        )
        self.score = nn.Sequential(*_convolution(widths[-1], 1, 1, norm, normed=False))

    @property
    def smallest(self) -> int:
        """The least height and width of a picture with one score."""
        return 3 * (1 << self.n_layers)

    def look(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return scores (N, 1, h, w) of pictures, and the features of all convolutions before."""
        check_size(images, self.smallest, "Take larger crops, or fewer n_layers.")
        features, x = [], 2 * images - 1
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return self.score(x), features


class MultiScaleCritic(CriticNetwork):
    """Several :class:`PatchCritic` alike, each of which sees the picture at half the size of the one before.

    The first sees fine texture, the last arrangement. In between, the picture is averaged over 3 x 3 pixels at every
    second one. It gives a list with a map of scores for each size.

    Args:
        scales: how many there are (3 in the paper).
        width: channels of the first convolution, as in :class:`PatchCritic`.
        n_layers: how many convolutions halve the size.
        norm: of their features, as in :class:`PatchCritic`.

    Raises:
        InputError: for scales out of range, or what :class:`PatchCritic` refuses; when called, for pictures too small
            for the last of them.

    Source: Wang et al., "High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs" (pix2pixHD),
    CVPR 2018.

    >>> print(*(tuple(scores.shape) for scores in MultiScaleCritic(2, width=2)(torch.rand(1, 3, 96, 96))))
    (1, 1, 10, 10) (1, 1, 4, 4)
    """

    def __init__(self, scales: int = 3, width: int = 64, n_layers: int = 3, norm: Norm = "instance") -> None:
        super().__init__()
        if not 1 <= scales <= 8:
            raise InputError("scales from 1 to 8", str(scales))
        self.scales, self.width, self.n_layers, self.norm = scales, width, n_layers, norm
        self.maps = scales
        self.critics = nn.ModuleList(PatchCritic(width, n_layers, norm) for _ in range(scales))

    @property
    def smallest(self) -> int:
        """The least height and width of a picture with one score at the smallest size."""
        return (3 * (1 << self.n_layers) - 1) * (1 << (self.scales - 1)) + 1

    def look(self, images: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return the scores at each size, and the features of all layers at all sizes."""
        check_size(images, self.smallest, "Take larger crops, or fewer scales or n_layers.")
        all_scores: list[Tensor] = []
        features: list[Tensor] = []
        for critic in self.critics:
            scores, seen = critic(images, features=True)
            all_scores.append(scores)
            features += seen
            images = F.avg_pool2d(images, 3, 2, 1, count_include_pad=False)
        return all_scores, features


def check_size(images: Tensor, smallest: int, remedy: str) -> None:
    """Raise InputError for pictures with a side that is less than the smallest."""
    height, width = images.shape[-2:]
    if min(height, width) < smallest:
        raise InputError(f"pictures of at least {smallest} x {smallest} to score", f"{height} x {width}", remedy)


def _convolution(inputs: int, outputs: int, stride: int, norm: Norm, *, normed: bool) -> list[nn.Module]:
    """Return a 4 x 4 convolution with its norm, with the paper's first weights."""
    if norm == "spectral":
        return [SpectralConv2d(inputs, outputs, 4, stride)]
    norms: dict[str, Callable[[int], nn.Module]] = {
        "batch": nn.BatchNorm2d,
        "instance": nn.InstanceNorm2d,
    }
    layer = nn.Conv2d(inputs, outputs, 4, stride, padding=1)
    nn.init.normal_(layer.weight, std=0.02)
    return [layer, norms[norm](outputs)] if normed and norm in norms else [layer]
