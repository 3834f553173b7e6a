"""Enlarge pictures of every kind with a trained network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import overload

import torch
from PIL import Image
from torch import nn

from perceptualloss.apply.device import device_for
from perceptualloss.apply.tiles import transform
from perceptualloss.errors import InputError
from perceptualloss.networks.named import Kind, load_network, shipped_network
from perceptualloss.pictures.arrays import unpack
from perceptualloss.pictures.change import Writing, change_file, share_of
from perceptualloss.pictures.color import match_histogram as matched
from perceptualloss.pictures.picture import ImageType, PathLike, Picture, Progress, fill_hidden
from perceptualloss.pictures.reading.decoded import MAX_PIXELS
from perceptualloss.pictures.resize import resize
from perceptualloss.vocabulary import Precision

Network = PathLike | nn.Module


@dataclass(frozen=True)
class Upscaler:
    """A network, and how to run it.

    Attributes:
        network: takes (N, 3, H, W) in [0, 1] and gives ``network.scale`` times the size.
        device: where to compute.
        match_histogram: give the result the histogram of the input, as Johnson et al. do.
        tile: longest side of a tile in input pixels; None chooses.
        precision: see :func:`perceptualloss.apply.tiles.transform`.
    """

    network: nn.Module
    device: torch.device
    match_histogram: bool = False
    tile: int | None = None
    precision: Precision = "auto"

    def picture(self, picture: Picture, progress: Progress | None = None) -> Picture:
        """Enlarge a picture: colours by the network, opacity by bicubic interpolation; grey stays grey."""
        colours, alpha = picture.colours, picture.alpha
        if alpha is not None:
            colours = fill_hidden(colours, alpha)
        large = transform(
            self.network, colours, self.tile, device=self.device, precision=self.precision, progress=progress
        )
        if picture.grey:
            large = large.mean(dim=1, keepdim=True)
        large = large.clamp_(0, 1).expand(-1, 3, -1, -1)
        if self.match_histogram:
            large = matched(large, colours.clamp(0, 1))
        if alpha is not None:
            alpha = resize(alpha, size=(large.shape[2], large.shape[3])).clamp(0, 1)
        return replace(picture, colours=large, alpha=alpha)

    def file(
        self,
        source: PathLike,
        target: PathLike,
        progress: Progress | None = None,
        overwrite: bool = True,
        strip: bool = False,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        """Enlarge the picture in one file into another, or all frames or pages; date, place and camera are kept.

        Args:
            source: the picture.
            target: the file to write; what its kind cannot hold is said in a line.
            progress: called with input pixels done and all input pixels, of all frames.
            overwrite: whether it takes the place of a file of that name.
            strip: keep nothing beside the pixels.
            max_pixels: a larger source is refused before it is decoded.

        Raises:
            InputError: a file that cannot be read or written, transparency that ``target`` cannot keep, more pixels
                than it can have, or, unless ``overwrite``, a target that is there.
        """
        scale = int(getattr(self.network, "scale", 1))

        def size(height: int, width: int) -> tuple[int, int]:
            return scale * height, scale * width

        def change(picture: Picture, number: int, count: int) -> Picture:
            return self.picture(picture, share_of(progress, number, count))

        change_file(change, source, target, size, Writing(overwrite, strip, max_pixels))


def upscaler(
    scale: int | None = None,
    kind: Kind | None = None,
    network: Network | None = None,
    perception: float | None = None,
    match_histogram: bool = False,
    tile: int | None = None,
    device: str | None = None,
    precision: Precision = "auto",
) -> Upscaler:
    """Load a network, with which any number of pictures are then enlarged; arguments of :func:`upscale`."""
    if network is None:
        model: nn.Module = shipped_network(4 if scale is None else scale, kind, perception)
    else:
        for name, value in (("perception", perception), ("kind", kind)):
            if value is not None:
                raise InputError(f"a network or {name}", "both", f"{name.title()} is about the networks that ship.")
        model = network if isinstance(network, nn.Module) else load_network(network)
        own = getattr(model, "scale", 1)
        if scale not in (None, own):
            raise InputError(f"scale {own}, the network's", str(scale), "Leave the scale away.")
    place = device_for(model, device if isinstance(network, nn.Module) else device or "auto")
    return Upscaler(model, place, match_histogram, tile, precision)


@overload
def upscale(
    image: ImageType,
    scale: int | None = ...,
    *,
    kind: Kind | None = ...,
    network: Network | None = ...,
    perception: float | None = ...,
    match_histogram: bool = ...,
    tile: int | None = ...,
    device: str | None = ...,
    precision: Precision = ...,
    progress: Progress | None = ...,
) -> ImageType: ...
@overload
def upscale(
    image: PathLike,
    scale: int | None = ...,
    *,
    kind: Kind | None = ...,
    network: Network | None = ...,
    perception: float | None = ...,
    match_histogram: bool = ...,
    tile: int | None = ...,
    device: str | None = ...,
    precision: Precision = ...,
    progress: Progress | None = ...,
) -> Image.Image: ...
def upscale(
    image: object,
    scale: int | None = None,
    *,
    kind: Kind | None = None,
    network: Network | None = None,
    perception: float | None = None,
    match_histogram: bool = False,
    tile: int | None = None,
    device: str | None = None,
    precision: Precision = "auto",
    progress: Progress | None = None,
) -> object:
    """Enlarge a picture with a trained network and return its like.

    Transparency is kept (opacity is interpolated), grey stays grey, 16 bits stay 16 bits. Of a file or Pillow
    picture the orientation is applied and a colour profile converted to sRGB. Pictures of any size are done in
    tiles without seams; the result has to fit into memory, with 12 bytes a pixel.

    Args:
        image: a tensor (C, H, W) or (N, C, H, W), an array (H, W) or (H, W, C), in floating point in [0, 1] or in 8
            or 16 bits, with 1 to 4 channels; a Pillow picture; or a path.
        scale: 2 or 4; None is 4, or the scale of ``network``.
        kind: what the network was trained with: "mse" (close), "perceptual" (sharp), "adversarial" (textured); None is
            "mse", unless there is a ``network`` or ``perception``.
        network: instead, a file that ``save_network`` or training wrote, or another package (``.pth``, through
            spandrel), a name (``list_networks``), or a module.
        perception: blend of the weights, from 0 ("mse") to 1 ("perceptual"), instead of ``kind``.
        match_histogram: give the result the histogram of the input, as Johnson et al. do.
        tile: longest side of a tile in input pixels; None chooses, and less memory gives smaller ones.
        device: "auto" (a GPU if there is one), "cpu", "cuda", "mps", "cuda:1"; None is "auto", or where ``network`` is.
        precision: "fp32", "fp16" or "bf16"; "auto" is fp16 on CUDA, else fp32.
        progress: called with input pixels done and all input pixels.

    Returns:
        A picture of the type that ``image`` has, ``scale`` times as large, with values in [0, 1] if they are in
        floating point; for a path a Pillow picture, which has 8 bits unless it is grey, with EXIF data,
        XMP and dpi in its ``info``.

    Raises:
        InputError: a picture or network that cannot be used, or a network that does not ship.

    >>> import numpy as np
    >>> from perceptualloss.networks.residual import ResidualUpscaler
    >>> upscale(np.zeros((4, 5, 3), np.uint8), network=ResidualUpscaler(2, width=4, blocks=1)).shape
    (8, 10, 3)
    """
    picture, pack = unpack(image)
    chosen = upscaler(scale, kind, network, perception, match_histogram, tile, device, precision)
    return pack(chosen.picture(picture, progress))
