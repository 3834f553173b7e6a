"""Progress bars: one look for commands and for trainings."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


def bars(console: Console | None = None, steps: bool = False) -> Progress:
    """Return progress bars with a description and the time that is left; texts are no markup.

    Args:
        console: where they are; None is the standard output.
        steps: whether they count steps and stay, with the time that was taken and the task's field ``note`` behind
            them, as a training's do. Others show per cent, vanish at the end, and are in terminals alone.
    """
    columns: list[ProgressColumn] = [TextColumn("{task.description}", markup=False)]
    if steps:
        note = TextColumn("{task.fields[note]}", markup=False)
        columns += [BarColumn(bar_width=10), MofNCompleteColumn(), TimeElapsedColumn()]
        columns += [TextColumn("left"), TimeRemainingColumn(), note]
        return Progress(*columns, console=console)
    columns += [BarColumn(), TaskProgressColumn(), TimeRemainingColumn()]
    hidden = console is not None and not console.is_terminal
    return Progress(*columns, console=console, transient=True, disable=hidden)
