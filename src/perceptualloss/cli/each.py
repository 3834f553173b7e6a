"""File after file: no single one ends the run, none that is there is lost, and in the end all are counted."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

from rich.progress import Progress, TaskID

from perceptualloss.bars import Lines, bars
from perceptualloss.cli.console import Interrupted, errors, inform, make_folder, one_line, printable
from perceptualloss.cli.summary import Summary, rate, reason
from perceptualloss.errors import InputError
from perceptualloss.pictures.folders import Plan, is_video, moved_aside

log = logging.getLogger(__name__)
PIPE = Path("-")  # the standard input or output
Existing = Literal["keep", "skip", "overwrite"]
_THERE = "there already; --overwrite replaces them, --skip-existing goes on where a run stopped"
_WHOLE = "whole already"


class Tell(Protocol):
    """Moves the bar: how much is done of how much, and what to say of it."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Move it."""


Work = Callable[[Path, Path, Tell], object]
Verify = Callable[[Path, Path], str]


def do_each(
    plan: Plan,
    out: Path,
    work: Work,
    what: str,
    past: str,
    existing: Existing = "overwrite",
    verify: Verify = lambda source, target: "",
    unit: str = "megapixels",
) -> None:
    """Call ``work`` with every source, its target and a function that moves the bar.

    Args:
        plan: sources and targets, and what else was found.
        out: what the user named as target.
        work: does one file. Any exception of it is told in a line, and the next file is done.
        what: the files, such as "pictures".
        past: what became of them, such as "enlarged".
        existing: a target that is there is kept, skipped if it is verified (and else made anew, while the old file
            is moved aside), or overwritten.
        verify: why a target is not what ``work`` would make of a source; "" if it is.
        unit: what the bar counts in pictures: "megapixels" if it counts pixels, or "steps".

    Raises:
        InputError: in the end, if some did not work; before it on a full disk.
        Interrupted: after Ctrl-C, with what was done.
    """
    summary = Summary(what, past, plan.left_out, plan.single)
    for path, why in plan.faulty.items():
        summary.fail(path, why)
    with bars(errors) as shown:
        bar = shown.add_task("", total=len(plan.pairs))
        for number, (source, target) in enumerate(plan.pairs):
            teller = Teller(shown, bar, number, len(plan.pairs), source, "frames" if is_video(source) else unit)
            try:
                skipped = _do_one(source, target, work, teller, existing, verify)
            except KeyboardInterrupt as stop:
                raise Interrupted(summary.words(out)) from stop
            except Exception as error:
                if plan.single:
                    raise _as_input_error(source, past, error) from error
                summary.take(error, source, target)
                continue
            if skipped:
                summary.skip(target, skipped)
            else:
                summary.done.append(target)
                summary.count(teller.unit, teller.done, teller.seconds)
            teller.end("skipped" if skipped else "")
    if out != PIPE:  # where the picture goes, and nothing else
        inform(summary.words(out))
    if summary.failed:
        of_all = summary.number(len(plan.pairs) + len(plan.faulty))
        raise InputError(of_all, f"{summary.failed} that were not {past}", "The reasons are above.")


def _do_one(source: Path, target: Path, work: Work, tell: Tell, existing: Existing, verify: Verify) -> str:
    """Do one file; return why it was not done, "" if it was."""
    old = None
    if target.is_dir():
        raise InputError(f"a file {target}", "a folder")
    if existing != "overwrite" and os.path.lexists(target):
        if existing == "keep":
            return _THERE
        why = verify(source, target)
        if not why:
            return _WHOLE
        old = moved_aside(target)
        log.warning(
            one_line(f"{target} is {why}: it is made anew" + (f", and the old one kept as {old}" if old else ""))
        )
    try:
        make_folder(target.parent)
        work(source, target, tell)
    except BaseException:
        if old is not None and not os.path.lexists(target):
            old.rename(target)
        raise
    return ""


def _as_input_error(source: Path, past: str, error: Exception) -> InputError:
    return error if isinstance(error, InputError) else InputError(f"{source} to be {past}", reason(error))


class Teller:
    """Moves the bar within one file, and says how fast it is."""

    def __init__(self, shown: Progress, bar: TaskID, number: int, count: int, source: Path, unit: str) -> None:
        self.shown, self.bar, self.number, self.unit = shown, bar, number, unit
        self.title = printable(one_line(f"{source.name} ({number + 1}/{count})"))
        self.start, self.done = time.monotonic(), 0
        shown.update(bar, description=self.title, completed=number)

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Move it."""
        self.done = done
        note = note or (self.rate() if self.unit == "frames" else "")
        description = f"{self.title} {printable(note)}".rstrip()
        self.shown.update(self.bar, completed=self.number + done / total, description=description)

    def end(self, note: str = "") -> None:
        """Say how long it took, where there are lines in place of bars."""
        if isinstance(self.shown, Lines):
            took = ", ".join(filter(None, [f"{self.seconds:.1f} s", self.rate()]))
            self.shown.line(f"{self.title}: {note or took}")

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return time.monotonic() - self.start

    def rate(self) -> str:
        """Return how fast it is; nothing before it can be told."""
        return rate(self.done, self.seconds, f"{self.unit}/s")
