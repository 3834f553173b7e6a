"""Where two pictures differ for a layer of the embedded loss network, as a picture."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from perceptualloss.drawing.heat import scale_end
from perceptualloss.page.jobs import Job, Work
from perceptualloss.page.kept import part_of
from perceptualloss.page.store import Result, Store, Upload
from perceptualloss.pictures.box import Box
from perceptualloss.pictures.resize import resize
from perceptualloss.pictures.rows import Rows
from perceptualloss.studies.layers.loss_map import layer_losses, overlay

LAYERS = ("relu1_1", "relu2_2", "relu3_3")
_MOST = 4_000_000  # pixels that the loss network sees at once, in 1 GB
_LEAST = 1e-6  # equal pictures must not look different


def map_work(store: Store, first: Upload | Result, second: Upload | Result, layer: str) -> Work:
    """Return work whose result is the map of ``first`` against ``second``.

    A second picture of another size is brought to the first one's by bicubic interpolation, which ``more["resized"]``
    says. Of large ones means of pixels are taken first, which ``more["shrunk"]`` says.
    """

    def work(job: Job) -> str:
        upload = first.upload if isinstance(first, Result) else first.id
        result = store.new_result(first.session, upload, "map", {"layer": layer})
        (output, shrunk), (target, other) = _pixels(first), _pixels(second)
        resized = (first.height, first.width) != (second.height, second.width)
        result.more |= {"resized": resized, "shrunk": max(shrunk, other) > 1}
        if output.shape != target.shape:
            target = resize(target, size=(output.shape[2], output.shape[3])).clamp(0, 1)
        job.tell(0.1)
        [found] = layer_losses(output, target, [layer])
        job.tell(0.8)
        end = scale_end(found.map, _LEAST)
        result.more |= {"loss": found.loss, "end": end}
        result.height, result.width = output.shape[-2:]
        result.keep(0, Rows.of(np.asarray(overlay(found.map, end, target))))
        store.add(result)
        return result.id

    return work


def _pixels(entry: Upload | Result) -> tuple[Tensor, int]:
    """Return what is shown, (1, 3, H, W) in [0, 1], over white, and how many pixels a side became one."""
    samples = entry.frame()
    reduce = math.ceil(math.sqrt(entry.height * entry.width / _MOST))
    shown = np.array(part_of(samples, Box(0, entry.height, 0, entry.width), reduce))
    values = torch.from_numpy(shown).permute(2, 0, 1)[None].float() / 255
    if values.shape[1] == 4:
        values = values[:, :3] * values[:, 3:] + 1 - values[:, 3:]
    return values, reduce
