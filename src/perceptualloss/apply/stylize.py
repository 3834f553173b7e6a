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
    """Paint a picture in a style, by a network in one pass or by optimisation.

    The result is the kind of thing that the picture was. Transparency and 16 bits are kept. A grey picture becomes
    coloured, unless colours are kept. Files and Pillow pictures are turned upright by their EXIF orientation, and
    converted to sRGB.

    - **Method "network"**: one pass of a network that was trained for the style. It sees the picture as a whole, which
      has to fit into memory: with ``width`` 16 about 600 bytes a pixel.
    - **Method "optimize"**: the pixels move until the picture looks like the painting. It needs no training, only the
      painting, and minutes instead of a second. Pictures of a batch are painted one by one.

    Args:
        image: what to paint. A path; a Pillow picture; a tensor (C, H, W) or (N, C, H, W); or an array (H, W) or (H, W,
            C). Tensors and arrays have 1 to 4 channels, in floating point in [0, 1] or in 8 or 16 bits.
        style: the name of a style that ships, the file of a network, or a module. With ``network``, which of its
            styles: a name from its training, a number, a weight for each style, or weights by name (``{"wave": 0.5,
            "udnie": 0.5}``); None is the one that the network is set to, the first unless changed. With "optimize", the
            painting itself: a file, Pillow picture, array or tensor.
        method: "network" or "optimize" (see :func:`optimize_style`, which has more settings).
        network: a name (:func:`list_networks`), a file that :func:`save_network` or a training wrote, or a module.
        size: the longer side in pixels to which the picture is resized first, larger or smaller; None keeps it. Strokes
            have the same size in pixels whatever the picture's, so a small picture gets coarse ones.
        strength: from 0, the picture as it was, to 1, the network's.
        keep_colors: take only the luminance from the result, and the colours from the picture.
        device: "auto" (a GPU if there is one), "cpu", "cuda", "mps" or "cuda:1"; None is "auto", or where ``network``
            is.
        precision: of a network, "fp32", "fp16" or "bf16"; "auto" is fp16 on CUDA, else fp32.
        steps: "optimize" alone: iterations at each scale; None is 100.
        scales: "optimize" alone: how many sizes, each twice the one before; None is 2.
        start: "optimize" alone: begin from the "content" (None, too) or from "noise".
        style_size: "optimize" alone: the longer side of the painting in pixels; None is the picture's.
        loss_network: "optimize" alone: "compact" (None, too), "vgg16" or "vgg19" looks at the pictures.
        progress: is called with what is done and all that is to do, in input pixels or in steps of an optimisation.

    Returns:
        A picture of the type of ``image``, with values in [0, 1] if they are in floating point. For a path it is a
        Pillow picture of 8 bits.

    Raises:
        InputError: for a picture, style or network that cannot be used, too little memory, or an option that does
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
