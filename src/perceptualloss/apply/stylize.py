"""Paint pictures of every kind in a style: with a network that was trained for it, or by optimisation."""

from __future__ import annotations

from typing import Literal, get_args, overload

from PIL import Image
from torch import nn

from perceptualloss.apply.optimize_style import Start
from perceptualloss.apply.style_optimizer import StylePicture, style_optimizer
from perceptualloss.apply.stylist import Chosen, stylist
from perceptualloss.errors import check_choice, check_idle
from perceptualloss.pictures.arrays import unpack
from perceptualloss.pictures.picture import ImageType, PathLike, Progress
from perceptualloss.vocabulary import Precision

Method = Literal["network", "optimize"]
Style = Chosen | StylePicture


@overload
def stylize(
    image: ImageType,
    style: Style | None = ...,
    *,
    method: Method = ...,
    network: PathLike | nn.Module | None = ...,
    size: int | None = ...,
    strength: float = ...,
    keep_colors: bool = ...,
    device: str | None = ...,
    precision: Precision = ...,
    steps: int | None = ...,
    scales: int | None = ...,
    start: Start | None = ...,
    style_size: int | None = ...,
    loss_network: str | None = ...,
    progress: Progress | None = ...,
) -> ImageType: ...
@overload
def stylize(
    image: PathLike,
    style: Style | None = ...,
    *,
    method: Method = ...,
    network: PathLike | nn.Module | None = ...,
    size: int | None = ...,
    strength: float = ...,
    keep_colors: bool = ...,
    device: str | None = ...,
    precision: Precision = ...,
    steps: int | None = ...,
    scales: int | None = ...,
    start: Start | None = ...,
    style_size: int | None = ...,
    loss_network: str | None = ...,
    progress: Progress | None = ...,
) -> Image.Image: ...
def stylize(
    image: object,
    style: Style | None = None,
    *,
    method: Method = "network",
    network: PathLike | nn.Module | None = None,
    size: int | None = None,
    strength: float = 1.0,
    keep_colors: bool = False,
    device: str | None = None,
    precision: Precision = "auto",
    steps: int | None = None,
    scales: int | None = None,
    start: Start | None = None,
    style_size: int | None = None,
    loss_network: str | None = None,
    progress: Progress | None = None,
) -> object:
    """Paint a picture in a style, in one pass of a network or by optimisation, and return its like.

    Transparency is kept, 16 bits stay 16 bits; a grey picture becomes coloured, unless colours are kept. Of a file or
    Pillow picture the orientation is applied and a colour profile converted to sRGB. The network sees the picture as
    a whole, which has to fit into memory: with ``width`` 16 about 600 bytes a pixel. Optimisation needs no training,
    only the painting, and minutes instead of a second; a batch is painted one by one.

    Args:
        image: a tensor (C, H, W) or (N, C, H, W), an array (H, W) or (H, W, C), in floating point in [0, 1] or in 8
            or 16 bits, with 1 to 4 channels; a Pillow picture; or a path.
        style: the name of a style that ships, the file of a network, or a module. With ``network``, which of its
            styles: a name from its training, a number, a weight for each style, or weights by name
            (``{"wave": 0.5, "udnie": 0.5}``); None is the one that the network is set to, the first unless changed.
            With the method "optimize" the painting itself: a file, Pillow picture, array or tensor.
        method: "network", or "optimize": by moving the picture's pixels (see :func:`optimize_style`, which also has
            the settings that are not among these).
        network: a file that ``save_network`` or training wrote, a name (``list_networks``), or a module.
        size: the longer side in pixels to which the picture is resized first, larger or smaller; None keeps it.
            Strokes are of the same size in pixels whatever the picture's, so a small picture gets coarse ones.
        strength: from 0, the picture as it was, to 1, the network's.
        keep_colors: take the luminance alone from the network, and the colours of the picture.
        device: "auto" (a GPU if there is one), "cpu", "cuda", "mps", "cuda:1"; None is "auto", or where ``network`` is.
        precision: of a network, "fp32", "fp16" or "bf16"; "auto" is fp16 on CUDA, else fp32.
        steps: optimize: iterations at each scale; None is 100.
        scales: optimize: how many sizes, each twice the one before; None is 2.
        start: optimize: from the "content" (so None) or from "noise".
        style_size: optimize: the longer side of the style picture in pixels; None is the picture's.
        loss_network: optimize: what looks at the pictures, "compact" (so None), "vgg16" or "vgg19".
        progress: called with what is done and what is to do: input pixels, or steps of an optimisation.

    Returns:
        A picture of the type that ``image`` has, with values in [0, 1] if they are in floating point; for a path a
        Pillow picture of 8 bits.

    Raises:
        InputError: a picture, style or network that cannot be used, too little memory, or an option that does
            nothing with the method.

    >>> import numpy as np
    >>> from perceptualloss.networks.style_transfer import StyleTransferNetwork
    >>> stylize(np.zeros((40, 50, 3), np.uint8), StyleTransferNetwork(width=4, blocks=1)).shape
    (40, 50, 3)
    """
    check_choice("method", method, get_args(Method))
    optimize = {
        "steps": steps,
        "scales": scales,
        "start": start,
        "style_size": style_size,
        "loss_network": loss_network,
    }
    picture, pack = unpack(image)
    if method == "optimize":
        idle = {"network": network, "precision": precision}
        check_idle(idle, {"network": None, "precision": "auto"}, "with the method 'optimize'")
        tool = style_optimizer(style, size, strength, keep_colors, device, **optimize)
        return pack(tool.picture(picture, progress))
    check_idle(optimize, dict.fromkeys(optimize), "with the method 'network'")
    chosen = stylist(style, network, size, strength, keep_colors, device, precision)
    return pack(chosen.picture(picture, progress))
