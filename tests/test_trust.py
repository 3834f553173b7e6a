"""Classes of one's own: admitted by an explicit switch, never by a recipe."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from perceptualloss import cli
from perceptualloss.errors import InputError
from perceptualloss.networks.checkpoint import read_metadata
from perceptualloss.networks.named import load_network
from perceptualloss.training.recipe_settings import LISTS, trust

MODULE = """
import torch
from torch import nn
from perceptualloss.data.degrade import Degradation, Downscale
from perceptualloss.losses.pixel import L1Loss
from perceptualloss.networks.base import TransformationNetwork

class Own(TransformationNetwork):
    def __init__(self, width: int = 2) -> None:
        super().__init__()
        self.width = width
        self.layers = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.Conv2d(width, 3, 1))

    def forward(self, x):
        return x + self.layers(x)

class OwnLoss(L1Loss):
    pass

class Darker(Degradation):
    def __init__(self, factor: float = 0.5) -> None:
        self.factor = factor

    def __call__(self, target, random):
        return self.factor * target

class OwnCritic(nn.Module):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, width, 3)

    def forward(self, images):
        return self.layer(images).mean((2, 3)).sum(1, keepdim=True)
"""
RECIPE = """
network: {class_path: Own, init_args: {width: 3}}
loss: {OwnLoss: 1.0}
degradation: {class_path: own_parts.Darker, init_args: {factor: 0.4}}
adversarial: {kind: vanilla}
critic: OwnCritic
"""


@pytest.fixture
def _own_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_parts.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for _, known in LISTS:
        for name in ("Own", "OwnLoss", "Darker", "OwnCritic"):
            monkeypatch.setitem(known, name, None)  # so that what the test adds is taken out after it
            monkeypatch.delitem(known, name)
    monkeypatch.delitem(sys.modules, "own_parts", raising=False)


@pytest.mark.usefixtures("_own_parts")
def test_a_trusted_module_trains_and_its_network_loads(
    small_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "recipe.yaml", "--smoke", "--photos", str(small_photos), "--validation", "1", "--device", "cpu"]
    assert cli.main(words) == 2
    assert "loss to be one of" in capsys.readouterr().err
    assert "own_parts" not in sys.modules
    assert cli.main(["--trust", "own_parts", *words, "--network.width", "5"]) == 0
    file = tmp_path / "runs" / "train" / "network.safetensors"
    assert read_metadata(file)["network"] == "Own"
    network = load_network(file)
    assert (type(network).__name__, network.width) == ("Own", 5)
    assert network(torch.rand(1, 3, 8, 8)).isfinite().all()


@pytest.mark.usefixtures("_own_parts")
def test_what_cannot_be_trusted_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InputError, match="does not import"):
        trust("no_such_module")
    with pytest.raises(InputError, match="none that it defines"):
        trust("json")
    (tmp_path / "taken.py").write_text("from torch import nn\nclass Critic(nn.Module):\n    pass\n", encoding="utf-8")
    with pytest.raises(InputError, match="a name that is free"):
        trust("taken")
    assert sorted(trust("own_parts")) == ["Darker", "Own", "OwnCritic", "OwnLoss"]
    assert cli.main(["--trust", "no_such_module", "upscale"]) == 2
