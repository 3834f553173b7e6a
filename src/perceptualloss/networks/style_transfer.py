"""The style transfer network of Johnson et al., for one style or for several in one network."""

from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perceptualloss.errors import InputError, check_choice
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.johnson import Upsampling, enlarge_by_2, scaled_tanh
from perceptualloss.networks.style_norm import Normalisation, Style, StyleNorm, style_shares
from perceptualloss.pictures.color import luminance

_LOST_PER_BLOCK = 8  # pixels a side: two unpadded 3 x 3 convolutions at a quarter of the size
_BYTES_PER_CHANNEL = 36
_CONTRAST = 0.4  # of fresh weights' skip: about a photo's own, before the tanh
_QUIET = 0.1  # of fresh weights' last convolution beside the skip, so that training begins with a grey photo
_SMALLEST = 8  # pixels of a side that the network works on: the last convolution mirrors four


class StyleTransferNetwork(TransformationNetwork):
    """The style transfer network of Johnson et al.: a picture in, the same picture painted in a style out.

    It takes pictures (N, 3, H, W) in [0, 1] of any height and width from 1, and gives the same size, in [-0.09, 1.09].

    1. The border is mirrored, by 8 pixels a block (the paper's 40).
    2. conv 9 x 9 to ``width``, then two conv 3 x 3 of stride 2, to 2 and 4 times ``width``.
    3. ``blocks`` residual blocks of two 3 x 3 convolutions without padding. Their shortcut is cropped by 2 pixels a
       side, and no ReLU follows the addition.
    4. Two enlargements by 2, to 2 times ``width`` and ``width``, each with a conv 3 x 3.
    5. conv 9 x 9 to 3 channels, then 0.5 + 150/255 tanh(x).

    A normalisation follows every convolution but the last one, and ReLU all of those but the second of a block. All
    convolutions outside of the blocks mirror the picture at its border, so that no frame appears. Sides that are no
    multiple of 4 are mirrored up to one, then cropped.

    - **Several styles**: every normalisation has a scale and a shift for each style. Blends of these are blends of
      styles. The style is an argument of :meth:`forward`, or the attribute ``style`` (0 unless set).
    - ``luminance_skip``: before the tanh, the picture's luminance is added to the last convolution's result. It is
      normalised and has a scale and a shift for each colour of each style. Without it a photo has to pass through
      layers that take away how bright it is, and after short trainings patches of one bright colour stand for that.
      With it, light and fine lines are there from the first step, and the layers are left to paint.
    - **No tiles**: instance norm takes its statistics from the whole picture (``whole``).

    Args:
        width: channels of the first layer; 16 is a quarter of the work.
        blocks: residual blocks.
        norm: "instance" or the paper's "batch".
        upsampling: "bilinear" interpolates before the convolution. "nearest" repeats pixels, which after short
            trainings show as dots of 4 pixels. "transposed" is the paper's fractionally strided convolution, whose
            filters overlap unevenly, which leaves checkerboards.
        styles: how many styles the network knows.
        luminance_skip: whether the picture's luminance is added to what the last convolution gives.

    Raises:
        InputError: for sizes below 1, or another norm or upsampling.

    Source: Johnson, Alahi and Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", 2016,
    with supplement; Ulyanov, Vedaldi and Lempitsky, "Instance Normalization", 2016; for several styles Dumoulin, Shlens
    and Kudlur, "A Learned Representation for Artistic Style", 2017.

    >>> network = StyleTransferNetwork(width=4, blocks=1, styles=2)
    >>> network(torch.rand(1, 3, 50, 30), style=[0.5, 0.5]).shape
    torch.Size([1, 3, 50, 30])
    """

    whole = True

    def __init__(
        self,
        width: int = 32,
        blocks: int = 5,
        norm: Normalisation = "instance",
        upsampling: Upsampling = "bilinear",
        styles: int = 1,
        luminance_skip: bool = False,
    ) -> None:
        super().__init__()
        if min(width, blocks, styles) < 1:
            raise InputError("width, blocks and styles from 1", f"{width}, {blocks} and {styles}")
        check_choice("norm", norm, get_args(Normalisation))
        check_choice("upsampling", upsampling, get_args(Upsampling))
        self.width, self.blocks, self.norm, self.upsampling, self.styles = width, blocks, norm, upsampling, styles
        self.luminance_skip = luminance_skip
        self.planes = norm == "instance"
        self.style: Style = 0
        layers = [(3, width, 9, 1), (width, 2 * width, 3, 2), (2 * width, 4 * width, 3, 2)]
        self.shrink = nn.ModuleList(
            _Layer([_mirrored(a, b, kernel, stride)], b, norm, styles) for a, b, kernel, stride in layers
        )
        self.body = nn.ModuleList(_Residual(4 * width, norm, styles) for _ in range(blocks))
        self.enlarge = nn.ModuleList(
            _Layer(enlarge_by_2(2 * b, b, upsampling, "reflect", bias=False), b, norm, styles)
            for b in (2 * width, width)
        )
        self.last = nn.Conv2d(width, 3, 9, padding=4, padding_mode="reflect")
        if luminance_skip:
            self.skip = StyleNorm(3, norm, styles)
            with torch.no_grad():
                self.skip.scale.fill_(_CONTRAST)
                self.last.weight.mul_(_QUIET)

    @property
    def bytes_per_pixel(self) -> int:
        """About how much memory a pixel of the picture needs without gradients, in 32 bits; measured."""
        return _BYTES_PER_CHANNEL * self.width

    def forward(self, x: Tensor, style: Style | None = None) -> Tensor:
        """Paint pictures (N, 3, H, W) in [0, 1]; returns the same shape, within [-0.09, 1.09].

        Args:
            x: the pictures.
            style: a style's number; a number for each picture, (N,) in whole numbers; or how much of each style, a
                sequence of ``styles`` weights or (N, styles). None is the attribute ``style``.

        Raises:
            InputError: a style that the network does not have, or weights of another shape.
        """
        shares = style_shares(self.style if style is None else style, self.styles, x)
        height, width = x.shape[-2:]
        pad = _LOST_PER_BLOCK * self.blocks
        more = [max(_SMALLEST, (side + 3) // 4 * 4) - side for side in (height, width)]  # ONNX divides towards zero
        y = mirror(x - 0.5, (pad, pad + more[0]), (pad, pad + more[1]))
        for layer in (*self.shrink, *self.body, *self.enlarge):
            y = layer(y, shares)
        painted: Tensor = self.last(y)[..., :height, :width]
        if self.luminance_skip:
            painted = painted + self.skip(luminance(x).to(x.dtype).expand(-1, 3, -1, -1), shares)
        return scaled_tanh(painted)


class _Layer(nn.Module):
    """A convolution, its normalisation and ReLU."""

    def __init__(self, convolution: list[nn.Module], channels: int, norm: Normalisation, styles: int) -> None:
        super().__init__()
        self.convolution = nn.Sequential(*convolution)
        self.norm = StyleNorm(channels, norm, styles)

    def forward(self, x: Tensor, shares: Tensor | None) -> Tensor:
        return F.relu(self.norm(self.convolution(x), shares), inplace=True)


class _Residual(nn.Module):
    """conv 3 x 3 -> norm -> ReLU -> conv 3 x 3 -> norm, plus the middle of the input: 2 pixels a side are lost.

    Source: Gross and Wilber, "Training and investigating residual nets", 2016, which Johnson et al. follow.
    """

    def __init__(self, channels: int, norm: Normalisation, styles: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, bias=False)
        self.norm1 = StyleNorm(channels, norm, styles)
        self.conv2 = nn.Conv2d(channels, channels, 3, bias=False)
        self.norm2 = StyleNorm(channels, norm, styles)

    def forward(self, x: Tensor, shares: Tensor | None) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x), shares), inplace=True)
        out: Tensor = x[..., 2:-2, 2:-2] + self.norm2(self.conv2(y), shares)
        return out


def _mirrored(a: int, b: int, kernel: int, stride: int) -> nn.Conv2d:
    """Return a convolution that mirrors its input; without a bias, which the norm behind it would take away."""
    return nn.Conv2d(a, b, kernel, stride, kernel // 2, padding_mode="reflect", bias=False)


def mirror(x: Tensor, rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
    """Return ``x`` (N, C, H, W) with that many more rows (above, below) and columns (left, right), mirrored.

    Where more is asked for than the picture has, it is mirrored again and again.

    >>> mirror(torch.tensor([[[[1.0, 2.0]]]]), (0, 0), (2, 3))
    tensor([[[[1., 2., 1., 2., 1., 2., 1.]]]])
    """
    for axis, (before, after) in ((-2, rows), (-1, columns)):
        last = x.shape[axis] - 1
        period = 2 * max(last, 1)
        places = torch.arange(-before, last + 1 + after, device=x.device)
        places = places.remainder(torch.full_like(places, period))  # a tensor, because ONNX's export has no other
        x = x.index_select(axis, torch.minimum(places, period - places).clamp(max=last))
    return x
