"""What a browser may ask for: checked here, done in a job's thread."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from perceptualloss.errors import InputError
from perceptualloss.networks.named import KINDS, shipped, shipped_restorers, shipped_styles
from perceptualloss.page.jobs import Job, Work
from perceptualloss.page.loss_maps import LAYERS, map_work
from perceptualloss.page.notes import notes
from perceptualloss.page.refusals import PageError, explained, plain
from perceptualloss.page.settings import PageSettings
from perceptualloss.page.store import Result, Store, Upload
from perceptualloss.page.tools import Changes, restoring, stylizing, upscaling, watched
from perceptualloss.pictures.box import Box
from perceptualloss.pictures.change import Writing, change_in_parts
from perceptualloss.pictures.images import open_pictures
from perceptualloss.pictures.kinds import check_target
from perceptualloss.pictures.parts import Parts
from perceptualloss.pictures.picture import Picture
from perceptualloss.pictures.rows import Samples
from perceptualloss.pictures.stored import Stored

FORMATS: Mapping[str, tuple[str, str]] = {  # endings and types of what can be downloaded
    "png": (".png", "image/png"),
    "jpeg": (".jpg", "image/jpeg"),
    "webp": (".webp", "image/webp"),
    "tiff": (".tif", "image/tiff"),
}
SCALES = (1.01, 8.0)  # times larger
_SIDE = 2048  # pixels of a part that is written at once
_SIZES = (16, 4096)  # of the longer side, to paint at


@dataclass(frozen=True)
class Asked:
    """A request for work that was found good.

    Attributes:
        key: the same for the same work.
        work: what a job does.
    """

    key: str
    work: Work


class Tasks:
    """Makes work of what a browser asks for.

    Args:
        settings: of the page.
        store: where pictures are.
    """

    def __init__(self, settings: PageSettings, store: Store) -> None:
        self.settings, self.store = settings, store

    @cached_property
    def offers(self) -> dict[str, Any]:
        """What can be asked for, and the limits."""
        return {
            "scales": sorted({scale for scale, _ in shipped()}),
            "kinds": list(KINDS),
            "any_scale": list(SCALES),
            "styles": list(shipped_styles()),
            "restore": list(shipped_restorers()),
            "layers": list(LAYERS),
            "formats": list(FORMATS),
            "limits": {
                "pixels": self.settings.max_pixels,
                "result": self.settings.max_result,
                "bytes": self.settings.max_bytes,
                "minutes": round(self.settings.keep / 60),
            },
        }

    def asked(self, session: str, request: Any) -> Asked:
        """Return what a request asks for.

        Raises:
            PageError: for what cannot be asked for, or is about a picture that is not there.
        """
        if not isinstance(request, dict):
            raise PageError("request")
        task = request.get("task")
        handlers = {
            "upscale": self._upscale,
            "restore": self._restore,
            "stylize": self._stylize,
            "map": self._map,
            "write": self._write,
        }
        if task not in handlers:
            raise PageError("request", detail="task")
        self.store.check_room()
        work = handlers[task](session, request)
        return Asked(json.dumps(request, sort_keys=True), work)

    def _upscale(self, session: str, request: dict[str, Any]) -> Work:
        upload = self.store.upload(session, _text(request, "picture"))
        scale = _number(request, "scale", *SCALES)
        kind = _one_of(request, "kind", (*KINDS, None))
        perception = None if kind else _number(request, "perception", 0, 1)
        self._check_result(round(scale * upload.width), round(scale * upload.height))
        made = {"scale": scale, "kind": kind, "perception": perception}
        return self._change(upload, "upscale", made, lambda: upscaling(self.settings, scale, kind, perception))

    def _restore(self, session: str, request: dict[str, Any]) -> Work:
        upload = self.store.upload(session, _text(request, "picture"))
        of, strength = _one_of(request, "of", self.offers["restore"]), _number(request, "strength", 0, 1)
        made = {"of": of, "strength": strength}
        return self._change(upload, "restore", made, lambda: restoring(self.settings, of, strength))

    def _stylize(self, session: str, request: dict[str, Any]) -> Work:
        upload = self.store.upload(session, _text(request, "picture"))
        style = _one_of(request, "style", self.offers["styles"])
        strength = _number(request, "strength", 0, 1)
        keep = _one_of(request, "keep_colors", (True, False))
        size = None if request.get("size") is None else int(_number(request, "size", *_SIZES))
        made = {"style": style, "strength": strength, "keep_colors": keep, "size": size}
        return self._change(upload, "stylize", made, lambda: stylizing(self.settings, style, strength, keep, size))

    def _map(self, session: str, request: dict[str, Any]) -> Work:
        first, second = (self.store.entry(session, _text(request, name)) for name in ("first", "second"))
        assert isinstance(first, Upload | Result)
        assert isinstance(second, Upload | Result)
        return map_work(self.store, first, second, _one_of(request, "layer", LAYERS))

    def _write(self, session: str, request: dict[str, Any]) -> Work:
        result = self.store.result(session, _text(request, "result"))
        form = _one_of(request, "format", list(FORMATS))
        strip = _one_of(request, "strip", (True, False))
        upload = self.store.upload(session, result.upload)
        target = result_file(result, form, strip)
        return lambda job: _written(job, upload, result, target, strip, self.settings)

    def _check_result(self, width: int, height: int) -> None:
        if width * height > self.settings.max_result:
            raise PageError("result_too_large", 422, width=width, height=height)

    def _change(self, upload: Upload, task: str, made: dict[str, Any], load: Callable[[], Changes]) -> Work:
        def work(job: Job) -> str:
            result = self.store.new_result(upload.session, upload.id, task, made)
            try:
                with notes() as said:
                    self._fill(job, upload, result, load())
                result.notes = [plain(note, str(upload.source), upload.name) for note in said]
            except BaseException as error:
                self.store.remove(result)
                if isinstance(error, InputError):
                    raise explained(error, str(upload.source), upload.name) from error
                raise
            self.store.add(result)
            return result.id

        return work

    def _fill(self, job: Job, upload: Upload, result: Result, tool: Changes) -> None:
        pictures, pixels = open_pictures(upload.source, self.settings.max_pixels), 0
        result.frames = pictures.count
        for number in range(pictures.count):
            stored = pictures.stored(number)
            size = tool.size_of(stored.height, stored.width)
            if number == 0:
                result.height, result.width = size
            pixels += size[0] * size[1]
            self._check_result(pixels, 1)
            with watched(tool, stored, job, number, pictures.count) as progress:
                parts = tool.parts(stored, progress)
                result.keep(number, parts.rows(stored.decoded.bits, stored.clear, grey=True))


def result_file(result: Result, form: str, strip: bool) -> Path:
    """Return where a result is written in a format."""
    return result.folder / f"{'bare' if strip else 'full'}{FORMATS[form][0]}"


def _written(job: Job, upload: Upload, result: Result, target: Path, strip: bool, settings: PageSettings) -> str:
    def change(stored: Stored, number: int, count: int) -> Parts:
        return _as_parts(result.frame(number), stored.decoded.bits, job)

    def size(height: int, width: int) -> tuple[int, int]:
        return result.height, result.width

    try:
        with notes() as said:
            check_target(target, result.width, result.height)
            change_in_parts(change, upload.source, target, size, Writing(True, strip, settings.max_pixels))
    except InputError as error:
        raise explained(error, str(upload.source), upload.name) from error
    lines = [plain(plain(note, str(upload.source), upload.name), target.name, upload.name) for note in said]
    result.more.setdefault("files", {})[target.name] = lines
    return result.id


def _as_parts(samples: Samples, bits: Literal[8, 16], job: Job) -> Parts:
    """Return samples as the picture that they were made of, to the last bit of their rounding."""
    height, width, channels = samples.shape

    def part(box: Box) -> Picture:
        job.tell(box.top / height)
        cut = samples[box.top : box.bottom, box.left : box.right] / np.float32(np.iinfo(samples.dtype).max)
        values = torch.from_numpy(cut).permute(2, 0, 1)[None]
        colours = values[:, :1].expand(-1, 3, -1, -1) if channels < 3 else values[:, :3]
        return Picture(colours, values[:, -1:] if channels in (2, 4) else None, channels < 3, bits)

    return Parts(height, width, channels < 3, part, _SIDE)


def _text(request: dict[str, Any], name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str):
        raise PageError("request", detail=name)
    return value


def _one_of(request: dict[str, Any], name: str, choices: Any) -> Any:
    value = request.get(name)
    if not any(value is choice or (type(value) is type(choice) and value == choice) for choice in choices):
        raise PageError("request", detail=name)
    return value


def _number(request: dict[str, Any], name: str, least: float, most: float) -> float:
    value = request.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise PageError("request", detail=name)
    return float(value)
