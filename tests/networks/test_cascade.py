from __future__ import annotations

import pytest
import torch
from torch import nn

from perceptualloss.apply.tiles import transform_in_tiles
from perceptualloss.errors import InputError
from perceptualloss.networks.cascade import Cascade
from perceptualloss.networks.course import Upscale2x
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.networks.sub_pixel import SubPixelUpscaler


def trained(scale: int, reduce: int = 1) -> SubPixelUpscaler:
    network = SubPixelUpscaler(scale, width=4, blocks=1, reduce=reduce)
    nn.init.normal_(network.last.weight, std=0.2)
    return network


def test_it_is_one_after_the_other_within_range_also_in_tiles() -> None:
    first, second = trained(2), trained(1, reduce=2)
    chain = Cascade([first, second, first]).eval()
    images = torch.rand(1, 3, 30, 21)
    wanted = first(second(first(images).clamp(0, 1)).clamp(0, 1)).detach()
    assert chain.scale == 4
    assert not chain.whole
    torch.testing.assert_close(transform_in_tiles(chain, images, tile=7), wanted, atol=1e-5, rtol=0)
    assert chain.reach is not None
    assert transform_in_tiles(chain, images, tile=7, overlap=0).sub(wanted).abs().max() > 1e-3  # its reach is needed


def test_it_asks_of_tiles_what_its_networks_ask() -> None:
    coarse = trained(1, reduce=2)
    coarse.grid = 6
    chain = Cascade([trained(2), coarse, trained(3)])
    assert (chain.scale, chain.grid, Cascade([coarse, trained(2)]).grid) == (6, 3, 6)
    assert Cascade([nn.Identity(), trained(2)]).reach is None
    assert Cascade([Upscale2x(), trained(2)]).whole  # it enlarges by the size of the whole
    style = StyleTransferNetwork(4, 1)
    assert Cascade([style, trained(2)]).whole
    assert Cascade([trained(2), style]).bytes_per_pixel == 4 * style.bytes_per_pixel
    halves = trained(2)
    halves.precisions = ("fp32", "bf16")
    assert Cascade([trained(2), halves]).precisions == ("fp32", "bf16")
    with pytest.raises(InputError, match="networks to work in turn"):
        Cascade([])
    assert Cascade([ResidualUpscaler(2, 4, 1)]).reach == ResidualUpscaler(2, 4, 1).reach
