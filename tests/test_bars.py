"""Progress has one builder: bars in a terminal, lines elsewhere, nothing for those who ask for it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

import perceptualloss
from perceptualloss import bars as module
from perceptualloss.bars import Lines, bars, show_progress


def shown(steps: bool, terminal: bool = True, **options: str) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system=None, _environ=options)
    with bars(console, steps) as progress:
        task = progress.add_task("[red]a.png", total=4, note="[bold]loss 0.5")
        progress.update(task, completed=1)
        progress.refresh()
    return printed(console)


def printed(console: Console) -> str:
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


def test_names_of_files_and_terms_are_no_markup() -> None:
    assert "[red]a.png" in shown(steps=False)
    assert "25%" in shown(steps=False)
    assert "[red]a.png" in shown(steps=True)
    assert "[bold]loss 0.5" in shown(steps=True)
    assert "1/4" in shown(steps=True)


def test_without_a_terminal_a_training_says_where_it_ended() -> None:
    assert shown(steps=True, terminal=False) == "[red]a.png 1/4, 0:00 taken, 0:00 left, [bold]loss 0.5\n"
    assert shown(steps=False, terminal=False) == ""
    assert "[red]a.png 1/4, " in shown(steps=True, terminal=True, TERM="dumb")


class Clock:
    """A console's clock, set by hand, with lines that it times."""

    def __init__(self) -> None:
        self.time = 0.0
        self.console = Console(file=io.StringIO(), width=20, get_time=lambda: self.time)
        self.progress = bars(self.console)

    def said(self) -> list[str]:
        """Return what was printed."""
        return printed(self.console).splitlines()


def test_lines_come_at_intervals_with_the_time_that_is_left() -> None:
    clock = Clock()
    task = clock.progress.add_task("a long name that is not wrapped.png (1/2)", total=100, completed=20)
    for second in range(1, 36):
        clock.time = second
        clock.progress.update(task, completed=20 + 2 * second)
    assert clock.said() == [
        "a long name that is not wrapped.png (1/2) 40%, 0:10 taken, 0:30 left",
        "a long name that is not wrapped.png (1/2) 60%, 0:20 taken, 0:20 left",
        "a long name that is not wrapped.png (1/2) 80%, 0:30 taken, 0:10 left",
    ]


def test_a_line_of_ones_own_begins_the_interval_anew() -> None:
    clock = Clock()
    assert isinstance(clock.progress, Lines)
    task = clock.progress.add_task("Measuring", total=None)
    clock.time = 9
    clock.progress.line("a.png: 9 s")
    for clock.time, done in ((10, 1), (18, 2), (19, 3)):
        clock.progress.update(task, completed=done)
    assert clock.said() == ["a.png: 9 s", "Measuring 3, 0:19 taken"]


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("steps", [False, True])
def test_nobody_has_to_see_it(steps: bool, terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY", 0)
    show_progress(False)
    try:
        assert shown(steps, terminal) == ""
    finally:
        show_progress(True)
    assert shown(steps, terminal) != ""


def test_nobody_else_builds_one() -> None:
    folder = Path(perceptualloss.__file__).parent
    builders = [file.name for file in folder.rglob("*.py") if "Column(" in file.read_text(encoding="utf-8")]
    assert builders == ["bars.py"]
    assert issubclass(Lines, Progress)
