"""The network ``compact``: VGG-16's layers at an eighth of its arithmetic; and its pooling."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perceptualloss.features.architectures import compact_features, layer_names, vgg16_features
from perceptualloss.features.base import LossNetwork
from perceptualloss.features.chain import run_layers
from perceptualloss.features.modules import FactorisedConv2d, HeadedConv2d, MaxBlurPool2d
from perceptualloss.features.network import loss_network

LAYERS = layer_names(compact_features())


def test_compact_takes_an_eighth_of_vggs_arithmetic_with_the_heads_of_the_usual_layers() -> None:
    at_size = {"1": 1, "2": 4, "3": 16, "4": 64}  # positions of a block for one of its maps, to a picture's pixels
    taken = {"compact": 0.0, "vgg16": 0.0}
    for network, features in (("compact", compact_features()), ("vgg16", vgg16_features()[:23])):
        for name, module in zip(layer_names(features), features, strict=True):
            for part, convolution in module.named_modules():
                if isinstance(convolution, nn.Conv2d) and (part != "head" or name == "conv1_2"):
                    taken[network] += convolution.weight.numel() / at_size[name[4]]
    assert taken == {"compact": 34_100, "vgg16": 278_208}
    assert taken["compact"] <= taken["vgg16"] / 8


def test_layers_have_vggs_names_and_widths() -> None:
    vgg = loss_network("vgg16", ["relu4_3"], weights=None)
    assert list(vgg.names) == LAYERS
    relus = [name for name in LAYERS if name.startswith("relu")]
    pictures = torch.rand(1, 3, 33, 47)
    compact, wide = loss_network("compact", LAYERS), loss_network("vgg16", relus, weights=None)
    assert {layer: compact.channels()[layer] for layer in relus} == wide.channels()
    assert {layer: maps.shape[1] for layer, maps in compact(pictures).items()} == compact.channels()


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_is_the_same_whatever_else_is_asked_for(layer: str) -> None:
    pictures = torch.rand(1, 3, 24, 17)
    together = loss_network("compact", LAYERS)(pictures)[layer]
    assert torch.allclose(loss_network("compact", [layer])(pictures)[layer], together, atol=1e-6)


def test_training_changes_nothing_in_place() -> None:
    features, x = compact_features(), torch.rand(1, 3, 16, 16)
    before = run_layers(list(features), LAYERS, x, LAYERS)
    found = run_layers(list(features), LAYERS, x, LAYERS, in_place=False)
    assert all(torch.allclose(found[layer], before[layer], atol=1e-6) for layer in LAYERS)
    torch.stack([maps.square().mean() for maps in found.values()]).sum().backward()
    assert all(parameter.grad is not None for parameter in features.parameters())


def test_a_head_is_not_run_unless_its_layer_is_asked_for() -> None:
    features = compact_features()
    calls: list[str] = []
    for module in features:
        if isinstance(module, HeadedConv2d):
            module.head.register_forward_hook(lambda *_: calls.append("head"))
    network = LossNetwork(features, ["relu1_1", "relu3_1"])
    network(torch.rand(1, 3, 16, 16), ["relu3_1"])
    assert not calls
    network(torch.rand(1, 3, 16, 16))
    assert calls == ["head"]


def test_a_convolution_of_full_rank_is_the_convolution() -> None:
    wide = nn.Conv2d(5, 7, 3, padding=1, padding_mode="replicate")
    factorised = FactorisedConv2d(5, None, 7, 7)
    factorised.conv.weight.data = wide.weight.data
    factorised.expand.weight.data = torch.eye(7)[:, :, None, None]
    assert wide.bias is not None
    factorised.expand.bias = wide.bias
    x = torch.rand(2, 5, 9, 8)
    assert torch.allclose(factorised(x), wide(x), atol=1e-6)


def by_hand(images: Tensor) -> Tensor:
    """Maxima of 2 x 2 at every position, [1, 2, 1] / 4 both ways, every second value, written out."""
    height, width = images.shape
    wide = F.pad(images[None, None], (1, 2, 1, 2), mode="replicate")[0, 0]
    found = torch.zeros((height + 1) // 2, (width + 1) // 2)
    for row in range(found.shape[0]):
        for column in range(found.shape[1]):
            for i, vertical in enumerate((0.25, 0.5, 0.25)):
                for j, horizontal in enumerate((0.25, 0.5, 0.25)):
                    top, left = 2 * row + i, 2 * column + j
                    found[row, column] += vertical * horizontal * wide[top : top + 2, left : left + 2].max()
    return found


@pytest.mark.parametrize("size", [(8, 6), (7, 5), (1, 1), (2, 3)])
def test_max_blur_pool_is_what_it_says(size: tuple[int, int]) -> None:
    images = torch.rand(size)
    assert torch.allclose(MaxBlurPool2d()(images[None, None])[0, 0], by_hand(images), atol=1e-6)


def test_max_blur_pool_gives_all_places_of_the_raster_the_same_gradient_on_average() -> None:
    images = torch.rand(400, 1, 20, 20, generator=torch.Generator().manual_seed(0), requires_grad=True)
    MaxBlurPool2d()(images).sum().backward()
    assert images.grad is not None
    inner = images.grad.mean((0, 1))[4:16, 4:16]
    places = inner.reshape(6, 2, 6, 2).mean((0, 2))
    assert torch.allclose(places, torch.full_like(places, 0.25), rtol=0.02)


def test_max_blur_pool_has_derivatives() -> None:
    images = torch.rand(1, 2, 6, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(MaxBlurPool2d(), images)
    assert torch.autograd.gradgradcheck(MaxBlurPool2d(), images)
