"""A network over pictures of any size: in overlapping tiles without seams, on any device, in 32 bits after NaN."""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from perceptualloss.apply.device import free_memory
from perceptualloss.errors import InputError, check_idle, check_image_batch
from perceptualloss.networks.base import InterpolatingNetwork, TransformationNetwork
from perceptualloss.pictures.box import Box, split
from perceptualloss.pictures.picture import Progress
from perceptualloss.vocabulary import Precision, check_precision

log = logging.getLogger(__name__)

_TYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}
_OUTPUT_SIDE = 1536
"""Pixels of an output tile's side: under 1 GB for the networks that ship, and a fifth of the work done twice."""
_UNKNOWN_REACH = 64
_SMALLEST = 16


def transform(
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
        tile: longest side of a tile in input pixels, without the overlap; None: 1536 / scale.
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
    >>> transform(ResidualUpscaler(2, width=4, blocks=1), torch.rand(1, 3, 50, 30), tile=16).shape
    torch.Size([1, 3, 100, 60])
    """
    check_image_batch("images", images)
    check_precision(precision)
    scale = int(getattr(network, "scale", 1))
    place = _place(network, device)
    if _is_whole(network):
        check_idle({"overlap": overlap}, {"overlap": None}, "for a network that looks at the whole picture")
        tile = _whole(network, images, tile, place)
    elif tile is None:
        tile = max(_SMALLEST, _OUTPUT_SIDE // scale)
    if tile < 1 or (overlap is not None and overlap < 0):
        raise InputError("a tile from 1 and an overlap from 0", f"{tile} and {overlap}")
    with torch.no_grad():
        images = images.detach().float()
        out = _room_for_output(images, scale)
        up = network.upsample(images) if isinstance(network, InterpolatingNetwork) else None
        work = _Tiled(network, images, up, out, overlap, scale, place, _type(network, precision, place))
        with _evaluating(network, place):
            _fill(work, tile, progress)
    return out


@dataclass(frozen=True)
class _Tiled:
    """A picture that a network enlarges into ``out`` part by part."""

    network: nn.Module
    images: Tensor
    up: Tensor | None
    out: Tensor
    overlap: int | None
    scale: int
    place: torch.device
    type: torch.dtype

    def do(self, box: Box) -> None:
        """Write what becomes of ``box`` into the output."""
        height, width = self.images.shape[-2:]
        outer = Box(0, height, 0, width)
        if box != outer:  # only then: a network may have to measure how far it looks
            outer = box.grown(_reach(self.network) if self.overlap is None else self.overlap, height, width)
            grid = int(getattr(self.network, "grid", 1))
            outer = replace(outer, top=outer.top // grid * grid, left=outer.left // grid * grid)
        inputs = [outer.cut(self.images)]
        if self.up is not None:
            inputs.append(outer.cut(self.up, self.scale))
        parts = [i.to(self.place).contiguous(memory_format=torch.channels_last) for i in inputs]
        result = box.seen_from(outer).cut(self._run(parts, self.type), self.scale)
        if not result.isfinite().all():
            if self.type != torch.float32:
                log.info("a tile was done again in 32 bits: %s gave values that are not finite", self.type)
                result = box.seen_from(outer).cut(self._run(parts, torch.float32), self.scale)
            if not result.isfinite().all():
                remedy = "Look at the network's weights and the picture's values."
                raise InputError("a network that gives finite values", "NaN or infinity", remedy)
        box.cut(self.out, self.scale).copy_(result)

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


def _fill(work: _Tiled, side: int, progress: Progress | None) -> None:
    """Do tile after tile; where memory runs out, go on with tiles of half the side."""
    height, width = work.images.shape[-2:]
    boxes = deque(split(Box(0, height, 0, width), side))
    done = 0
    while boxes:
        box = boxes.popleft()
        if box.side > side:
            boxes.extendleft(reversed(split(box, side)))
            continue
        try:
            work.do(box)
        except (MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
            side = box.side // 2
            if _is_whole(work.network):
                raise _too_large(work.images) from error
            if side < _SMALLEST:
                remedy = "Close other programs, or compute on another device."
                raise InputError(f"memory for a tile of {box.side} pixels", "too little", remedy) from error
            boxes.appendleft(box)
        else:
            done += (box.bottom - box.top) * (box.right - box.left)
            if progress is not None:
                progress(done, height * width)
            continue
        log.info("memory ran out: going on with tiles of %d pixels", side)  # outside except: the error holds tensors
        if work.place.type == "cuda":
            torch.cuda.empty_cache()


def _is_whole(network: nn.Module) -> bool:
    return isinstance(network, TransformationNetwork) and network.whole


def _whole(network: nn.Module, images: Tensor, tile: int | None, place: torch.device) -> int:
    """Return the side of the one tile that a network gets that looks at the whole picture."""
    longest, pixels = max(images.shape[-2:]), images[:, 0].numel()
    if tile is not None and tile < longest:
        remedy = "Leave the tile away; make the picture smaller where memory is short."
        raise InputError("no tiles for a network that looks at the whole picture", f"tiles of {tile} pixels", remedy)
    each, free = getattr(network, "bytes_per_pixel", None), free_memory(place)
    if each is not None and free is not None and each * pixels > free:
        raise _too_large(images, f"{free / 2**30:.1f} GiB where about {each * pixels / 2**30:.1f} GiB are needed")
    return longest


def _too_large(images: Tensor, got: str = "too little") -> InputError:
    height, width = images.shape[-2:]
    return InputError(
        f"memory for {width} x {height} pixels, which this network sees as a whole",
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
    network.to(place).to(memory_format=torch.channels_last).eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
