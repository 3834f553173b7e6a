"""What became of many files: how many were done, skipped and failed, why, and what was left out."""

from __future__ import annotations

import errno
import logging
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from perceptualloss.cli.console import complain, one_line
from perceptualloss.errors import InputError
from perceptualloss.pictures.listing import counted

log = logging.getLogger(__name__)
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NAMED = 3  # files of those that were skipped


@dataclass
class Summary:
    """What became of all files.

    Attributes:
        what: the files, such as "pictures".
        past: what became of them, such as "enlarged".
        left_out: what is in the folders besides, by ending.
        single: whether there is one file alone.
        done: the targets that were written.
        skipped: the targets that were not, by reason.
        failed: how many did not work.
        work: how much was done of each unit (pixels, frames, steps), and in how many seconds.
    """

    what: str
    past: str
    left_out: Counter[str] = field(default_factory=Counter)
    single: bool = False
    done: list[Path] = field(default_factory=list)
    skipped: dict[str, list[Path]] = field(default_factory=dict)
    failed: int = 0
    work: dict[str, tuple[int, float]] = field(default_factory=dict)

    def count(self, unit: str, done: int, seconds: float) -> None:
        """Count what was done in one file: so many of a unit, in so many seconds."""
        before = self.work.get(unit, (0, 0.0))
        self.work[unit] = before[0] + done, before[1] + seconds

    def fail(self, source: Path, why: str) -> None:
        """Count a file that did not work, and say why."""
        self.failed += 1
        complain(f"not {self.past}:", one_line(why if str(source) in why else f"{source}: {why}"))

    def skip(self, target: Path, why: str) -> None:
        """Count a file that was skipped."""
        self.skipped.setdefault(why, []).append(target)

    def take(self, error: Exception, source: Path, target: Path) -> None:
        """Count what an exception at a file means.

        Raises:
            InputError: on a full disk, where nothing else would work either.
        """
        if any(isinstance(cause, FileExistsError) for cause in _causes(error)):
            self.skip(target, "written by another run meanwhile")
        elif any(isinstance(cause, OSError) and cause.errno in _FULL for cause in _causes(error)):
            remedy = "Free some, and go on with --skip-existing."
            raise InputError(f"space on the disk for {target}", f"none. {self.words(target.parent)}", remedy) from error
        else:
            self.fail(source, reason(error))

    def number(self, count: int) -> str:
        """Return so many files in words."""
        return f"{count} {self.what if count != 1 else self.what.removesuffix('s')}"

    def words(self, out: Path) -> str:
        """Return all that became of them in a line."""
        where = self.done[0] if self.single and self.done else f"{self.number(len(self.done))} into {out}"
        rates = [rate(done, seconds, f"{unit} a second") for unit, (done, seconds) in self.work.items()]
        speed = f", {' and '.join(filter(None, rates))}" if any(rates) else ""
        parts = [f"Wrote {where if self.done else 'nothing'}{speed}"]
        for why, files in self.skipped.items():
            names = ", ".join(file.name for file in files[:_NAMED]) + (", ..." if len(files) > _NAMED else "")
            parts.append(f"skipped {len(files)} ({names}: {why})")
        if self.failed:
            parts.append(f"{self.failed} failed")
        if self.left_out:
            parts.append(f"left out {counted(self.left_out)}")
        return one_line("; ".join(parts))


def rate(done: int, seconds: float, unit: str) -> str:
    """Return how fast something was; nothing before it can be told.

    Args:
        done: pixels, if the unit is megapixels, else so many of the unit.
        seconds: that it took.
        unit: such as "megapixels a second".

    >>> rate(3_000_000, 2.0, "megapixels a second"), rate(9, 2.0, "frames/s")
    ('1.5 megapixels a second', '4.5 frames/s')
    """
    if not done or seconds < 0.001:
        return ""
    return f"{done / seconds / (1e6 if unit.startswith('megapixels') else 1):.3g} {unit}"


def reason(error: Exception) -> str:
    """Return in words what went wrong; of what nobody foresaw, also its kind and where it was."""
    log.debug("what went wrong:", exc_info=error)
    if isinstance(error, InputError):
        return str(error)
    text = one_line(str(error))[:300]
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return f"more memory is needed than there is ({text or type(error).__name__}). A smaller --tile needs less."
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "perceptualloss" in frame.filename] or frames
    where = f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {text}{where}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
