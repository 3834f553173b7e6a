"""SSIMULACRA 2: a score for compressed pictures, fitted to people's judgements of them."""

from __future__ import annotations

import io
from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from perceptualloss.errors import InputError, check_image_batch, check_same_shape
from perceptualloss.metrics.protocol import result_dtype
from perceptualloss.pictures.ranges import check_pair
from perceptualloss.pictures.samples import to_8_bits

HOW_TO_GET = (
    "SSIMULACRA 2 needs the package ssimulacra2 (BSD), which is not here: pip install 'perceptualloss[metrics]'."
)
SMALLEST, WHOLE = 8, 225  # pixels a side: the package's least, and what its six scales take


@torch.no_grad()
def ssimulacra2(output: Tensor, target: Tensor) -> Tensor:
    """Return the SSIMULACRA 2 score of each picture, (N,); higher is nearer.

    - 100: equal pictures.
    - about 90: differences cannot be seen side by side.
    - 70, 50, 30: high, medium and low quality.
    - below 0: very different pictures.

    It counts errors of structure, added edges and lost edges at six scales of the colour space XYB. Its weights were
    fitted to people's judgements of compressed photos. The package ``ssimulacra2`` computes it, on pictures of 8 bits,
    one after the other, on the CPU. Needs ``pip install 'perceptualloss[metrics]'``.

    Pictures of less than 225 pixels a side are mirrored outwards to 225, both alike. The package would measure them at
    fewer scales and then read the weights of others: a JPEG of quality 90 fell from 84 to 62 from 225 to 224 pixels.

    Args:
        output: pictures (N, 3, H, W) in [0, 1], at least 8 pixels a side; rounded to 8 bits.
        target: the pictures they should look like, of the same shape.

    Raises:
        InputError: for other shapes, types or ranges, or without the package.

    Source: Sneyers, "SSIMULACRA 2", Cloudinary and the JPEG XL project, 2022.
    """
    check_same_shape("output", output, "target", target)
    for name, images in (("output", output), ("target", target)):
        check_image_batch(name, images)
    check_pair(output, target, finite=True)
    if min(output.shape[-2:]) < SMALLEST:
        size = f"{output.shape[-2]} x {output.shape[-1]}"
        raise InputError(f"pictures of at least {SMALLEST} x {SMALLEST} pixels for SSIMULACRA 2", size)
    if why_missing():
        raise InputError("SSIMULACRA 2", "no package ssimulacra2", HOW_TO_GET)
    from ssimulacra2 import compute_ssimulacra2  # noqa: PLC0415 (an extra, and it loads SciPy)

    scores = [
        float(compute_ssimulacra2(_file(original), _file(distorted)))
        for distorted, original in zip(_whole(output), _whole(target), strict=True)
    ]
    return torch.tensor(scores, dtype=result_dtype(output), device=output.device)


def why_missing() -> str:
    """Return how to get the package where it is not installed, else ""; it is not imported."""
    return "" if find_spec("ssimulacra2") else HOW_TO_GET


def _whole(images: Tensor) -> NDArray[np.uint8]:
    """Return pictures (N, H, W, 3) of 8 bits, mirrored to 225 pixels a side where they are smaller."""
    pixels = to_8_bits(images.float()).cpu().permute(0, 2, 3, 1).numpy()
    more = [(0, max(0, WHOLE - side)) for side in pixels.shape[1:3]]
    return np.pad(pixels, [(0, 0), *more, (0, 0)], mode="symmetric")


def _file(pixels: NDArray[np.uint8]) -> io.BytesIO:
    """Return a picture as the package takes one: a file, here in memory."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "BMP")
    file.seek(0)
    return file
