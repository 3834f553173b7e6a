"""A comparison made without training: blurred against sharpened copies of photos that scikit-image ships."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from perceptualloss.drawing.details import Photo
from perceptualloss.metrics.metric import Metric
from perceptualloss.studies.compare.results import Comparison, Run

METRICS = [
    Metric("psnr", "PSNR", "dB", True, "How close the pixels are to the original's on average."),
    Metric("ssim", "SSIM", "", True, "How alike the local structure is, from 0 to 1."),
    Metric("perceptual_distance", "perceptual distance (made up)", "", False, "How different it looks.", rank=1),
    Metric("seconds", "Training time", "s", False, "How long the training took."),
]
SCORES = {"bilinear": (26.0, 0.80, 0.30, 0.0), "mse": (29.0, 0.90, 0.20, 90.0), "perceptual": (28.0, 0.88, 0.1, 120.0)}


def _tensor(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float() / 255


def _photo(name: str) -> Photo:
    file = Path(skimage.__file__).parent / "data" / f"{name}.png"
    picture = Image.open(file).convert("RGB").crop((80, 40, 336, 232))
    soft = picture.filter(ImageFilter.GaussianBlur(1.5))
    sharp = soft.filter(ImageFilter.UnsharpMask(2, 200, 0))
    small = picture.resize((64, 48)).resize(picture.size, Image.Resampling.BILINEAR)
    outputs = {"bilinear": _tensor(small), "mse": _tensor(soft), "perceptual": _tensor(sharp)}
    return Photo(name, _tensor(picture), outputs)


def _history(name: str) -> dict[str, list[tuple[int, float]]]:
    if name == "bilinear":
        return {}
    steps = range(0, 501, 50)
    ends = dict(zip((m.key for m in METRICS[:3]), SCORES[name], strict=False))
    return {key: [(step, end * (1 + 0.2 * math.exp(-step / 100))) for step in steps] for key, end in ends.items()}


@pytest.fixture(scope="session")
def photos() -> list[Photo]:
    """Two photos of 256 x 192 pixels with three results each."""
    return [_photo("chelsea"), _photo("astronaut")]


@pytest.fixture(scope="session")
def comparison() -> Comparison:
    """Interpolation and two losses, with scores that say the usual."""
    runs = []
    for name, label in (("bilinear", "bilinear"), ("mse", "MSE"), ("perceptual", "perceptual")):
        scores = dict(zip((m.key for m in METRICS), SCORES[name], strict=True))
        per_photo = dict.fromkeys(("chelsea", "astronaut"), scores)
        steps = 0 if name == "bilinear" else 500
        run = Run(name, label, f"About {label}.", steps, scores["seconds"], scores, _history(name), per_photo)
        runs.append(run)
    empty = Comparison("MSE against a perceptual loss", 2, METRICS, runs)
    return replace(
        empty,
        settings={"command": "perceptualloss compare --seed 0", "warm_up_steps": "200", "seed": "0"},
        missing={"lpips-vgg": "Its weights are not here: put them there."},
        verdict=["The perceptual loss looks sharper."],
    )
