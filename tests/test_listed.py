"""What is registered is listed: in the documents, by --help, and to recipes."""

from __future__ import annotations

from pathlib import Path

import pytest

from perceptualloss.cli import compare
from perceptualloss.cli.train import build_parser
from perceptualloss.data.registry import DEGRADATIONS
from perceptualloss.losses.registry import LOSSES
from perceptualloss.networks.registry import CRITICS, NETWORKS
from perceptualloss.training.recipe_settings import check_settings

DOCS = Path(__file__).parents[1] / "docs"
LISTS = {
    "network": (NETWORKS, "upscaling.md"),
    "critic": (CRITICS, "critics.md"),
    "degradation": (DEGRADATIONS, "training.md"),
}
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
        assert f"| `{name}" in text
        check_settings({"loss": name})
        check_settings({"loss": {name: {"weight": 2.0, "reduction": "sum"}}})
    assert f"one of {', '.join(LOSSES)}" in help_text
    assert f"compare: {', '.join(LOSSES)}" in " ".join(compare.build_parser().format_help().split())
