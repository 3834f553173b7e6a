"""Paint pictures of every kind in a style, with a network that was trained for it."""

from __future__ import annotations

from typing import overload

from PIL import Image
from torch import nn

from perceptualloss.apply.stylist import Chosen, stylist
from perceptualloss.apply.tiles import Precision
from perceptualloss.pictures.picture import ImageType, PathLike, Progress, unpack


@overload
def stylize(
    image: ImageType,
    style: Chosen | None = ...,
    *,
    network: PathLike | nn.Module | None = ...,
    size: int | None = ...,
    strength: float = ...,
    keep_colors: bool = ...,
    device: str | None = ...,
    precision: Precision = ...,
    progress: Progress | None = ...,
) -> ImageType: ...
@overload
def stylize(
    image: PathLike,
    style: Chosen | None = ...,
    *,
    network: PathLike | nn.Module | None = ...,
    size: int | None = ...,
    strength: float = ...,
    keep_colors: bool = ...,
    device: str | None = ...,
    precision: Precision = ...,
    progress: Progress | None = ...,
) -> Image.Image: ...
def stylize(
    image: object,
    style: Chosen | None = None,
    *,
    network: PathLike | nn.Module | None = None,
    size: int | None = None,
    strength: float = 1.0,
    keep_colors: bool = False,
    device: str | None = None,
    precision: Precision = "auto",
    progress: Progress | None = None,
) -> object:
    """Paint a picture in a style, in one pass of a network, and return its like.

    Transparency is kept, 16 bits stay 16 bits; a grey picture becomes coloured, unless colours are kept. Of a file or
    Pillow picture the orientation is applied and a colour profile converted to sRGB. The network sees the picture as
    a whole, which has to fit into memory: with ``width`` 16 about 600 bytes a pixel.

    Args:
        image: a tensor (C, H, W) or (N, C, H, W), an array (H, W) or (H, W, C), in floating point in [0, 1] or in 8
            or 16 bits, with 1 to 4 channels; a Pillow picture; or a path.
        style: the name of a style that ships, the file of a network, or a module. With ``network``, which of its
            styles: a name from its training, a number, a weight for each style, or weights by name
            (``{"wave": 0.5, "udnie": 0.5}``); None is the one that the network is set to, the first unless changed.
        network: a file that ``save_network`` or training wrote, a name (``list_networks``), or a module.
        size: the longer side in pixels to which the picture is resized first, larger or smaller; None keeps it.
            Strokes are of the same size in pixels whatever the picture's, so a small picture gets coarse ones.
        strength: from 0, the picture as it was, to 1, the network's.
        keep_colors: take the luminance alone from the network, and the colours of the picture.
        device: "auto" (a GPU if there is one), "cpu", "gpu", "mps", "cuda:1"; None is "auto", or where ``network`` is.
        precision: "fp32", "fp16" or "bf16"; "auto" is fp16 on CUDA, else fp32.
        progress: called with input pixels done and all input pixels.

    Returns:
        A picture of the type that ``image`` has, with values in [0, 1] if they are in floating point; for a path a
        Pillow picture of 8 bits.

    Raises:
        InputError: a picture, style or network that cannot be used, or too little memory.

    >>> import numpy as np
    >>> from perceptualloss.networks.style_transfer import StyleTransferNetwork
    >>> stylize(np.zeros((40, 50, 3), np.uint8), StyleTransferNetwork(width=4, blocks=1)).shape
    (40, 50, 3)
    """
    picture, pack = unpack(image)
    chosen = stylist(style, network, size, strength, keep_colors, device, precision)
    return pack(chosen.picture(picture, progress))
