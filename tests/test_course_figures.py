"""The course's figures are what their script draws, so they show the networks as they are."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def drawings(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text(encoding="utf-8") for file in folder.glob("*.svg")}


def test_the_figures_are_those_that_the_script_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.setattr("sys.argv", ["course_figures.py", "--out", str(tmp_path)])
    importlib.import_module("course_figures").main()
    assert len(drawings(tmp_path)) == 18
    assert drawings(tmp_path) == drawings(ROOT / "docs" / "images" / "course"), (
        "run: python benchmarks/course_figures.py"
    )
