"""That ``reach`` is how far the networks really look."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from perceptualloss.networks.base import InterpolatingNetwork, TransformationNetwork
from perceptualloss.networks.course import Generator, Upscale2x, Upscale4x
from perceptualloss.networks.johnson import SuperResolutionNetwork
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.networks.sub_pixel import SubPixelUpscaler

NETWORKS = [
    ResidualUpscaler(4, width=4, blocks=2, detail=2),
    ResidualUpscaler(2, width=4, blocks=1, detail=2),
    SubPixelUpscaler(4, width=4, blocks=2, detail=2),
    SubPixelUpscaler(2, width=4, blocks=1, expand=2),
    Generator(4, width=1),
    Upscale2x(),
    Upscale4x(),
    SuperResolutionNetwork(4, width=4, blocks=1),
    SuperResolutionNetwork(4, width=4, blocks=1, upsampling="bilinear"),
    SuperResolutionNetwork(8, width=4, blocks=1, upsampling="transposed"),
]


def farthest(network: TransformationNetwork, size: int) -> int:
    """Return how far, in pixels of the input, the outputs of the middle pixel of a line depend on others."""
    network = network.double().eval()
    for parameter in network.parameters():
        nn.init.uniform_(parameter, 0.01, 0.02)  # all positive: no ReLU hides what comes through
    middle, scale = size // 2, network.scale
    x = torch.rand(1, 3, size, size, dtype=torch.float64) + 0.6
    if isinstance(network, InterpolatingNetwork):
        up = network.upsample(x).detach().requires_grad_()
        x.requires_grad_()
        out = network.refine(x, up)
    else:
        out = network(x.requires_grad_())
    out[..., middle * scale : (middle + 1) * scale, middle * scale : (middle + 1) * scale].sum().backward()
    found = 0
    for leaf, factor in ((x, 1), *([(up, scale)] if isinstance(network, InterpolatingNetwork) else [])):
        if leaf.grad is not None:
            columns = leaf.grad.abs().sum(dim=(0, 1, 2)).nonzero().flatten() // factor
            found = max(found, middle - int(columns.min()), int(columns.max()) - middle)
    return found


@pytest.mark.parametrize(
    "network",
    NETWORKS,
    ids=lambda network: f"{type(network).__name__}-{network.scale}-{getattr(network, 'upsampling', '')}",
)
def test_reach_is_how_far_a_network_looks(network: TransformationNetwork) -> None:
    assert network.reach is not None
    found = farthest(network, 2 * network.reach + 5)
    assert found <= network.reach <= found + 2
