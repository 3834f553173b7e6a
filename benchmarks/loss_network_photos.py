"""The photos that ``loss_network.py`` measures on: held out from every training, the last ones by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from perceptualloss.data.decoding import middle
from perceptualloss.data.degrade import Downscale
from perceptualloss.data.folder import builtin_photos, split_files
from perceptualloss.data.module import PhotoData
from perceptualloss.networks.named import load_network
from perceptualloss.pictures.images import read_image
from perceptualloss.pictures.listing import picture_files
from perceptualloss.pictures.resize import resize
from perceptualloss.studies.compare.compare import INTERPOLATION
from perceptualloss.studies.compare.settings import read_settings

_SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "photos"
PHOTOS = _SHARED if _SHARED.is_dir() else None  # None: the photos that scikit-image ships


def validation_photos(data: Path | None, size: int, count: int = 20) -> Tensor:
    """Return the middle of each validation photo, (N, 3, size, size): the last ``count``, or scikit-image's two."""
    files = builtin_photos("validation") if data is None else split_files(picture_files(data), count)[1]
    return torch.cat([middle(read_image(file)[0], size)[None] for file in files])


@torch.no_grad()
def validation_outputs(folder: Path) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:
    """Yield (photo, ground truth, {run: output}) for every validation photo of a finished comparison, in [0, 1].

    ``folder`` is one that ``compare`` wrote; the first output is plain interpolation.
    """
    settings = read_settings(folder)
    data = PhotoData(
        Downscale(settings.scale),
        settings.photos,
        validation=settings.validation,
        crop=settings.crop,
        seed=settings.seed,
    )
    networks = {loss: load_network(folder / "networks" / f"{loss}.safetensors") for loss in settings.losses}
    for name, low, truth in data.validation_pairs():
        outputs = {INTERPOLATION: resize(low, size=(truth.shape[-2], truth.shape[-1]), method="bilinear")}
        outputs |= {loss: network(low) for loss, network in networks.items()}
        yield name, truth, {run: output.clamp(0, 1) for run, output in outputs.items()}
