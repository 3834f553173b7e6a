"""How far work has come: bars in a terminal, plain lines where there is none, nothing where nobody wants it.

One look for commands and for trainings.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from rich import get_console
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

EVERY = 10.0  # seconds, the least between two lines

_shown: ContextVar[bool] = ContextVar("_shown", default=True)


def show_progress(shown: bool) -> None:
    """Say whether :func:`bars` shows anything from now on, which it does unless somebody says no."""
    _shown.set(shown)


def progress_is_shown() -> bool:
    """Return what :func:`show_progress` was told last."""
    return _shown.get()


def bars(console: Console | None = None, steps: bool = False) -> Progress:
    """Return progress bars with a description and the time that is left; texts are no markup.

    Without a terminal they are :class:`Lines`.

    Args:
        console: where they are; None is the standard output.
        steps: whether they count steps and stay, with the time that was taken and the task's field ``note`` behind
            them, as a training's do. Others show per cent, and vanish at the end.
    """
    console = console or get_console()
    if not progress_is_shown():
        return Progress(console=Console(quiet=True), disable=True)
    if not has_bars(console):
        return Lines(console, steps)
    columns: list[ProgressColumn] = [TextColumn("{task.description}", markup=False)]
    if steps:
        note = TextColumn("{task.fields[note]}", markup=False)
        columns += [BarColumn(bar_width=10), MofNCompleteColumn(), TimeElapsedColumn()]
        columns += [TextColumn("left"), TimeRemainingColumn(), note]
        return Progress(*columns, console=console)
    columns += [BarColumn(), TaskProgressColumn(), TimeRemainingColumn()]
    return Progress(*columns, console=console, transient=True)


def has_bars(console: Console) -> bool:
    """Return whether bars can move where a console prints."""
    return (console.is_terminal or console.is_jupyter) and not console.is_dumb_terminal


class Lines(Progress):
    """Plain lines in place of bars: one when something moves, but at most one in ``EVERY`` seconds.

    Args:
        console: where they are.
        steps: whether they count steps, and have the last one at the end, or show per cent.
    """

    def __init__(self, console: Console, steps: bool) -> None:
        super().__init__(console=console, disable=True)
        self.steps, self._last, self._first, self._ended = steps, self.get_time(), dict[TaskID, float](), False

    def add_task(self, description: str, *args: Any, **options: Any) -> TaskID:
        """Add something whose progress is shown; arguments of Rich's ``add_task``."""
        task = super().add_task(description, *args, **options)
        self._first[task] = self._tasks[task].completed
        return task

    def update(self, task_id: TaskID, **changes: Any) -> None:
        """Change how far something has come; arguments of Rich's ``update``."""
        super().update(task_id, **changes)
        if self.get_time() - self._last >= EVERY:
            self.line(self._described(self._tasks[task_id]))

    def line(self, text: str) -> None:
        """Print a line now; the next one follows in ``EVERY`` seconds at the earliest."""
        self.console.print(Text(text), soft_wrap=True)
        self._last = self.get_time()

    def stop(self) -> None:
        """End it; of steps the last one is shown."""
        if self.steps and not self._ended:
            for task in self.tasks:
                self.line(self._described(task))
        self._ended = True

    def _described(self, task: Task) -> str:
        """Return how far something has come in words."""
        taken, total = task.elapsed or 0.0, task.total
        made = task.completed - self._first[task.id]
        parts = [f"{clock(taken)} taken"]
        if total is not None and made > 0 and task.completed < total:
            parts.append(f"{clock(taken * (total - task.completed) / made)} left")
        if note := task.fields.get("note"):
            parts.append(str(note))
        many = "" if total is None else f"/{total:.0f}"
        where = f"{task.completed:.0f}{many}" if self.steps or total is None else f"{task.percentage:.0f}%"
        return f"{task.description} {where}, {', '.join(parts)}".lstrip()


def clock(seconds: float) -> str:
    """Return a time as people read it.

    >>> clock(75), clock(3675)
    ('1:15', '1:01:15')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
