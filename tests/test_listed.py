"""What is registered is listed: in the documents, by --help, and to recipes."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from perceptualloss.cli import compare
from perceptualloss.cli.train import build_parser
from perceptualloss.data.registry import DEGRADATIONS
from perceptualloss.losses.presets import Preset
from perceptualloss.losses.registry import LOSSES
from perceptualloss.networks.registry import CRITICS, NETWORKS
from perceptualloss.training.balance import Balancing
from perceptualloss.training.game import Game
from perceptualloss.training.recipe import Recipe
from perceptualloss.training.recipe_checks import GAME, RANGES
from perceptualloss.training.recipe_settings import check_settings
from perceptualloss.training.shipped_recipes import shipped_recipes

DOCS = Path(__file__).parents[1] / "docs"
LISTS = {
    "network": (NETWORKS, "networks.md"),
    "critic": (CRITICS, "critics.md"),
    "degradation": (DEGRADATIONS, "training-data.md"),
}
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
OPTIONS = {"InTurn": {"parts": ["Grey"]}, "OneOf": {"parts": ["Grey"]}}


def test_help_lists_what_was_registered_before(monkeypatch: pytest.MonkeyPatch) -> None:
    for part, (names, _) in LISTS.items():
        monkeypatch.setitem(names, f"My{part}", next(iter(names.values())))
    text = " ".join(build_parser().format_help().split())
    assert all(f"My{part}" in text for part in LISTS)


@pytest.fixture(scope="module")
def help_text() -> str:
    return " ".join(build_parser().format_help().split())


@pytest.mark.parametrize(("part", "name"), [(part, name) for part, (names, _) in LISTS.items() for name in names])
def test_a_registered_class_is_listed(part: str, name: str, help_text: str) -> None:
    names, page = LISTS[part]
    assert f"`{name}" in (DOCS / page).read_text(encoding="utf-8")
    assert ", ".join(names) in help_text
    check_settings({part: {"class_path": name, "init_args": OPTIONS.get(name, {})}})


def test_a_registered_loss_is_listed(help_text: str) -> None:
    text = (DOCS / "losses.md").read_text(encoding="utf-8")
    for name in LOSSES:
        assert f"| `{name}`" in text or f"| [`{name}`](losses/{name}.md)" in text
        check_settings({"loss": name})
        check_settings({"loss": {name: {"weight": 2.0, "reduction": "sum"}}})
    assert f"one of {', '.join(LOSSES)}" in help_text
    assert f"compare: {', '.join(LOSSES)}" in " ".join(compare.build_parser().format_help().split())


PAGES = [
    *(name for name, loss in LOSSES.items() if not isinstance(loss, Preset)),
    *("WeightedLoss", "BalancedLoss", "VideoLoss", "TemporalLoss", "WarpingLoss", "GANLoss"),
]


@pytest.mark.parametrize("name", PAGES)
def test_a_loss_has_a_page_with_its_picture_formula_cost_and_source(name: str) -> None:
    text = (DOCS / "losses" / f"{name}.md").read_text(encoding="utf-8")
    assert f"losses/{name}.md" in (DOCS / "losses.md").read_text(encoding="utf-8")
    assert "losses/*.md" in (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8")
    parts = dict(part.partition("\n")[::2] for part in text.split("\n## "))
    assert "$$" in parts["Formula"]
    assert {"What goes in and comes out", "When not to use it", "Relatives"} <= set(parts)
    assert len(parts["Source"].strip()) > 20
    assert "| `" in parts["Cost"]
    pictures = re.findall(r"!\[[^]]{20,}\]\(([^)]+)\)", text)
    assert f"../images/losses/{name}.jpg" in pictures
    for picture in pictures:
        assert (DOCS / "losses" / picture).stat().st_size < 60_000


def test_pictures_of_losses_are_small_together() -> None:
    assert sum(file.stat().st_size for file in (DOCS / "images" / "losses").glob("*.jpg")) < 2_000_000


def listed_settings(page: str, heading: str) -> dict[str, list[str]]:
    """Return the cells behind the names of settings in the tables of a part of a page."""
    text = (DOCS / page).read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found: dict[str, list[str]] = {}
    for names, rest in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|(.*)\|$", text, re.MULTILINE):
        found |= {name: rest.split("|") for name in re.findall(r"`(\w+)`", names)}
    return found


def numbers(cell: str) -> list[float]:
    """Return the numbers of a cell: 1 and 1e9 of "1 to 10⁹"."""
    found = re.findall(r"(\d+(?:\.\d+)?)([⁰¹²³⁴⁵⁶⁷⁸⁹]*)( - 1)?", cell.replace(",", ""))
    return [float(base) ** int(power.translate(SUPERSCRIPTS) or 1) - bool(less) for base, power, less in found]


@pytest.mark.parametrize(
    ("kind", "page", "heading", "ranges"),
    [
        (Recipe, "recipes.md", "Settings", RANGES),
        (Game, "adversarial.md", "Settings", GAME),
        (Balancing, "adversarial.md", "Balance", {}),
    ],
)
def test_every_setting_is_listed_with_its_default_and_range(
    kind: type, page: str, heading: str, ranges: dict[str, tuple[float, float]]
) -> None:
    listed = listed_settings(page, heading)
    assert set(listed) == {field.name for field in fields(kind)}
    for field in fields(kind):
        default, bounds, *_ = listed[field.name]
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            assert numbers(default) == [field.default], field.name
        if field.name in ranges:
            assert numbers(bounds) == list(ranges[field.name]), field.name


def test_every_recipe_is_listed() -> None:
    text = (DOCS / "recipes.md").read_text(encoding="utf-8")
    assert [name for name in shipped_recipes() if f"`{name}`" not in text] == []
