"""What changes a picture, loaded once and watched: how far a network is, layer by layer, and whether it shall go on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Protocol

from torch import nn

from perceptualloss.apply.stylist import stylist
from perceptualloss.apply.upscale import upscaler
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.page.jobs import Job
from perceptualloss.page.settings import PageSettings
from perceptualloss.pictures.box import Box, split
from perceptualloss.pictures.picture import Picture, Progress

_here = threading.local()
_TILE = 1536  # pixels of a result's tile (apply/tiles), to tell which part of the work one pass is


class Tool(Protocol):
    """An upscaler, stylist or the like."""

    @property
    def network(self) -> nn.Module:
        """What it runs."""

    def picture(self, picture: Picture, progress: Progress | None = None) -> Picture:
        """Change a picture."""


@lru_cache(maxsize=24)
def upscaling(settings: PageSettings, scale: int, kind: str | None, perception: float | None) -> Tool:
    """Return what enlarges, watched."""
    options: dict[str, Any] = {"kind": kind, "perception": perception}
    tool = upscaler(scale, **options, device=settings.device, precision=settings.precision)
    _watch(tool.network)
    return tool


@lru_cache(maxsize=8)
def _style(settings: PageSettings, name: str) -> Any:
    tool = stylist(name, device=settings.device, precision=settings.precision)
    _watch(tool.network)
    return tool


def stylizing(settings: PageSettings, name: str, strength: float, keep_colors: bool, size: int | None) -> Tool:
    """Return what paints, watched."""
    tool: Tool = replace(_style(settings, name), strength=strength, keep_colors=keep_colors, size=size)
    return tool


@dataclass
class _Watch:
    """How far a job is: what is passed, and the layers of the pass that runs.

    Attributes:
        job: that is told.
        layers: of the network.
        passes: through the network that a frame takes.
        frames: of the picture.
    """

    job: Job
    layers: int
    passes: int
    frames: int
    _passed: float = field(default=0.0)
    _layers: int = field(default=0)

    def layer(self) -> None:
        """Note that one layer more is done."""
        self._layers += 1
        self.job.tell(self._passed + min(1.0, self._layers / self.layers) / (self.passes * self.frames))

    def pixels(self, frame: int, done: int, total: int) -> None:
        """Note that a pass has ended."""
        self._passed, self._layers = (frame + done / total) / self.frames, 0
        self.job.tell(self._passed)


def changed(tool: Tool, picture: Picture, job: Job, number: int = 0, count: int = 1) -> Picture:
    """Return what a tool makes of a picture, or of one of several frames, and tell the job how far it is.

    Raises:
        Cancelled: nobody wants it any more; between two layers, too.
        InputError: as the tool.
    """
    scale = int(getattr(tool.network, "scale", 1))
    height, width = picture.colours.shape[-2:]
    whole = isinstance(tool.network, TransformationNetwork) and tool.network.whole
    passes = 1 if whole else len(split(Box(0, height, 0, width), max(1, _TILE // scale)))
    watch = _Watch(job, _leaves(tool.network), passes, count, number / count)
    with _watching(watch):
        return tool.picture(picture, lambda done, total: watch.pixels(number, done, total))


def _leaves(network: nn.Module) -> int:
    return max(1, sum(not [*module.children()] for module in network.modules()))


def _watch(network: nn.Module) -> None:
    """Let every layer of a network tell that it is done, to whoever watches in its thread."""

    def tell(*_: object) -> None:
        watch = getattr(_here, "watch", None)
        if watch is not None:
            watch.layer()

    for module in network.modules():
        if not [*module.children()]:
            module.register_forward_hook(tell)


@contextmanager
def _watching(watch: _Watch) -> Iterator[None]:
    _here.watch = watch
    try:
        yield
    finally:
        _here.watch = None
