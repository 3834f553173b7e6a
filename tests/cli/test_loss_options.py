from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from perceptualloss.cli.loss_options import with_whole_loss

RECIPE = """
loss:
  PerceptualLoss: {network: vgg16, layers: {relu2_2: 1e-3}}
  L1Loss: 0.5
"""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--loss.PerceptualLoss.network", "compact"], {"network": "compact", "layers": {"relu2_2": 1e-3}}),
        (["--loss.PerceptualLoss.layers.relu2_2=2e-3"], {"network": "vgg16", "layers": {"relu2_2": 2e-3}}),
        (["--loss.PerceptualLoss.layers", "[relu1_2]"], {"network": "vgg16", "layers": ["relu1_2"]}),
    ],
)
def test_one_option_leaves_the_others(options: list[str], expected: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    start = ["train", "--recipe", str(tmp_path / "recipe.yaml"), "--steps", "5"]
    *kept, name, loss = with_whole_loss([*start, *options, "--crop=32"])
    assert (kept, name) == ([*start, "--crop=32"], "--loss")
    assert json.loads(loss) == {"PerceptualLoss": expected, "L1Loss": 0.5}


def test_weights_and_new_losses(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    start = ["train", "--recipe", str(tmp_path / "recipe.yaml")]
    options = ["--loss.L1Loss.input_range", "[0, 1]", "--loss.EdgeLoss.threshold", "0.1", "--loss.PerceptualLoss", "2"]
    loss = json.loads(with_whole_loss([*start, *options])[-1])
    assert loss == {
        "PerceptualLoss": 2,
        "L1Loss": {"weight": 0.5, "input_range": [0, 1]},
        "EdgeLoss": {"threshold": 0.1},
    }


def test_words_without_such_options_stay(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    (tmp_path / "name.yaml").write_text("loss: perceptual", encoding="utf-8")
    for words in (
        ["train", "--recipe", str(tmp_path / "recipe.yaml"), "--steps", "5"],
        ["train", "--recipe", str(tmp_path / "name.yaml"), "--loss.L1Loss", "5"],
        ["train", "--loss", "L1Loss"],
        ["train", "--recipe", "none.yaml", "--loss.L1Loss", "5"],
    ):
        assert with_whole_loss(words) == words
