from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from perceptualloss.errors import InputError
from perceptualloss.networks import named as module
from perceptualloss.networks.checkpoint import load_network, save_network
from perceptualloss.networks.named import KINDS, shipped, shipped_network
from perceptualloss.networks.residual import ResidualUpscaler


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of networks that ship: two kinds for x2, one for x4."""
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    for name in ("residual2x-mse", "residual2x-perceptual", "residual4x-adversarial"):
        network = ResidualUpscaler(int(name[8]), width=4, blocks=1)
        nn.init.normal_(network.last.weight)
        save_network(network, tmp_path / f"{name}.safetensors")
    (tmp_path / "residual2x-mse.md").write_text("card")
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
