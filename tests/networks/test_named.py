from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from perceptualloss.errors import InputError
from perceptualloss.networks import named as module
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.named import (
    KINDS,
    list_networks,
    load_network,
    network_file,
    shipped,
    shipped_network,
    shipped_style,
)
from perceptualloss.networks.residual import ResidualUpscaler


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of networks that ship: two kinds for x2, one for x4."""
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    for name in ("subpixel2x-mse", "subpixel2x-perceptual", "subpixel4x-adversarial"):
        network = ResidualUpscaler(int(name[8]), width=4, blocks=1)
        nn.init.normal_(network.last.weight)
        save_network(network, tmp_path / f"{name}.safetensors")
    (tmp_path / "subpixel2x-mse.md").write_text("card")
    (tmp_path / "other.safetensors").write_text("")
    return tmp_path


def test_what_is_there_is_found(folder: Path) -> None:
    assert set(shipped()) == {(2, "mse"), (2, "perceptual"), (4, "adversarial")}
    x = torch.rand(1, 3, 4, 4)
    for (scale, kind), file in shipped().items():
        network = shipped_network(scale, kind)
        assert network.scale == scale
        assert torch.equal(network(x), load_network(file)(x))


def test_perception_is_between_the_two(folder: Path) -> None:
    x = torch.rand(1, 3, 4, 4)
    ends = [shipped_network(2, kind)(x) for kind in ("mse", "perceptual")]
    for amount, end in zip((0.0, 1.0), ends, strict=True):
        torch.testing.assert_close(shipped_network(2, perception=amount)(x), end)
    assert not torch.allclose(shipped_network(2, perception=0.5)(x), ends[0])
    torch.testing.assert_close(shipped_network(2, "mse")(x), ends[0])  # what was loaded stays as it was


def test_what_is_missing_is_said(folder: Path) -> None:
    with pytest.raises(InputError, match=r"perceptual x4 .* mse x2, perceptual x2, adversarial x4"):
        shipped_network(4, "perceptual")
    with pytest.raises(InputError, match="mse x4"):
        shipped_network(4, perception=0.5)
    with pytest.raises(InputError, match="Did you mean 'perceptual'"):
        shipped_network(2, "perceptal")
    with pytest.raises(InputError, match="kind 'adversarial' too"):
        shipped_network(2, "adversarial", perception=0.5)
    with pytest.raises(InputError, match="from 0 to 1"):
        shipped_network(2, perception=2)


def test_the_files_that_really_ship_load() -> None:
    for (scale, kind), file in shipped().items():
        network = load_network(file)
        assert kind in KINDS
        assert network(torch.rand(1, 3, 6, 5)).shape == (1, 3, 6 * scale, 5 * scale)


def test_every_network_that_ships_is_listed_with_its_card_and_loads_by_its_name() -> None:
    cards = list_networks()
    assert {card.file for card in cards} == set(module.FOLDER.glob("*.safetensors"))
    assert {"subpixel2x-perceptual", "subpixel4x-mse", "style-wave"} <= {card.name for card in cards}
    for card in cards:
        network = load_network(card.name)
        assert (type(network).__name__, network.scale) == (card.network, card.scale)
        assert sum(value.numel() for value in network.state_dict().values()) == card.weights
        assert card.bytes == card.file.stat().st_size
        assert "Apache-2.0" in card.licence
        assert card.kind in (*KINDS, "restore", "style")


def test_a_licence_of_several_lines_is_whole_and_a_card_may_be_missing(folder: Path) -> None:
    text = "# x\n\n- **File:** x.\n- **Licence:** Apache-2.0. Its data\n  ask for more.\n- **Limits:** none.\n"
    (folder / "subpixel2x-mse.md").write_text(text)
    licences = {card.name: card.licence for card in list_networks()}
    assert licences["subpixel2x-mse"] == "Apache-2.0. Its data ask for more."
    assert licences["subpixel2x-perceptual"] == ""
    assert len(licences) == 3


def test_a_style_has_a_short_name_and_a_file_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.rand(1, 3, 12, 12)
    assert torch.equal(load_network("wave")(x), load_network("style-wave")(x))
    assert shipped_style("style-wave").scale == shipped_style("wave").scale == 1
    monkeypatch.chdir(tmp_path)
    file = save_network(ResidualUpscaler(3, width=4, blocks=1), tmp_path / "network.safetensors")
    file.rename("wave")
    assert load_network("wave").scale == 3
    assert network_file(Path("wave")) == Path("wave")


def test_upscale_takes_one_family_for_each_scale(folder: Path) -> None:
    save_network(ResidualUpscaler(4, width=4, blocks=1), folder / "residual4x-mse.safetensors")
    assert {key: file.stem for key, file in shipped().items()} == {
        (2, "mse"): "subpixel2x-mse",
        (2, "perceptual"): "subpixel2x-perceptual",
        (4, "adversarial"): "subpixel4x-adversarial",
    }
    assert load_network("residual4x-mse").scale == 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("subpixel4x-perceptul", r"Did you mean 'subpixel4x-perceptual'\? Or name the file of one"),
        ("wawe", "Did you mean 'wave'"),
        ("runs/wave", "no file at runs/wave"),
        ("wave.safetensors", r"no file at wave\.safetensors"),
        ("", "no file at"),
        ("../wave", "no file at"),
    ],
)
def test_an_unknown_name_lists_near_ones_and_a_path_is_one(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        load_network(name)
