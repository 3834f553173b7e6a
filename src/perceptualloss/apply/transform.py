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
    """Load a network, through which any number of pictures then go; arguments of :func:`transform`."""
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
    """Run a trained network over a picture and return its like, of the size that the network gives it.

    Transparency is kept (opacity is interpolated), 16 bits stay 16 bits, and grey stays grey unless the network paints
    a style. Of a file or Pillow picture the orientation is applied and a colour profile converted to sRGB. Pictures of
    any size are done in tiles without seams, unless the network looks at the whole picture.

    Args:
        image: a tensor (C, H, W) or (N, C, H, W), an array (H, W) or (H, W, C), in floating point in [0, 1] or in 8
            or 16 bits, with 1 to 4 channels; a Pillow picture; or a path.
        network: a name (``list_networks``); a file that ``save_network`` or training wrote, another package's
            (``.pth``, through spandrel) or an ONNX file; or a module that takes (N, 3, H, W) in [0, 1] and gives
            ``network.scale`` times the size (1 without such).
        strength: from 0, the picture as it was (enlarged by bicubic interpolation, if the network enlarges), to 1,
            the network's.
        color: let grey pictures become coloured, as a network for colourising makes them; otherwise they are the mean
            of its channels.
        tile: longest side of a tile in input pixels; None chooses, and less memory gives smaller ones.
        device: "auto" (a GPU if there is one), "cpu", "cuda", "mps", "cuda:1"; None is "auto", or where ``network`` is.
        precision: "fp32", "fp16" or "bf16"; "auto" is fp16 on CUDA, else fp32.
        backend: "torch", or "onnx": onnxruntime on the CPU (extra ``onnx``), with the same result to 1e-3.
        progress: called with input pixels done and all input pixels.

    Returns:
        A picture of the type that ``image`` has, with values in [0, 1] if they are in floating point; for a path a
        Pillow picture, which has 8 bits unless it is grey.

    Raises:
        InputError: a picture or network that cannot be used, or a strength beyond [0, 1].

    >>> import numpy as np
    >>> from perceptualloss.networks.sub_pixel import SubPixelUpscaler
    >>> transform(np.zeros((4, 5, 3), np.uint8), SubPixelUpscaler(1, width=4, blocks=1, reduce=2)).shape
    (4, 5, 3)
    """
    picture, pack = unpack(image)
    return pack(transformer(network, strength, color, tile, device, precision, backend).picture(picture, progress))
