from __future__ import annotations

import pytest
import torch
from torch import nn

from perceptualloss.errors import InputError
from perceptualloss.networks.course import Upscale2x
from perceptualloss.networks.johnson import SuperResolutionNetwork
from perceptualloss.networks.named import blend
from perceptualloss.networks.residual import ResidualUpscaler


def test_the_ends_are_the_networks_and_between_them_the_weights_are_blended() -> None:
    first, second = (SuperResolutionNetwork(2, width=4, blocks=1) for _ in range(2))
    second(torch.rand(2, 3, 6, 6))  # moves batch norm's statistics, and its whole number of batches
    x = torch.rand(1, 3, 5, 5)
    for amount, end in ((0.0, first), (1.0, second)):
        torch.testing.assert_close(blend(first, second, amount).eval()(x), end.eval()(x))
    quarter = blend(first, second, 0.25)
    parts = zip(quarter.parameters(), first.parameters(), second.parameters(), strict=True)
    for found, a, b in parts:
        torch.testing.assert_close(found, 0.75 * a + 0.25 * b)


def test_for_one_linear_layer_the_outputs_are_blended_too() -> None:
    networks = [ResidualUpscaler(2, width=4, blocks=1) for _ in range(2)]
    networks[1].load_state_dict(networks[0].state_dict())
    nn.init.normal_(networks[1].last.weight)
    x = torch.rand(1, 3, 5, 5)
    a, b = (network(x) for network in networks)
    torch.testing.assert_close(blend(*networks, 0.3)(x), 0.7 * a + 0.3 * b)


def test_networks_that_differ_and_amounts_beyond_are_refused() -> None:
    one, other = ResidualUpscaler(2, width=4, blocks=1), ResidualUpscaler(2, width=6, blocks=1)
    with pytest.raises(InputError, match="weights alone"):
        blend(one, other, 0.5)
    with pytest.raises(InputError, match="Upscale2x"):
        blend(one, Upscale2x(), 0.5)
    with pytest.raises(InputError, match="from 0 to 1"):
        blend(one, one, 1.2)
