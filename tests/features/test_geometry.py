from __future__ import annotations

import pytest
import torch

from perceptualloss.errors import InputError
from perceptualloss.features.architectures import ARCHITECTURES, layer_names
from perceptualloss.features.modules import smallest_side
from perceptualloss.features.network import loss_network


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_smallest_side_is_the_smallest_that_runs(name: str) -> None:
    features = ARCHITECTURES[name]().eval()
    side = smallest_side(features)
    with torch.no_grad():
        assert min(features(torch.rand(1, 3, side, side)).shape) >= 1
        if side > 1:
            with pytest.raises(RuntimeError):
                features(torch.rand(1, 3, side - 1, side - 1))


def test_too_small_pictures_are_refused() -> None:
    network = loss_network("vgg16", ["relu4_1"], weights=None)
    with pytest.raises(InputError, match=r"at least 8 x 8 pixels to see relu4_1.*7 x 9"):
        network(torch.rand(1, 3, 7, 9))
    assert network(torch.rand(1, 3, 8, 8))["relu4_1"].shape == (1, 512, 1, 1)
    assert network(torch.rand(1, 3, 4, 4), ["relu2_2"])["relu2_2"].shape == (1, 128, 2, 2)


@pytest.mark.parametrize("name", ["alexnet", "squeezenet"])
def test_channels_are_those_of_the_features(name: str) -> None:
    layers = layer_names(ARCHITECTURES[name]())
    network = loss_network(name, layers, weights=None)
    found = network(torch.rand(1, 3, 64, 64))
    assert network.channels() == {layer: features.shape[1] for layer, features in found.items()}
