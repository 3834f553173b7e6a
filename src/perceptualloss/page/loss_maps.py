"""Where two pictures differ for a layer of the embedded loss network, as a picture."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from perceptualloss.drawing.heat import scale_end
from perceptualloss.page.jobs import Job, Work
from perceptualloss.page.store import Entry, Result, Store
from perceptualloss.pictures.resize import resize
from perceptualloss.studies.layers.loss_map import layer_losses, overlay

LAYERS = ("relu1_1", "relu2_2", "relu3_3")
_MOST = 4_000_000  # pixels that the loss network sees at once, in 1 GB
_LEAST = 1e-6  # equal pictures must not look different


def map_work(store: Store, first: Entry, second: Entry, layer: str) -> Work:
    """Return work whose result is the map of ``first`` against ``second``.

    A second picture of another size is brought to the first one's by bicubic interpolation; large ones are both shrunk,
    which ``more["shrunk"]`` says.
    """

    def work(job: Job) -> str:
        output, target = _pixels(first), _pixels(second)
        upload = first.upload if isinstance(first, Result) else first.id
        result = store.new_result(first.session, upload, "map", {"layer": layer})
        result.more["resized"] = output.shape != target.shape
        if result.more["resized"]:
            target = resize(target, size=(output.shape[2], output.shape[3])).clamp(0, 1)
        height, width = output.shape[-2:]
        factor = math.sqrt(_MOST / (height * width))
        result.more["shrunk"] = factor < 1
        if factor < 1:
            sides = (max(1, int(factor * height)), max(1, int(factor * width)))
            output, target = (resize(images, size=sides).clamp(0, 1) for images in (output, target))
        job.tell(0.1)
        [found] = layer_losses(output, target, [layer])
        job.tell(0.8)
        end = scale_end(found.map, _LEAST)
        result.more |= {"loss": found.loss, "end": end}
        result.keep(0, np.asarray(overlay(found.map, end, target)))
        store.add(result)
        return result.id

    return work


def _pixels(entry: Entry) -> Tensor:
    """Return what is shown, (1, 3, H, W) in [0, 1], over white."""
    values = torch.from_numpy(np.array(entry.view())).permute(2, 0, 1)[None].float() / 255
    if values.shape[1] == 3:
        return values
    return values[:, :3] * values[:, 3:] + 1 - values[:, 3:]
