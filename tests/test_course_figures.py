"""The course's figures are what their script draws, so they show the networks as they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_figures_are_those_that_the_script_draws(tmp_path: Path) -> None:
    script = ROOT / "benchmarks" / "course_figures.py"
    subprocess.run([sys.executable, script, "--out", tmp_path], check=True, capture_output=True)
    drawn = {file.name: file.read_text(encoding="utf-8") for file in tmp_path.glob("*.svg")}
    kept = {file.name: file.read_text(encoding="utf-8") for file in (ROOT / "docs" / "images" / "course").glob("*.svg")}
    assert drawn == kept, "run: python benchmarks/course_figures.py"
    assert len(drawn) == 18
