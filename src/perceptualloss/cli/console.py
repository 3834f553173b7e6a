"""Where the commands print, and what several of them need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from perceptualloss.checks import InputError
from perceptualloss.metrics.metric import Metric

console = Console()
errors = Console(stderr=True)


def say(line: str) -> None:
    """Print a line about what happens now."""
    console.print(f"[bold]{escape(line)}[/]")


def tell(sentence: str) -> None:
    """Print a sentence as it is, however long."""
    console.print(escape(sentence), highlight=False, soft_wrap=True)


def note(sentence: str) -> None:
    """Print what the user should know of a result."""
    console.print(f"[yellow]note:[/] {escape(sentence)}", highlight=False, soft_wrap=True)


def metric_table(first: str, metrics: Sequence[Metric], **options: Any) -> Table:
    """Return an empty table with a column for each metric, so narrow that the usual ones fit into 80 letters."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), **options)
    table.add_column(first, overflow="fold")
    for metric in metrics:
        heading = f"{metric.title} {metric.arrow}"
        table.add_column(heading, justify="right", min_width=max(map(len, heading.split())), overflow="fold")
    return table


def bars() -> Progress:
    """Return progress bars, with a description and the time that is left, that vanish at the end."""
    columns = [TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()]
    return Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal)


def free_folder(parent: Path, name: str) -> Path:
    """Return ``parent/name``, or with a number behind it that no earlier run has taken."""
    folder, number = parent / name, 1
    while folder.exists():
        number += 1
        folder = parent / f"{name}-{number}"
    return folder


def fields_of(kind: type, options: Namespace) -> dict[str, Any]:
    """Return the options that are fields of the dataclass ``kind``."""
    return {field.name: options[field.name] for field in fields(kind)}


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises:
        InputError: where that cannot be.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"a folder {folder}", str(error), "Choose another place.") from error
