"""What changes a picture, loaded once and watched: how far a network is, layer by layer, and whether it shall go on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from weakref import WeakSet

from torch import nn

from perceptualloss.apply.restore import restorer
from perceptualloss.apply.stylist import Stylist, stylist
from perceptualloss.apply.transformer import Transformer
from perceptualloss.apply.upscale import upscaler
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.cascade import scale_of
from perceptualloss.networks.named import Kind
from perceptualloss.page.jobs import Job
from perceptualloss.page.settings import PageSettings
from perceptualloss.pictures.box import Box, split
from perceptualloss.pictures.picture import Progress
from perceptualloss.pictures.stored import Stored

Changes = Transformer | Stylist

_here = threading.local()
_watched: WeakSet[nn.Module] = WeakSet()
_TILE = 1536  # pixels of a result's tile (apply/tiles), to tell which part of the work one pass is


@lru_cache(maxsize=24)
def upscaling(settings: PageSettings, scale: float, kind: Kind | None, perception: float | None) -> Transformer:
    """Return what enlarges."""
    return upscaler(scale, kind, perception=perception, device=settings.device, precision=settings.precision)


@lru_cache(maxsize=8)
def _style(settings: PageSettings, name: str) -> Stylist:
    return stylist(name, device=settings.device, precision=settings.precision)


@lru_cache(maxsize=8)
def restoring(settings: PageSettings, of: str, strength: float) -> Transformer:
    """Return what restores."""
    return restorer(of, strength, device=settings.device, precision=settings.precision)


def stylizing(settings: PageSettings, name: str, strength: float, keep_colors: bool, size: int | None) -> Stylist:
    """Return what paints."""
    return replace(_style(settings, name), strength=strength, keep_colors=keep_colors, size=size)


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


@contextmanager
def watched(tool: Changes, stored: Stored, job: Job, number: int, count: int) -> Iterator[Progress]:
    """Give what tells a job how far a tool is with one of several frames, by layers, too, while a network runs within.

    Raises:
        Cancelled: within, when nobody wants the result any more; between two layers, too.
    """
    network = tool.network_for(stored.height, stored.width) if isinstance(tool, Transformer) else tool.network
    whole = isinstance(network, TransformationNetwork) and network.whole
    side = max(1, _TILE // scale_of(network))
    passes = 1 if whole else len(split(Box(0, stored.height, 0, stored.width), side))
    for layer in _leaves(network):
        if layer not in _watched:
            layer.register_forward_hook(_layer_done)
            _watched.add(layer)
    watch = _Watch(job, len(_leaves(network)), passes, count, number / count)
    _here.watch = watch
    try:
        yield lambda done, total: watch.pixels(number, done, total)
    finally:
        _here.watch = None


def _layer_done(*_: object) -> None:
    """Tell whoever watches in this thread that a layer is done."""
    watch: _Watch | None = getattr(_here, "watch", None)
    if watch is not None:
        watch.layer()


def _leaves(network: nn.Module) -> list[nn.Module]:
    return [module for module in network.modules() if not [*module.children()]]
