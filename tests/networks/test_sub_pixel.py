from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from perceptualloss.apply.tiles import transform_in_tiles
from perceptualloss.errors import InputError
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.named import load_network
from perceptualloss.networks.sub_pixel import EvenSubPixel, ExpandedConvolution, SubPixelUpscaler


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("size", [(1, 1), (5, 8)])
def test_an_untrained_network_interpolates_pictures_of_any_size(scale: int, size: tuple[int, int]) -> None:
    images = torch.rand(2, 3, *size)
    wanted = F.interpolate(images, scale_factor=scale, mode="bilinear", align_corners=False)
    torch.testing.assert_close(SubPixelUpscaler(scale, width=8, blocks=1)(images), wanted)


@pytest.mark.parametrize(("scale", "reduce"), [(1, 2), (2, 2), (1, 3)])
@pytest.mark.parametrize("size", [(1, 1), (5, 8), (6, 6)])
def test_cells_of_pixels_leave_the_size_as_it_is(scale: int, reduce: int, size: tuple[int, int]) -> None:
    images = torch.rand(2, 3, *size)
    wanted = F.interpolate(images, scale_factor=scale, mode="bilinear", align_corners=False)
    torch.testing.assert_close(SubPixelUpscaler(scale, width=8, blocks=1, reduce=reduce)(images), wanted)


@pytest.mark.parametrize(("scale", "reduce"), [(1, 2), (2, 2), (1, 3)])
def test_cells_of_pixels_in_tiles_are_those_of_the_whole(scale: int, reduce: int) -> None:
    torch.manual_seed(0)
    network = SubPixelUpscaler(scale, width=8, blocks=1, detail=4, reduce=reduce).eval()
    nn.init.normal_(network.last.weight)
    images = torch.rand(1, 3, 43, 37)
    torch.testing.assert_close(transform_in_tiles(network, images, tile=7), network(images))
    pixel = images.clone().requires_grad_()
    network(pixel)[..., 20 * scale, 20 * scale].sum().backward()
    assert pixel.grad is not None
    seen = pixel.grad.abs().sum(dim=(0, 1)).nonzero()
    assert network.reach is not None
    assert (seen - 20).abs().max() <= network.reach


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_even_features_give_an_even_picture(scale: int) -> None:
    layer = EvenSubPixel(8, 3, scale).double()
    nn.init.normal_(layer.bias)
    picture = layer(torch.randn(2, 8, 1, 1, dtype=torch.float64).expand(2, 8, 4, 5))
    assert picture.shape == (2, 3, 4 * scale, 5 * scale)
    torch.testing.assert_close(picture, picture[..., :1, :1].expand_as(picture))
    plain = F.pixel_shuffle(F.conv2d(torch.ones(1, 8, 3, 3).double(), layer.weight), scale)
    assert plain.std() > 0.01  # what the layer's own kernels, as they lie there, would give


def test_repeated_pixels_and_a_convolution_are_such_a_layer() -> None:
    """A kernel at full size, folded into places, has equal sums already: the layer leaves it as it is."""
    kernel, scale = torch.randn(3, 8, 3, 3, dtype=torch.float64), 2
    layer = EvenSubPixel(8, 3, scale).double()
    folded = torch.zeros(3, scale, scale, 8, 3, 3, dtype=torch.float64)
    for row in range(scale):
        for column in range(scale):
            for i in range(3):
                for j in range(3):
                    at = (row + i - 1) // scale + 1, (column + j - 1) // scale + 1
                    folded[:, row, column, :, at[0], at[1]] += kernel[:, :, i, j]
    with torch.no_grad():
        layer.weight.copy_(folded.reshape_as(layer.weight))
    torch.testing.assert_close(layer.even_weight(), layer.weight)
    features = torch.randn(1, 8, 6, 7, dtype=torch.float64)
    wanted = F.conv2d(F.interpolate(features, scale_factor=scale, mode="nearest"), kernel, padding=1)
    inside = (..., slice(scale, -scale), slice(scale, -scale))
    torch.testing.assert_close(layer(features)[inside], wanted[inside])


def test_an_even_picture_stays_even_inside_however_the_weights_are() -> None:
    torch.manual_seed(0)
    network = SubPixelUpscaler(4, width=8, blocks=1).double()
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    assert network.reach is not None
    inside = slice(4 * network.reach, -4 * network.reach)  # beyond it, the body sees its zeros around the picture
    picture = network(torch.full((1, 3, 20, 20), 0.3, dtype=torch.float64))[..., inside, inside]
    assert (picture - picture[..., :1, :1]).abs().max() < 1e-9 * picture.abs().max()


def test_fused_it_is_the_same_function_with_plain_convolutions(tmp_path: Path) -> None:
    network = SubPixelUpscaler(4, width=8, blocks=2, detail=4, expand=2).eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    fused, images = network.fused(), torch.rand(2, 3, 9, 7)
    assert fused.expand == 0
    assert not fused.training
    wanted = network(images)  # hundreds, as differences of larger numbers
    torch.testing.assert_close(fused(images), wanted, rtol=0, atol=1e-5 * wanted.abs().max().item())
    torch.testing.assert_close(network.double().fused()(images.double()), network(images.double()))
    plain = SubPixelUpscaler(4, width=8, blocks=2, detail=4)
    assert [p.shape for p in fused.parameters()] == [p.shape for p in plain.parameters()]
    assert fused.fused()(images).equal(fused(images))
    assert load_network(save_network(fused, tmp_path / "x.safetensors"))(images).equal(fused(images))


def test_an_expanded_convolution_is_the_three_of_which_it_is_the_product() -> None:
    layer = ExpandedConvolution(4, 2).double()
    x = torch.randn(2, 4, 6, 5, dtype=torch.float64)
    wide = F.conv2d(F.conv2d(x, layer.enter[:, :, None, None]), layer.middle, padding=1)
    wanted = F.conv2d(wide, layer.leave[:, :, None, None]) + F.conv2d(x, layer.shortcut[:, :, None, None], layer.bias)
    torch.testing.assert_close(layer(x), wanted)


@pytest.mark.parametrize("expand", [0, 2])
def test_it_learns_what_it_is_shown(expand: int) -> None:
    torch.manual_seed(0)
    network = SubPixelUpscaler(4, width=8, blocks=1, expand=expand)
    low, high = torch.rand(1, 3, 6, 6), torch.rand(1, 3, 24, 24)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    first = F.mse_loss(network(low), high).item()
    for _ in range(60):
        loss = F.mse_loss(network(low), high)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.9 * first
    assert all(p.grad is not None for p in network.parameters())


def test_saved_with_its_arguments(tmp_path: Path) -> None:
    network = SubPixelUpscaler(6, width=8, blocks=1, detail=4)
    nn.init.normal_(network.last.weight)
    file = save_network(network, tmp_path / "network.safetensors")
    images = torch.rand(1, 3, 4, 4)
    assert torch.equal(load_network(file)(images), network(images))


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="blocks from 1"):
        SubPixelUpscaler(2, blocks=0)
    with pytest.raises(InputError, match="expand from 0"):
        SubPixelUpscaler(2, expand=-1)
