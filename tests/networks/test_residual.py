from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from perceptualloss.errors import InputError
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.named import load_network
from perceptualloss.networks.residual import ResidualUpscaler


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("size", [(1, 1), (5, 8)])
def test_an_untrained_network_interpolates_pictures_of_any_size(scale, size):
    images = torch.rand(2, 3, *size)
    network = ResidualUpscaler(scale, width=8, blocks=2)
    wanted = F.interpolate(images, scale_factor=scale, mode="bilinear", align_corners=False)
    assert torch.allclose(network(images), wanted)


def test_parameters_are_those_of_its_convolutions():
    convolutions = [(3, 48)] + 17 * [(48, 48)] + [(48, 16), (16, 16), (16, 16), (16, 3)]
    network = ResidualUpscaler(4)
    assert sum(p.numel() for p in network.parameters()) == sum(9 * a * b + b for a, b in convolutions)


def test_it_learns_what_it_is_shown():
    torch.manual_seed(0)
    network = ResidualUpscaler(2, width=8, blocks=1)
    low, high = torch.rand(1, 3, 6, 6), torch.rand(1, 3, 12, 12)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    first = F.mse_loss(network(low), high).item()
    for _ in range(60):
        loss = F.mse_loss(network(low), high)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.7 * first
    assert all(p.grad is not None for p in network.parameters())


def test_saved_with_its_arguments(tmp_path):
    network = ResidualUpscaler(2, width=8, blocks=1, detail=4)
    file = save_network(network, tmp_path / "network.safetensors")
    images = torch.rand(1, 3, 4, 4)
    assert torch.equal(load_network(file)(images), network(images))


def test_impossible_sizes_are_refused():
    with pytest.raises(InputError, match="from 1"):
        ResidualUpscaler(2, blocks=0)
