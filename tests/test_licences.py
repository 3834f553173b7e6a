"""Licences: every weight that ships has a card and a row, NOTICE says whom to name; the citation has the version."""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from perceptualloss.errors import InputError

ROOT = Path(__file__).parents[1]
REMEDY = "python benchmarks/licences.py makes it anew"


@pytest.fixture(scope="module", name="licences")
def _licences() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        yield importlib.import_module("licences")


def test_every_weight_that_ships_has_a_row(licences: ModuleType) -> None:
    page = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    files = list((ROOT / "src").rglob("*.safetensors"))
    assert sorted(files) == sorted(licences.weight_files())
    assert f"<!-- table: weights -->\n\n{licences.weights_table()}\n<!-- end -->" in page, REMEDY


def test_every_package_that_is_asked_for_has_a_row(licences: ModuleType) -> None:
    page = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    for extra in (None, *licences.EXTRAS):
        for name in licences._direct(extra):
            assert f"| {name.replace('_', '-').lower()} | " in page, f"{name}: {REMEDY}"
    assert "GPL-2.0" in next(line for line in page.splitlines() if line.startswith("| av |"))


def test_the_notice_is_of_these_cards_and_in_the_wheel(licences: ModuleType) -> None:
    text = (ROOT / "NOTICE").read_text(encoding="utf-8")
    assert text == licences.notice(), REMEDY
    assert "embedded/compact.safetensors" in text
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "NOTICE" in project["license-files"]


def test_cards_that_say_too_little_are_refused(licences: ModuleType, tmp_path: Path) -> None:
    card = tmp_path / "a.md"
    card.write_text("# a\n\n- **Data:** some photos.\n- **Use:** any.\n")
    with pytest.raises(InputError, match=r"under Data in a.md"):
        licences.learned_from(card)
    with pytest.raises(InputError, match=r"an entry Licence in a.md"):
        licences.licence(card)
    card.write_text(
        "# a\n\n- **Data:** photos of\n  CID22 (CC BY-SA 4.0).\n- **Licence:** as the package, Apache-2.0.\n"
    )
    assert (licences.learned_from(card), licences.licence(card)) == ("CID22 (CC BY-SA 4.0)", "Apache-2.0")


def test_the_citation_has_the_version_of_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
