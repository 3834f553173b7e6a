"""Loss maps: their means are the losses, and they are zero where nothing differs."""

from __future__ import annotations

import pytest
import torch

from perceptualloss.errors import InputError
from perceptualloss.features.network import loss_network
from perceptualloss.losses.feature import Distance, FeatureReconstructionLoss, enlarged, loss_maps

LAYERS = ["relu1_1", "relu2_2"]


@pytest.mark.parametrize("distance", ["mse", "l1", "unit"])
def test_the_mean_of_a_map_is_the_loss_of_the_layer(distance: Distance) -> None:
    output, target = torch.rand(2, 2, 3, 24, 32)
    network = loss_network("compact", LAYERS)
    expected = FeatureReconstructionLoss(network, LAYERS, distance).per_image(output, target)
    for layer, places in loss_maps(output, target, network, distance=distance).items():
        assert torch.allclose(places.mean(dim=(1, 2)), expected[layer], rtol=1e-4)


def test_only_where_the_pictures_differ() -> None:
    target = torch.rand(1, 3, 64, 64)
    output = target.clone()
    output[..., 40:48, 8:16] = 0
    for places in loss_maps(output, target, loss_network("compact", LAYERS)).values():
        large = enlarged(places, (64, 64))
        assert large.shape == (1, 64, 64)
        assert large[0, 40:48, 8:16].mean() > 50 * large[0, :24, 32:].mean()
        assert not large[0, :20, 40:].any()


def test_gradients_reach_the_output_alone() -> None:
    output, target = (torch.rand(1, 3, 16, 16, requires_grad=True) for _ in range(2))
    loss_maps(output, target, loss_network("compact", ["relu1_2"]))["relu1_2"].sum().backward()
    assert output.grad is not None
    assert target.grad is None


def test_errors_of_use() -> None:
    network = loss_network("compact", LAYERS)
    with pytest.raises(InputError, match="same shape"):
        loss_maps(torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 20), network)
    with pytest.raises(InputError, match="distance"):
        loss_maps(torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16), network, distance="mae")
