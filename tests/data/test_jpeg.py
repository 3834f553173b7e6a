"""JPEG without a file is what Pillow's codec gives, bit for bit."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import features
from torch import Tensor

from perceptualloss.data.distortions import jpeg as codec
from perceptualloss.data.folder import builtin_photos
from perceptualloss.data.jpeg import jpeg
from perceptualloss.pictures.images import read_image

pytestmark = pytest.mark.skipif(
    not features.check_feature("libjpeg_turbo"), reason="this Pillow has another libjpeg, which rounds otherwise"
)


def check(picture: Tensor, quality: int) -> None:
    assert torch.equal((jpeg(picture[None], [quality])[0] * 255).round(), (codec(picture, 100 - quality) * 255).round())


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 100), st.integers(0, 999), st.booleans())
@settings(deadline=None, max_examples=150)
def test_noise_of_any_size_and_quality(height: int, width: int, quality: int, seed: int, hard: bool) -> None:
    picture = torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))
    check((picture > 0.5).float() if hard else picture, quality)


@pytest.mark.parametrize("quality", range(1, 101, 9))
def test_photos(quality: int) -> None:
    for file in builtin_photos("validation"):
        check(read_image(file)[0, :, :200, :299], quality)


def test_a_batch_has_the_pictures_alone_each_at_its_quality() -> None:
    pictures = torch.rand(4, 3, 21, 34)
    qualities = [1, 50, 77, 100]
    found = jpeg(pictures, qualities)
    assert found.dtype == torch.float32
    for place, quality in enumerate(qualities):
        assert torch.equal(found[place], jpeg(pictures[place : place + 1], [quality])[0])
    assert jpeg(pictures.double(), qualities).dtype == torch.float64


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same_bits() -> None:
    pictures = torch.rand(3, 3, 40, 53)
    assert torch.equal(jpeg(pictures.cuda(), [5, 50, 95]).cpu(), jpeg(pictures, [5, 50, 95]))
