"""Run any trained network over pictures of every kind: upscalers, restorers, styles, other packages' and ONNX files."""

from __future__ import annotations

from typing import overload

from PIL import Image
from torch import nn

from perceptualloss.apply.backend import on_backend
from perceptualloss.apply.device import device_for
from perceptualloss.apply.stylist import InStyle
from perceptualloss.apply.transformer import OneNetwork, Transformer
from perceptualloss.networks.named import load_network
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.pictures.arrays import unpack
from perceptualloss.pictures.picture import ImageType, PathLike, Progress
from perceptualloss.vocabulary import Backend, Precision


def transformer(
    network: PathLike | nn.Module,
    strength: float = 1.0,
    color: bool = False,
    tile: int | None = None,
    device: str | None = None,
    precision: Precision = "auto",
    backend: Backend = "torch",
) -> Transformer:
    """Load any network once, to put many pictures, files or clips through it.

    It takes the arguments of :func:`transform`. The tool that it returns has ``picture`` for tensors, ``file`` for
    files of any size, and ``video`` for clips (see :class:`Tool`).

    Raises:
        InputError: for a network that cannot be used, or a strength beyond [0, 1].
    """
    own = isinstance(network, nn.Module)
    model = network if isinstance(network, nn.Module) else load_network(network)
    place = device_for(model, device if own else device or "auto")
    paints = isinstance(model, StyleTransferNetwork | InStyle)
    networks = on_backend(OneNetwork(model), backend, place, precision)
    return Transformer(networks, place, strength=strength, colours_grey=color or paints, tile=tile, precision=precision)


@overload
def transform(
    image: ImageType,
    network: PathLike | nn.Module,
    *,
    strength: float = ...,
    color: bool = ...,
    tile: int | None = ...,
    device: str | None = ...,
    precision: Precision = ...,
    backend: Backend = ...,
    progress: Progress | None = ...,
) -> ImageType: ...
@overload
def transform(
    image: PathLike,
    network: PathLike | nn.Module,
    *,
    strength: float = ...,
    color: bool = ...,
    tile: int | None = ...,
    device: str | None = ...,
    precision: Precision = ...,
    backend: Backend = ...,
    progress: Progress | None = ...,
) -> Image.Image: ...
def transform(
    image: object,
    network: PathLike | nn.Module,
    *,
    strength: float = 1.0,
    color: bool = False,
    tile: int | None = None,
    device: str | None = None,
    precision: Precision = "auto",
    backend: Backend = "torch",
    progress: Progress | None = None,
) -> object:
    """Run any trained network over a picture. The result has the size that the network gives it.

    The result is the kind of thing that the picture was. Transparency is kept (opacity is interpolated), and so are 16
    bits. Grey stays grey, unless the network paints a style or ``color`` is set. Files and Pillow pictures are turned
    upright by their EXIF orientation, and converted to sRGB. Large pictures are done in tiles without seams, unless the
    network looks at the whole picture.

    Args:
        image: what to transform. A path; a Pillow picture; a tensor (C, H, W) or (N, C, H, W); or an array (H, W) or
            (H, W, C). Tensors and arrays have 1 to 4 channels, in floating point in [0, 1] or in 8 or 16 bits.
        network: a name (:func:`list_networks`); a file that :func:`save_network` or a training wrote, one of another
            package (``.pth``, through spandrel) or an ONNX file; or a module that takes (N, 3, H, W) in [0, 1] and
            gives ``network.scale`` times the size (1 if it has no such attribute).
        strength: from 0, the picture as it was (enlarged by bicubic interpolation, if the network enlarges), to 1, the
            network's.
        color: let grey pictures become coloured, as a network for colourising makes them. Otherwise they become the
            mean of its channels.
        tile: longest side of a tile in input pixels; None chooses, with smaller ones where memory is short.
        device: "auto" (a GPU if there is one), "cpu", "cuda", "mps" or "cuda:1"; None is "auto", or where ``network``
            is.
        precision: "fp32", "fp16" or "bf16"; "auto" is fp16 on CUDA, else fp32.
        backend: "torch", or "onnx" for onnxruntime on the CPU (extra ``onnx``), with the same result to 1e-3.
        progress: is called with the input pixels that are done, and with all input pixels.

    Returns:
        A picture of the type of ``image``, with values in [0, 1] if they are in floating point. For a path it is a
        Pillow picture, which has 8 bits unless it is grey.

    Raises:
        InputError: for a picture or network that cannot be used, or a strength beyond [0, 1].

    >>> import numpy as np
    >>> from perceptualloss.networks.sub_pixel import SubPixelUpscaler
    >>> transform(np.zeros((4, 5, 3), np.uint8), SubPixelUpscaler(1, width=4, blocks=1, reduce=2)).shape
    (4, 5, 3)
    """
    picture, pack = unpack(image)
    return pack(transformer(network, strength, color, tile, device, precision, backend).picture(picture, progress))
