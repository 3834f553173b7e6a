"""The loop of docs/critics.md runs as it stands, with fewer steps, and its recipe is one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
import yaml

import perceptualloss
from perceptualloss.losses.adversarial import Kind
from perceptualloss.training.recipe_settings import build_recipe

TEXT = (Path(__file__).parents[1] / "docs" / "critics.md").read_text(encoding="utf-8")
(LOOP,) = re.findall(r"```python\n(.*?)```", TEXT, re.S)
(RECIPE,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.S)
CRITICS = {
    "as it stands": "PatchCritic(width=16, n_layers=2)",
    "course": "perceptualloss.Critic(2)",
    "scales": "perceptualloss.MultiScaleCritic(2, 2, 1)",
    "unet": "perceptualloss.UNetCritic(2)",
    "projected": 'perceptualloss.ProjectedCritic(layers=["relu1_1", "relu2_1"], width=2, augment=False)',
}


@pytest.mark.parametrize("name", CRITICS)
def test_the_loop_runs_with_every_critic(name: str) -> None:
    loop = LOOP.replace("range(100)", "range(2)").replace(CRITICS["as it stands"], CRITICS[name])
    if name != "as it stands":
        loop = loop.replace("64, 64", "24, 24")
    found: dict[str, Any] = {"__name__": "__main__", "perceptualloss": perceptualloss}
    exec(compile(loop, name, "exec"), found)
    assert torch.isfinite(found["loss"])
    assert int(found["lecam"].steps) == 2
    assert all(parameter.requires_grad for parameter in found["critic"].parameters())


def test_the_recipe_is_one() -> None:
    settings = {"network": "Upscale2x", "loss": "L1Loss", "degradation": "Downscale"} | yaml.safe_load(RECIPE)
    recipe = build_recipe(settings)
    assert recipe.critic is not None
    assert recipe.adversarial is not None
    assert recipe.adversarial.lecam == 0.1


def test_the_page_has_every_kind() -> None:
    for kind in get_args(Kind):
        assert f"`{kind}`" in TEXT
