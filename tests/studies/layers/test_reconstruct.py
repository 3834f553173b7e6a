"""What a layer keeps, where the answer is known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.features.network import loss_network
from perceptualloss.losses.style import gram_matrix
from perceptualloss.pictures.images import read_image
from perceptualloss.studies.layers.reconstruct import (
    Kind,
    reconstruct,
    reconstruct_layers,
    reconstruction_panel,
    write_reconstructions,
)


def ramps(size: int = 32) -> Tensor:
    ramp = torch.linspace(0.2, 0.8, size)
    return torch.stack([ramp.expand(size, size), ramp[:, None].expand(size, size), torch.full((size, size), 0.4)])[None]


def test_a_shallow_layer_gives_the_picture_back() -> None:
    photo = ramps()
    found = reconstruct(photo, loss_network("compact", ["relu1_2"]), steps=80)
    assert found.error < 1e-3
    assert (found.picture - photo).abs().mean() < 0.02
    assert found.psnr > 30


def test_deep_layers_keep_less_than_shallow_ones() -> None:
    photo = torch.rand(1, 3, 40, 40)
    shallow, deep = reconstruct_layers(photo, ["relu1_1", "relu3_3"], steps=25)
    assert shallow.psnr > deep.psnr + 3


def test_gram_matrices_are_met_without_the_layout() -> None:
    photo = torch.full((1, 3, 32, 32), 0.3)
    photo[..., 16:] = torch.tensor([0.8, 0.4, 0.2]).view(1, 3, 1, 1) * torch.rand(1, 1, 32, 16)
    network = loss_network("compact", ["relu1_1"])
    found = reconstruct(photo, network, "style", steps=60, space="pixels")
    assert found.error < 0.02
    wanted, got = (gram_matrix(network(x)["relu1_1"]) for x in (photo, found.picture))
    # the error is what the Gram matrices say
    assert found.error == pytest.approx(((got - wanted).square().sum() / wanted.square().sum()).item(), rel=1e-3)
    assert found.psnr < 20


@pytest.mark.parametrize("kind", ["feature", "style"])
def test_it_repeats_itself_and_the_seed_matters(kind: Kind) -> None:
    photo, network = ramps(16), loss_network("compact", ["relu1_1"])
    first, again = (reconstruct(photo, network, kind, steps=3) for _ in range(2))
    other = reconstruct(photo, network, kind, steps=3, seed=1)
    assert torch.equal(first.picture, again.picture)
    assert first.losses == again.losses
    assert not torch.equal(first.picture, other.picture)


def test_row_of_pictures_and_figures_are_written(tmp_path: Path) -> None:
    photo = ramps(24)
    seen = []
    found = reconstruct_layers(
        photo, ["relu1_1", "relu1_1+relu2_1"], steps=2, progress=lambda number, step: seen.append((number, step.number))
    )
    assert seen == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    files = write_reconstructions(photo, found, tmp_path / "new", {"steps": 2})
    assert {file.name for file in files} == {
        *("panel.png", "figures.json", "photo.png", "relu1_1.png", "relu1_1+relu2_1.png")
    }
    figures = json.loads((tmp_path / "new" / "figures.json").read_text())
    assert figures["settings"] == {"steps": 2}
    assert [one["layers"] for one in figures["layers"]] == ["relu1_1", "relu1_1+relu2_1"]
    assert all(len(one["losses"]) == 3 for one in figures["layers"])
    assert torch.allclose(read_image(tmp_path / "new" / "relu1_1.png"), found[0].picture, atol=1 / 255)
    with Image.open(tmp_path / "new" / "panel.png") as panel:
        assert panel.size == reconstruction_panel(photo, found).size
        assert panel.width > 3 * 256


def test_errors_of_use() -> None:
    network = loss_network("compact", ["relu1_1"])
    with pytest.raises(InputError, match="one photo"):
        reconstruct(torch.rand(2, 3, 16, 16), network)
    with pytest.raises(InputError, match="Did you mean 'style'"):
        reconstruct(ramps(16), network, "styl")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="total_variation"):
        reconstruct(ramps(16), network, total_variation=-1.0)
    with pytest.raises(InputError, match="layer to be one of"):
        reconstruct_layers(ramps(16), ["relu1_1", "relu9_9"])
