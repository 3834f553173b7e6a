"""Drawings in the documents are what their scripts draw, so they show the networks as they are."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def drawings(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text(encoding="utf-8") for file in folder.glob("*.svg")}


@pytest.mark.parametrize(
    ("script", "folder", "count"), [("course_figures", "course", 18), ("network_figures", "networks", 14)]
)
def test_the_drawings_are_those_that_the_script_makes(
    script: str, folder: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.setattr("sys.argv", [f"{script}.py", "--out", str(tmp_path)])
    importlib.import_module(script).main()
    assert len(drawings(tmp_path)) == count
    assert drawings(tmp_path) == drawings(ROOT / "docs" / "images" / folder), f"run: python benchmarks/{script}.py"
