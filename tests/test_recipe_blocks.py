"""The YAML blocks of the documents are recipes, or parts of one: their names, types and numbers are checked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from perceptualloss.training.recipe_checks import check_recipe
from perceptualloss.training.recipe_settings import build_recipe, check_settings

DOCS = Path(__file__).parents[1] / "docs"
PAGES = ("training-data", "recipes", "adversarial", "training-styles", "machines", "critics", "losses")
BLOCKS = [
    (page, block)
    for page in PAGES
    for block in re.findall(r"^```yaml\n(.*?)^```", (DOCS / f"{page}.md").read_text(encoding="utf-8"), re.S | re.M)
]
USUAL: dict[str, Any] = {"network": "Upscale2x", "degradation": "Downscale", "loss": "L1Loss"}


def test_blocks_are_seen() -> None:
    assert len(BLOCKS) > 5


@pytest.mark.parametrize(("page", "block"), BLOCKS)
def test_a_block_is_a_part_of_a_recipe(page: str, block: str) -> None:
    settings = USUAL | yaml.safe_load(block)
    settings.pop("name", None)
    if page == "training-styles":
        settings |= {"network": "StyleTransferNetwork", "style": "picture.jpg", "degradation": None}
    check_settings(settings)
    if "vgg16" not in block:  # whose weights a test has not
        check_recipe(build_recipe(settings))
