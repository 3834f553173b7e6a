from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from perceptualloss.cli.recipe_options import with_checked_recipe

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
    start = ["--recipe", str(tmp_path / "recipe.yaml"), "--steps", "5"]
    *kept, name, loss = with_checked_recipe([*start, *options, "--crop=32"])
    assert (kept, name) == ([*start, "--crop=32"], "--loss")
    assert json.loads(loss) == {"PerceptualLoss": expected, "L1Loss": 0.5}


def test_weights_and_new_losses(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    start = ["--recipe", str(tmp_path / "recipe.yaml")]
    options = ["--loss.L1Loss.input_range", "[0, 1]", "--loss.EdgeLoss.threshold", "0.1", "--loss.PerceptualLoss", "2"]
    loss = json.loads(with_checked_recipe([*start, *options])[-1])
    assert loss == {
        "PerceptualLoss": 2,
        "L1Loss": {"weight": 0.5, "input_range": [0, 1]},
        "EdgeLoss": {"threshold": 0.1},
    }


def test_a_bare_name_is_kept(tmp_path: Path) -> None:
    (tmp_path / "name.yaml").write_text("loss: perceptual\nnetwork: ResidualUpscaler", encoding="utf-8")
    options = ["--loss.L1Loss", "5", "--network.width", "8", "--network.init_args.blocks=2"]
    words = with_checked_recipe(["--recipe", str(tmp_path / "name.yaml"), *options, "--critic", "Critic"])
    given = {words[n]: json.loads(words[n + 1]) for n in range(2, len(words), 2)}
    assert given == {
        "--loss": {"perceptual": {}, "L1Loss": 5},
        "--network": {"class_path": "ResidualUpscaler", "init_args": {"width": 8, "blocks": 2}},
        "--critic": "Critic",
    }


def test_other_words_stay(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    words = ["--recipe", str(tmp_path / "recipe.yaml"), "--steps", "5", "--schedule.kind", "cosine"]
    assert with_checked_recipe(words) == words
