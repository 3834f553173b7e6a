from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from perceptualloss.errors import InputError
from perceptualloss.networks.checkpoint import read_metadata, save_network
from perceptualloss.networks.named import load_network
from perceptualloss.networks.registry import NETWORKS, build_network


@pytest.mark.parametrize("name", NETWORKS)
def test_a_saved_network_comes_back_the_same(name: str, tmp_path: Path) -> None:
    network = build_network(name)
    network(torch.rand(2, 3, 6, 6))  # moves batch norm's statistics
    file = save_network(network, tmp_path / "deep" / "network.safetensors", loss="mse")
    loaded = load_network(file)
    x = torch.rand(1, 3, 7, 5)
    assert torch.equal(loaded(x), network.eval()(x))
    assert not loaded.training
    assert read_metadata(file)["loss"] == "mse"
    assert [p.name for p in file.parent.iterdir()] == ["network.safetensors"]


def test_what_cannot_be_saved_or_loaded_says_why(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="network to be one of"):
        save_network(nn.Conv2d(3, 3, 1), tmp_path / "x.safetensors")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"ends in \.safetensors"):
        save_network(build_network("Upscale2x"), tmp_path / "x.pth")
    with pytest.raises(InputError, match="no file at"):
        load_network(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("text")
    with pytest.raises(InputError, match="does not load"):
        load_network(tmp_path / "text.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="without a network's name"):
        load_network(tmp_path / "other.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "wrong.safetensors", {"network": "Upscale2x"})
    with pytest.raises(InputError, match="Upscale2x with at most 1 parameters"):
        load_network(tmp_path / "wrong.safetensors")
    with pytest.raises(InputError, match="Did you mean 'Upscale2x'"):
        build_network("Upscale2")
    with pytest.raises(InputError, match="option of Upscale2x to be one of zero_last"):
        build_network("Upscale2x", {"width": 3})


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_not_saved(bad: float, tmp_path: Path) -> None:
    network = build_network("Upscale2x")
    file = save_network(network, tmp_path / "network.safetensors")
    before = file.read_bytes()
    name, buffer = next((n, b) for n, b in network.named_buffers() if b.is_floating_point())
    buffer.view(-1)[0] = bad
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        save_network(network, file)
    assert file.read_bytes() == before
