"""Every network has a page and every critic a section: structure, every setting with its default, costs, source."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from perceptualloss.networks.registry import CRITICS, NETWORKS

DOCS = Path(__file__).parents[1] / "docs"
PARTS = {
    "Structure",
    "What goes in and comes out",
    "Settings",
    "What it makes",
    "Cost",
    "What ships",
    "Pitfalls",
    "Relatives",
    "Source",
}


@pytest.fixture(scope="module", name="costs")
def _costs() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS.parent / "benchmarks"))
        yield importlib.import_module("network_costs")


def text_of(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def sections(page: str) -> dict[str, str]:
    """Return the parts of a page by their headings."""
    return dict(part.partition("\n")[::2] for part in text_of(page).split("\n## "))


def defaults(kind: type) -> dict[str, str]:
    """Return the settings of a class with their defaults as a page writes them."""
    return {
        name: str(setting.default).replace("'", '"') if isinstance(setting.default, tuple) else shown(setting.default)
        for name, setting in inspect.signature(kind).parameters.items()
    }


def shown(default: object) -> str:
    return f'"{default}"' if isinstance(default, str) else str(default)


def listed(part: str) -> dict[str, str]:
    """Return the settings that a list names, with what stands in brackets behind each."""
    return dict(re.findall(r"`(\w+)` \((\(.+?\)|[^()]+)\)[:,]", part))


def figures(page: str) -> dict[str, list[str]]:
    """Return the cells of the rows of a page's tables of costs, by the code in the first."""
    rows = re.findall(r"^\| `(\w+\([^`]*\))` \| (.+) \|$", text_of(page), re.MULTILINE)
    return {code: cells.split(" | ") for code, cells in rows}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_has_a_page(name: str) -> None:
    page = f"networks/{name}.md"
    assert f"[`{name}`]({page})" in text_of("networks.md")
    parts = sections(page)
    assert set(parts) >= PARTS
    assert f"](../images/networks/{name}.svg)" in parts["Structure"]
    assert "$$" in parts["Structure"]
    assert listed(parts["Settings"]) == defaults(NETWORKS[name])
    for picture in re.findall(r"!\[[^]]{20,}\]\(([^)]+)\)", text_of(page)):
        assert (DOCS / "networks" / picture).is_file()
    assert re.search(r"!\[[^]]{20,}\]\(", parts["What it makes"])
    assert len(parts["Source"].strip()) > 20


@pytest.mark.parametrize("name", CRITICS)
def test_a_critic_has_a_section(name: str) -> None:
    part = sections("networks/critics.md")[name]
    assert f"](../images/networks/{name}.svg)" in part
    assert "**Source**: " in part
    assert listed(part) == defaults(CRITICS[name])
    assert f"(networks/critics.md#{name.lower()})" in text_of("critics.md")


def test_counts_of_the_tables_are_those_of_the_networks(costs: ModuleType) -> None:
    whole = figures("networks.md")
    assert set(whole) == set(costs.ALL)
    for name, codes in costs.NETWORKS.items():
        own = figures(f"networks/{name}.md")
        assert {code: own[code] for code in codes} == {code: whole[code] for code in codes}
    for code, row in whole.items():
        assert tuple(row[:2]) == costs.counts(code), code


def test_every_network_and_critic_has_costs(costs: ModuleType) -> None:
    assert set(costs.NETWORKS) == set(NETWORKS)
    rows = figures("networks/critics.md")
    assert set(rows) == set(costs.CRITICS)
    assert {code.partition("(")[0] for code in rows} == set(CRITICS)
    assert tuple(rows["PatchCritic()"][:2]) == costs.critic_counts("PatchCritic()")


@pytest.mark.parametrize(("name", "weights"), [("SubPixelUpscaler(4)", 467), ("Critic()", 17470)])
def test_weights_are_counted(costs: ModuleType, name: str, weights: int) -> None:
    count = costs.counts if name in costs.ALL else costs.critic_counts
    assert count(name)[0] == f"{weights:,}"
