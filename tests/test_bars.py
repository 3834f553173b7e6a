"""Progress bars have one builder."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

import perceptualloss
from perceptualloss.bars import bars


def shown(steps: bool, terminal: bool = True) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system=None)
    with bars(console, steps) as progress:
        task = progress.add_task("[red]a.png", total=4, note="[bold]loss 0.5")
        progress.update(task, completed=1)
        progress.refresh()
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


def test_names_of_files_and_terms_are_no_markup() -> None:
    assert "[red]a.png" in shown(steps=False)
    assert "25%" in shown(steps=False)
    assert "[red]a.png" in shown(steps=True)
    assert "[bold]loss 0.5" in shown(steps=True)
    assert "1/4" in shown(steps=True)


@pytest.mark.parametrize("steps", [False, True])
def test_without_a_terminal_only_a_training_says_where_it_ended(steps: bool) -> None:
    assert ("1/4" in shown(steps, terminal=False)) == steps


def test_nobody_else_builds_one() -> None:
    folder = Path(perceptualloss.__file__).parent
    builders = [file.name for file in folder.rglob("*.py") if "Column(" in file.read_text(encoding="utf-8")]
    assert builders == ["bars.py"]
