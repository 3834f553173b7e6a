"""A network over pictures of any size: in overlapping tiles without seams, on any device, in 32 bits after NaN."""

from __future__ import annotations

import contextlib
import logging
import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from perceptualloss.apply.device import free_memory
from perceptualloss.errors import InputError, check_idle, check_image_batch
from perceptualloss.networks.base import InterpolatingNetwork, TransformationNetwork, layout_on
from perceptualloss.pictures.box import Box, split
from perceptualloss.pictures.picture import Progress
from perceptualloss.vocabulary import Precision, check_precision

log = logging.getLogger(__name__)

_TYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}
_OUTPUT_SIDE = 1536
"""Pixels of an output tile's side: under 1 GB for the networks that ship, and a fifth of the work done twice."""
_BYTES = 800
"""Of free memory that a pixel of the output should have: twice what those networks take."""
_UNKNOWN_REACH = 64
_SMALLEST = 16


def transform_in_tiles(
    network: nn.Module,
    images: Tensor,
    tile: int | None = None,
    overlap: int | None = None,
    device: str | torch.device | None = None,
    precision: Precision = "auto",
    progress: Progress | None = None,
) -> Tensor:
    """Run a network over pictures of any size and return the whole result, on the device of ``images``.

    Pictures larger than a tile are done in tiles that overlap; of each tile only what saw all of its
    surroundings is kept. With ``overlap`` at least the network's ``reach`` the result is that of the whole
    picture, but for rounding. Tiles become smaller when memory runs out. A network that looks at the whole picture
    (``network.whole``) gets the whole. The network is left as it was: in
    its mode, but on ``device`` if you named one.

    Args:
        network: takes (N, 3, H, W) in [0, 1] and gives ``network.scale`` times the size (1 without such).
        images: (N, 3, H, W) in [0, 1], floating point, on any device.
        tile: longest side of a tile in input pixels, without the overlap; None: 1536 / scale or less.
        overlap: input pixels by which a tile reaches into its neighbours; None: the network's ``reach``, or 64
            if it has none.
        device: where to compute, such as "cpu" or "cuda:1"; None: where the network is.
        precision: "fp32", "fp16" or "bf16"; "auto" is fp16 on CUDA, else fp32. A tile with a value that is not
            finite is done again in fp32.
        progress: called with input pixels done and all input pixels.

    Returns:
        (N, 3, scale * H, scale * W) in float32, not clamped.

    Raises:
        InputError: bad images, tiles for a network that looks at the whole picture, a tile below 1 or overlap
            below 0, values that are not finite in fp32 too, another size than the network's scale says, or too
            little memory for the smallest tile or a picture that cannot be cut.

    >>> from perceptualloss.networks.residual import ResidualUpscaler
    >>> transform_in_tiles(ResidualUpscaler(2, width=4, blocks=1), torch.rand(1, 3, 50, 30), tile=16).shape
    torch.Size([1, 3, 100, 60])
    """
    check_image_batch("images", images)
    height, width = images.shape[-2:]
    work = tiles_of(network, tile, overlap, device, precision)
    with torch.no_grad():
        images = images.detach().float()
        if _is_whole(network):
            _check_room(network, images, tile, work.place)
            work.side = max(height, width)
        out = _room_for_output(images, work.scale)
        inputs = [(images, 1)]
        if isinstance(network, InterpolatingNetwork):
            inputs.append((network.upsample(images), work.scale))
        whole = Box(0, height, 0, width)
        done = 0
        for box in work.fill(whole, out, lambda box: [box.cut(image, scale) for image, scale in inputs], whole):
            done += box.height * box.width
            if progress is not None:
                progress(done, height * width)
    return out


Cut = Callable[[Box], list[Tensor]]


def tiles_of(
    network: nn.Module,
    tile: int | None = None,
    overlap: int | None = None,
    device: str | torch.device | None = None,
    precision: Precision = "auto",
) -> Tiles:
    """Return a network ready to be run over parts of pictures; arguments of :func:`transform_in_tiles`.

    Raises:
        InputError: a tile below 1, an overlap below 0, or a precision or device that there is not.
    """
    check_precision(precision)
    place = _place(network, device)
    if _is_whole(network):
        check_idle({"overlap": overlap}, {"overlap": None}, "for a network that looks at the whole picture")
    scale = int(getattr(network, "scale", 1))
    side = max(_SMALLEST, _output_side(place) // scale) if tile is None else tile
    if side < 1 or (overlap is not None and overlap < 0):
        raise InputError("a tile from 1 and an overlap from 0", f"{side} and {overlap}")
    return Tiles(network, overlap, scale, place, _type(network, precision, place), side)


@dataclass
class Tiles:
    """A network that is run over a picture tile by tile.

    Attributes:
        network: that is run.
        overlap: as in :func:`transform_in_tiles`.
        scale: how many times larger its results are.
        place: where it computes.
        type: in which numbers.
        side: longest side of a tile in input pixels, without the overlap; it is halved when memory runs out.
    """

    network: nn.Module
    overlap: int | None
    scale: int
    place: torch.device
    type: torch.dtype
    side: int

    def part(self, box: Box, cut: Cut, whole: Box) -> Tensor:
        """Return what becomes of a part of one picture, (1, 3, scale * height, scale * width), float32 in main memory.

        Args:
            box: the part, in input pixels.
            cut: gives a part of the picture, (1, 3, H, W), as the only tensor of a list.
            whole: the box of the whole picture.

        Raises:
            InputError: as :func:`transform_in_tiles`.
        """
        out = torch.empty(1, 3, self.scale * box.height, self.scale * box.width)
        for _ in self.fill(box, out, cut, whole):
            pass
        return out

    def fill(self, box: Box, out: Tensor, cut: Cut, whole: Box) -> Iterator[Box]:
        """Write what becomes of ``box`` into ``out``, and yield tile after tile; smaller ones when memory runs out."""
        with _evaluating(self.network, self.place):
            yield from self._fill(box, out, cut, whole)

    def _fill(self, box: Box, out: Tensor, cut: Cut, whole: Box) -> Iterator[Box]:
        boxes = deque(split(box, self.side))
        while boxes:
            tile = boxes.popleft()
            if tile.side > self.side:
                boxes.extendleft(reversed(split(tile, self.side)))
                continue
            try:
                result = self._tile(tile, cut, whole)
            except (MemoryError, RuntimeError) as error:
                if not _out_of_memory(error):
                    raise
                if _is_whole(self.network):
                    raise _too_large(whole) from error
                if tile.side // 2 < _SMALLEST:
                    remedy = "Close other programs, or compute on another device."
                    raise InputError(f"memory for a tile of {tile.side} pixels", "too little", remedy) from error
                self.side = tile.side // 2
                boxes.appendleft(tile)
            else:
                tile.seen_from(box).cut(out, self.scale).copy_(result)
                yield tile
                continue
            log.info("memory ran out: going on with tiles of %d pixels", self.side)  # outside except: it holds tensors
            if self.place.type == "cuda":
                torch.cuda.empty_cache()

    def _tile(self, box: Box, cut: Cut, whole: Box) -> Tensor:
        """Return what becomes of ``box``."""
        outer = whole
        if box != outer:  # only then: a network may have to measure how far it looks
            overlap = _reach(self.network) if self.overlap is None else self.overlap
            outer = box.grown(overlap, whole.height, whole.width)
            grid = int(getattr(self.network, "grid", 1))
            outer = replace(outer, top=outer.top // grid * grid, left=outer.left // grid * grid)
        layout = layout_on(self.network, self.place.type)
        parts = [i.to(self.place).contiguous(memory_format=layout) for i in cut(outer)]
        result = box.seen_from(outer).cut(self._run(parts, self.type), self.scale)
        if not result.isfinite().all():
            if self.type != torch.float32:
                log.info("a tile was done again in 32 bits: %s gave values that are not finite", self.type)
                result = box.seen_from(outer).cut(self._run(parts, torch.float32), self.scale)
            if not result.isfinite().all():
                remedy = "Look at the network's weights and the picture's values."
                raise InputError("a network that gives finite values", "NaN or infinity", remedy)
        return result

    def _run(self, parts: list[Tensor], kind: torch.dtype) -> Tensor:
        run = self.network.refine if isinstance(self.network, InterpolatingNetwork) else self.network
        low = kind != torch.float32
        with torch.inference_mode(), torch.autocast(self.place.type, dtype=kind if low else None, enabled=low):
            result: Tensor = run(*parts).float()
        size = (*parts[0].shape[:2], *(self.scale * side for side in parts[0].shape[2:]))
        if result.shape != size:
            remedy = "A network says with the attribute scale how many times larger its pictures become."
            raise InputError(
                f"a network that gives {size} for {tuple(parts[0].shape)}", f"{tuple(result.shape)}", remedy
            )
        return result


def _output_side(place: torch.device) -> int:
    """Return the side of a tile of output, smaller where little memory is free."""
    free = free_memory(place)
    return _OUTPUT_SIDE if free is None else min(_OUTPUT_SIDE, math.isqrt(free // _BYTES))


def is_cut(network: nn.Module) -> bool:
    """Tell whether a part of a result needs a part of the picture alone: what it is and what surrounds it."""
    return not _is_whole(network) and not isinstance(network, InterpolatingNetwork)


def _is_whole(network: nn.Module) -> bool:
    return isinstance(network, TransformationNetwork) and network.whole


def _check_room(network: nn.Module, images: Tensor, tile: int | None, place: torch.device) -> None:
    """Raise unless a network that looks at the whole picture can have it."""
    height, width = images.shape[-2:]
    if tile is not None and tile < max(height, width):
        remedy = "Leave the tile away; make the picture smaller where memory is short."
        raise InputError("no tiles for a network that looks at the whole picture", f"tiles of {tile} pixels", remedy)
    each, free, pixels = getattr(network, "bytes_per_pixel", None), free_memory(place), images[:, 0].numel()
    if each is not None and free is not None and each * pixels > free:
        got = f"{free / 2**30:.1f} GiB where about {each * pixels / 2**30:.1f} GiB are needed"
        raise _too_large(Box(0, height, 0, width), got)


def _too_large(whole: Box, got: str = "too little") -> InputError:
    return InputError(
        f"memory for {whole.width} x {whole.height} pixels, which this network sees as a whole",
        got,
        "Make the picture smaller first: size (--size) says the longer side.",
    )


def _room_for_output(images: Tensor, scale: int) -> Tensor:
    height, width = (scale * side for side in images.shape[-2:])
    try:
        return images.new_empty(*images.shape[:-2], height, width)
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        raise InputError(f"memory for a result of {height} x {width} pixels", "too little") from error


def _out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()  # the CPU's allocator and MPS raise plain RuntimeErrors
    return "out of memory" in text or "can't allocate memory" in text or "not enough memory" in text


def _reach(network: nn.Module) -> int:
    reach = network.reach if isinstance(network, TransformationNetwork) else None
    return _UNKNOWN_REACH if reach is None else reach


def _place(network: nn.Module, device: str | torch.device | None) -> torch.device:
    if device is not None:
        try:
            return torch.device(device)
        except RuntimeError as error:
            raise InputError("a device such as cpu or cuda", repr(device)) from error
    parameter = next(network.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


def _type(network: nn.Module, precision: Precision, place: torch.device) -> torch.dtype:
    formats = getattr(network, "precisions", TransformationNetwork.precisions)
    if precision == "auto":
        return torch.float16 if place.type == "cuda" and "fp16" in formats else torch.float32
    if precision not in formats:
        raise InputError(f"precision {' or '.join(formats)} for this network", precision)
    return _TYPES.get(precision, torch.float32)


@contextlib.contextmanager
def _evaluating(network: nn.Module, place: torch.device) -> Iterator[None]:
    """Put the network into evaluation mode on ``place``, and back into its mode afterwards."""
    modes = {module: module.training for module in network.modules()}
    network.to(place).to(memory_format=layout_on(network, place.type)).eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
