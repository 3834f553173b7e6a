"""The small autoencoder: sizes, codes, what it adds to a loss, tiles."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from perceptualloss.apply.tiles import transform_in_tiles
from perceptualloss.errors import InputError
from perceptualloss.networks.autoencoder import Autoencoder
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.named import load_network

SMALL: dict[str, Any] = {"width": 4, "detail": 2}


@pytest.mark.parametrize("code", ["kl", "fsq"])
@pytest.mark.parametrize("size", [(1, 1), (8, 16), (13, 22)])
def test_any_size_comes_back_and_is_that_of_the_filled_picture(code: Any, size: tuple[int, int]) -> None:
    network = Autoencoder(code, **SMALL).eval()
    picture = torch.rand(2, 3, *size)
    down, right = (-side % 8 for side in size)
    filled = F.pad(picture, (0, right, 0, down), mode="replicate")
    result = network(picture)
    assert result.shape == picture.shape
    assert torch.equal(result, network(filled)[..., : size[0], : size[1]])
    code_of = network.encode(picture)
    assert code_of.shape[-2:] == (math.ceil(size[0] / 8), math.ceil(size[1] / 8))
    assert torch.equal(network.decode(code_of, size), result)


def test_the_size_of_the_code() -> None:
    assert Autoencoder("kl", **SMALL).bits_per_pixel == 4 * 16 / 64
    assert Autoencoder("fsq", levels=[4, 4, 2], **SMALL).bits_per_pixel == 5 / 64


def test_an_fsq_code_is_its_numbers() -> None:
    network = Autoencoder("fsq", levels=[5, 3], **SMALL).eval()
    assert network.quantizer is not None
    code = network.encode(torch.rand(1, 3, 24, 16))
    numbers = network.quantizer.indices(code)
    assert numbers.shape == (1, 3, 2)
    assert torch.equal(network.decode(network.quantizer.codes(numbers)), network.decode(code))


def test_a_kl_code_is_drawn_in_training_and_its_mean_in_evaluation() -> None:
    network, picture = Autoencoder("kl", kl_weight=0.5, **SMALL), torch.rand(2, 3, 16, 8)
    posterior = network.posterior(picture)
    torch.manual_seed(0)
    drawn = network.encode(picture)
    torch.manual_seed(0)
    assert torch.equal(drawn, posterior.sample())
    assert not torch.equal(drawn, network.encode(picture))
    assert torch.equal(network.eval().encode(picture), posterior.mean)
    _, terms = network.with_terms(picture)
    assert terms["kl"].item() == pytest.approx(0.5 * posterior.divergence().mean().item() / (3 * 16 * 8))
    assert Autoencoder("fsq", **SMALL).with_terms(picture)[1] == {}


def test_gradients_reach_the_encoder_through_either_code() -> None:
    torch.manual_seed(0)
    for code in ("kl", "fsq"):
        network = Autoencoder(code, **SMALL)  # type: ignore[arg-type]
        picture, terms = network.with_terms(torch.rand(1, 3, 16, 16))
        (picture.square().mean() + sum(terms.values())).backward()
        for layer in (network.encoder[1], network.decoder[-1]):
            assert layer.weight.grad is not None
            assert layer.weight.grad.abs().sum() > 0, code


@pytest.mark.parametrize("code", ["kl", "fsq"])
def test_tiles_give_the_whole(code: Any) -> None:
    torch.manual_seed(0)
    network = Autoencoder(code, **SMALL).eval()
    picture = torch.rand(1, 3, 301, 118)
    whole = transform_in_tiles(network, picture, tile=301)
    assert torch.allclose(transform_in_tiles(network, picture, tile=83), whole, atol=1e-5)
    apart = transform_in_tiles(network, picture, tile=83, overlap=0)  # the grid alone does not do it
    assert not torch.allclose(apart, whole, atol=1e-5)


@pytest.mark.parametrize("blocks", [1, 2])
def test_reach_is_how_far_it_looks(blocks: int) -> None:
    network = Autoencoder("kl", blocks=blocks, width=1, detail=1, channels=1).double().eval()
    for parameter in network.parameters():
        nn.init.uniform_(parameter, 0.01, 0.02)
    found, side = 0, 8 * math.ceil(network.reach / 8)
    picture = torch.full((1, 3, 2 * side + 8, 2 * side + 8), 0.8, dtype=torch.float64, requires_grad=True)
    for place in range(side, side + 8):
        (gradient,) = torch.autograd.grad(network(picture)[..., place, place].sum(), picture)
        seen = gradient.abs().sum(dim=(0, 1, 2)).nonzero().flatten()
        found = max(found, place - int(seen.min()), int(seen.max()) - place)
    assert found == network.reach


def test_saved_with_its_arguments(tmp_path: Path) -> None:
    network = Autoencoder("fsq", levels=[3, 4], **SMALL).eval()
    loaded = load_network(save_network(network, tmp_path / "network.safetensors"))
    picture = torch.rand(1, 3, 9, 8)
    assert isinstance(loaded, Autoencoder)
    assert loaded.levels == (3, 4)
    assert torch.equal(loaded(picture), network(picture))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0}, "from 1"),
        ({"kl_weight": -1.0}, "kl_weight from 0"),
        ({"code": "vq"}, "code to be one of kl, fsq"),
        ({"levels": [4, 4]}, "no levels with the code 'kl'"),
        ({"code": "fsq", "channels": 8}, "no channels with the code 'fsq'"),
        ({"code": "fsq", "levels": [1]}, "levels from 2"),
    ],
)
def test_what_cannot_be_says_why(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Autoencoder(**arguments)


def test_only_a_kl_code_has_distributions() -> None:
    with pytest.raises(InputError, match="for distributions"):
        Autoencoder("fsq", **SMALL).posterior(torch.rand(1, 3, 8, 8))
