"""The embedded networks: size, arithmetic, pooling, and what their files hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from perceptualloss.data.folder import builtin_photos
from perceptualloss.features import architectures
from perceptualloss.features.architectures import compact_features, judge_features, layer_names
from perceptualloss.features.modules import BlurPool2d
from perceptualloss.features.network import loss_network
from perceptualloss.pictures.images import read_image

EMBEDDED_FOLDER = Path(architectures.__file__).parent / "embedded"


def test_layer_names_are_vggs() -> None:
    names = layer_names(compact_features())
    assert names[:6] == ["conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1", "conv2_1"]
    assert names[-1] == "relu4_3"


@pytest.mark.parametrize(
    ("name", "build", "limit"), [("compact", compact_features, 4e6), ("judge", judge_features, 1e6)]
)
def test_embedded_file_holds_the_network_at_half_precision(
    name: str, build: Callable[[], nn.Sequential], limit: float
) -> None:
    file = EMBEDDED_FOLDER / f"{name}.safetensors"
    state = load_file(file)
    features = build()
    assert file.stat().st_size <= limit
    assert {key: value.shape for key, value in state.items()} == {k: v.shape for k, v in features.state_dict().items()}
    assert all(value.dtype == torch.float16 and value.isfinite().all() for value in state.values())
    assert (EMBEDDED_FOLDER / f"{name}.md").is_file()


def test_activations_of_the_judge_over_photos_are_about_one() -> None:
    pieces = [read_image(photo)[..., 40:296, 60:316] for photo in builtin_photos("all")]
    layers = [layer for layer in layer_names(judge_features()) if "relu" in layer]
    for layer, maps in loss_network("judge", layers)(torch.cat(pieces)).items():
        assert 0.4 < maps.mean() < 2.5, layer


def test_blur_pool_is_the_binomial_filter() -> None:
    images = torch.rand(2, 5, 14, 8)
    kernel = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    wide = F.pad(images, (1, 1, 1, 1), mode="replicate")
    weight = (kernel[:, None] * kernel).expand(5, 1, 4, 4)
    assert torch.allclose(BlurPool2d()(images), F.conv2d(wide, weight, stride=2, groups=5), atol=1e-6)


def test_blur_pool_gives_every_inner_pixel_the_same_gradient() -> None:
    images = torch.rand(1, 1, 16, 16, requires_grad=True)
    BlurPool2d()(images).sum().backward()
    assert images.grad is not None
    inner = images.grad[0, 0, 2:-2, 2:-2]
    assert torch.allclose(inner, torch.full_like(inner, 0.25))


@pytest.mark.parametrize("build", [compact_features, judge_features])
def test_flat_pictures_have_flat_features_up_to_the_border(build: Callable[[], nn.Sequential]) -> None:
    maps = build()(torch.full((1, 3, 40, 24), 0.3))
    assert (maps - maps[..., :1, :1]).abs().max() < 1e-5
