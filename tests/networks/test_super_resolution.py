from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from perceptualloss.errors import InputError
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.johnson import SuperResolutionNetwork
from perceptualloss.networks.named import load_network


@pytest.mark.parametrize("upsampling", ["nearest", "bilinear", "transposed"])
@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("size", [(1, 1), (3, 6)])
def test_any_size_comes_out_scale_times_as_large(scale, upsampling, size):
    network = SuperResolutionNetwork(scale, width=4, blocks=1, upsampling=upsampling).eval()
    output = network(torch.rand(2, 3, *size))
    assert output.shape == (2, 3, scale * size[0], scale * size[1])
    assert -0.1 < output.min() <= output.max() < 1.1


@pytest.mark.parametrize("scale", [4, 8])
def test_the_papers_layers(scale):
    network = SuperResolutionNetwork(scale, upsampling="transposed")
    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    layers = [(type(m), m.out_channels, m.kernel_size[0]) for m in network.modules() if isinstance(m, kinds)]
    residual, enlarge = (nn.Conv2d, 64, 3), (nn.ConvTranspose2d, 64, 3)
    stages = {4: 2, 8: 3}[scale]
    assert layers == [(nn.Conv2d, 64, 9), *8 * [residual], *stages * [enlarge], (nn.Conv2d, 3, 9)]
    assert all(m.stride == (2, 2) for m in network.modules() if isinstance(m, nn.ConvTranspose2d))


def test_no_relu_after_the_addition():
    block = SuperResolutionNetwork(2, width=4, blocks=1).body[0].eval()
    nn.init.zeros_(block.layers[-1].weight)
    features = -torch.rand(1, 4, 5, 5)
    assert torch.equal(block(features), features)


def test_black_and_white_can_be_reached():
    network = SuperResolutionNetwork(2, width=4, blocks=1).eval()
    for bias, wanted in ((-9.0, 0.0), (9.0, 1.0)):
        nn.init.constant_(network.last.bias, bias)
        assert torch.equal(network(torch.rand(1, 3, 4, 4)).clamp(0, 1), torch.full((1, 3, 8, 8), wanted))


def test_a_flat_picture_has_no_checkerboard_unless_transposed():
    spread = {}
    for upsampling in ("nearest", "transposed"):
        network = SuperResolutionNetwork(4, width=8, blocks=1, upsampling=upsampling).eval()
        spread[upsampling] = network(torch.full((1, 3, 40, 40), 0.3))[..., 60:100, 60:100].std(dim=(2, 3)).max()
    assert spread["nearest"] < 1e-6
    assert spread["transposed"] > 1e-3


def test_it_learns_what_it_is_shown():
    network = SuperResolutionNetwork(2, width=8, blocks=1)
    low = torch.rand(2, 3, 6, 6)
    high = 1 - F.interpolate(low, scale_factor=2)
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
    network = SuperResolutionNetwork(8, width=4, blocks=2, upsampling="transposed").eval()
    x = torch.rand(1, 3, 4, 4)
    assert torch.equal(load_network(save_network(network, tmp_path / "sr.safetensors"))(x), network(x))


@pytest.mark.parametrize("arguments", [{"scale": 3}, {"scale": 1}, {"width": 0}, {"upsampling": "nearst"}])
def test_impossible_arguments_are_refused(arguments):
    with pytest.raises(InputError):
        SuperResolutionNetwork(**arguments)
