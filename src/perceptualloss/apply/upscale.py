"""Enlarge pictures of every kind with a trained network."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import overload

from PIL import Image
from torch import nn

from perceptualloss.apply.backend import on_backend
from perceptualloss.apply.device import device_for, find_device
from perceptualloss.apply.result_size import ResultSize
from perceptualloss.apply.transformer import Networks, OneNetwork, Transformer, cascaded, check_factor
from perceptualloss.errors import InputError
from perceptualloss.networks.cascade import scale_of
from perceptualloss.networks.named import Kind, load_network, shipped, shipped_network
from perceptualloss.pictures.arrays import unpack
from perceptualloss.pictures.picture import ImageType, PathLike, Progress
from perceptualloss.vocabulary import Backend, Precision

Network = PathLike | nn.Module
USUAL_SCALE = 4


@dataclass(frozen=True)
class Upscalers:
    """The upscalers that ship, of one kind: for an enlargement the next larger one, or two of them in turn.

    Attributes:
        kind: what they were trained with, or None.
        perception: between two kinds, in place of one; see :func:`perceptualloss.networks.named.shipped_network`.
    """

    kind: Kind | None = None
    perception: float | None = None
    _single: dict[int, nn.Module] = field(default_factory=dict, init=False, repr=False, compare=False)
    _larger: dict[int, nn.Module] = field(default_factory=dict, init=False, repr=False, compare=False)

    def at(self, factor: float | None) -> nn.Module:
        """Return the network for an enlargement; None is 4 times.

        Raises:
            InputError: none that ships for it, or a factor beyond 16.
        """
        factor = USUAL_SCALE if factor is None else factor
        check_factor(factor)
        kinds = [self.kind or "mse"] if self.perception is None else ["mse", "perceptual"]
        scales = sorted({scale for scale, _ in shipped() if all((scale, kind) in shipped() for kind in kinds)})
        ways = [*itertools.combinations(scales, 1), *itertools.combinations_with_replacement(scales, 2)]
        enough = [way for way in ways if math.prod(way) >= factor]
        if not enough:
            return shipped_network(math.ceil(factor), self.kind, self.perception)  # which says what there is
        way = min(enough, key=lambda way: (len(way), math.prod(way)))
        for scale in set(way) - set(self._single):
            self._single[scale] = shipped_network(scale, self.kind, self.perception)
        return self._single[way[0]] if len(way) == 1 else cascaded(self._larger, self._single, way)


def upscaler(
    scale: float | None = None,
    kind: Kind | None = None,
    network: Network | None = None,
    perception: float | None = None,
    match_histogram: bool = False,
    tile: int | None = None,
    device: str | None = None,
    precision: Precision = "auto",
    width: int | None = None,
    height: int | None = None,
    megapixels: float | None = None,
    backend: Backend = "torch",
) -> Transformer:
    """Load a network once, to enlarge many pictures, files or clips with it.

    It takes the arguments of :func:`upscale`. The tool that it returns has ``picture`` for tensors, ``file`` for files
    of any size, and ``video`` for clips (see :class:`Tool`).

    Raises:
        InputError: for a network that cannot be used or does not ship, several sizes, or a scale that is not above 1.

    >>> from perceptualloss.networks.residual import ResidualUpscaler
    >>> tool = upscaler(network=ResidualUpscaler(2, width=4, blocks=1))
    >>> tool.size_of(100, 150)
    (200, 300)
    """
    size = ResultSize(scale, width, height, megapixels)
    if scale is not None and scale <= 1:
        raise InputError("a scale above 1", f"{scale:g}", "perceptualloss.resize makes pictures smaller.")
    if network is None:
        networks: Networks = Upscalers(kind, perception)
        networks.at(scale)  # what does not ship is said at once
        place = find_device(device or "auto")
        return Transformer(
            on_backend(networks, backend, place, precision),
            place,
            size,
            True,
            1.0,
            match_histogram,
            False,
            tile,
            precision,
        )
    for name, value in (("perception", perception), ("kind", kind)):
        if value is not None:
            raise InputError(f"a network or {name}", "both", f"{name.title()} is about the networks that ship.")
    model = network if isinstance(network, nn.Module) else load_network(network)
    if scale_of(model) == 1:
        remedy = "perceptualloss transform uses it (transform in Python)."
        raise InputError("a network that enlarges pictures", "one that keeps their size", remedy)
    place = device_for(model, device if isinstance(network, nn.Module) else device or "auto")
    networks = on_backend(OneNetwork(model), backend, place, precision)
    return Transformer(networks, place, size, True, 1.0, match_histogram, False, tile, precision)


@overload
def upscale(
    image: ImageType,
    scale: float | None = ...,
    *,
    width: int | None = ...,
    height: int | None = ...,
    megapixels: float | None = ...,
    kind: Kind | None = ...,
    network: Network | None = ...,
    perception: float | None = ...,
    match_histogram: bool = ...,
    tile: int | None = ...,
    device: str | None = ...,
    precision: Precision = ...,
    backend: Backend = ...,
    progress: Progress | None = ...,
) -> ImageType: ...
@overload
def upscale(
    image: PathLike,
    scale: float | None = ...,
    *,
    width: int | None = ...,
    height: int | None = ...,
    megapixels: float | None = ...,
    kind: Kind | None = ...,
    network: Network | None = ...,
    perception: float | None = ...,
    match_histogram: bool = ...,
    tile: int | None = ...,
    device: str | None = ...,
    precision: Precision = ...,
    backend: Backend = ...,
    progress: Progress | None = ...,
) -> Image.Image: ...
def upscale(
    image: object,
    scale: float | None = None,
    *,
    width: int | None = None,
    height: int | None = None,
    megapixels: float | None = None,
    kind: Kind | None = None,
    network: Network | None = None,
    perception: float | None = None,
    match_histogram: bool = False,
    tile: int | None = None,
    device: str | None = None,
    precision: Precision = "auto",
    backend: Backend = "torch",
    progress: Progress | None = None,
) -> object:
    """Enlarge a picture with a trained network, and return it as the kind of thing that it was.

    - **Kept**: transparency (opacity is interpolated), grey, 16 bits.
    - **Files and Pillow pictures** are turned upright by their EXIF orientation, and converted to sRGB.
    - **Any size**: large pictures are done in tiles without seams. The result has to fit into memory, at 12 bytes a
      pixel and its own. A file need not: use ``upscaler(...).file``, or the command line.

    Args:
        image: what to enlarge. A path; a Pillow picture; a tensor (C, H, W) or (N, C, H, W); or an array (H, W) or (H,
            W, C). Tensors and arrays have 1 to 4 channels, in floating point in [0, 1] or in 8 or 16 bits.
        scale: how many times as high and wide, above 1 and up to 16. The next larger network that ships (x2 or x4;
            above 4 two of them in turn) does it, and its result is made smaller by :func:`perceptualloss.resize`. None
            is 4, or the scale of ``network``, unless there is a width, a height or megapixels.
        width: of the result in pixels, in place of ``scale``; the height follows.
        height: of the result in pixels, in place of ``scale``; the width follows.
        megapixels: of the result, in place of ``scale``; both sides follow.
        kind: what the network was trained with: "mse" (close), "perceptual" (sharp) or "adversarial" (textured). None
            is "mse", unless there is a ``network`` or ``perception``.
        network: another network in place of ``kind``: a name (:func:`list_networks`), a file that :func:`save_network`
            or a training wrote, one of another package (``.pth``, through spandrel), or a module.
        perception: a blend of the weights in place of ``kind``, from 0 ("mse") to 1 ("perceptual").
        match_histogram: give the result the histogram of the input, as Johnson et al. do.
        tile: longest side of a tile in input pixels; None chooses, with smaller ones where memory is short.
        device: "auto" (a GPU if there is one), "cpu", "cuda", "mps" or "cuda:1"; None is "auto", or where ``network``
            is.
        precision: "fp32", "fp16" or "bf16"; "auto" is fp16 on CUDA, else fp32.
        backend: "torch", or "onnx" for onnxruntime on the CPU (extra ``onnx``), with the same result to 1e-3.
        progress: is called with the input pixels that are done, and with all input pixels.

    Returns:
        A picture of the type of ``image``, of the size that was asked for, with values in [0, 1] if they are in
        floating point. For a path it is a Pillow picture, which has 8 bits unless it is grey, with EXIF data, XMP and
        dpi in its ``info``.

    Raises:
        InputError: for a picture or network that cannot be used, a network that does not ship, several sizes, or a size
            that is not above the picture's.

    >>> import numpy as np
    >>> from perceptualloss.networks.residual import ResidualUpscaler
    >>> upscale(np.zeros((4, 5, 3), np.uint8), network=ResidualUpscaler(2, width=4, blocks=1)).shape
    (8, 10, 3)
    >>> upscale(np.zeros((4, 5, 3), np.uint8), width=8, network=ResidualUpscaler(2, width=4, blocks=1)).shape
    (6, 8, 3)
    """
    picture, pack = unpack(image)
    chosen = upscaler(
        scale, kind, network, perception, match_histogram, tile, device, precision, width, height, megapixels, backend
    )
    return pack(chosen.picture(picture, progress))
