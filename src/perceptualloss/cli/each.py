"""File after file: a bar, one bad file that does not end it, and what was written in the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from rich.progress import Progress, TaskID

from perceptualloss.bars import bars
from perceptualloss.cli.console import bold, complain, errors, make_folder, printable, tell
from perceptualloss.errors import InputError


class Tell(Protocol):
    """Moves the bar: how much is done of how much, and what to say of it."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Move it."""


Work = Callable[[Path, Path, Tell], object]


def do_each(pairs: list[tuple[Path, Path]], out: Path, work: Work, what: str, past: str) -> None:
    """Call ``work`` with every source, its target and a function that moves the bar.

    Args:
        pairs: sources and targets.
        out: what the user named as target.
        work: does one file; an :class:`InputError` of it is printed, and the next file is done.
        what: the files, such as "pictures".
        past: what became of them, such as "enlarged".

    Raises:
        InputError: in the end, if some did not work.
    """
    failed = 0
    with bars(errors) as shown:
        bar = shown.add_task("", total=len(pairs))
        for number, (source, target) in enumerate(pairs):
            title = f"{source.name} ({number + 1}/{len(pairs)})"
            shown.update(bar, description=printable(title), completed=number)
            try:
                make_folder(target.parent)
                work(source, target, _teller(shown, bar, number, title))
            except InputError as error:
                failed += 1
                complain(f"not {past}:", f"{source}: {error}")
    if failed < len(pairs):
        where = pairs[0][1] if len(pairs) == 1 else f"{len(pairs) - failed} {what} into {out}"
        tell("Wrote ", bold(where))
    if failed:
        raise InputError(f"{len(pairs)} {what}", f"{failed} that were not {past}", "The reasons are above.")


def _teller(shown: Progress, bar: TaskID, before: int, title: str) -> Tell:
    def move(done: int, total: int, note: str = "") -> None:
        shown.update(bar, completed=before + done / total, description=printable(f"{title} {note}".rstrip()))

    return move
