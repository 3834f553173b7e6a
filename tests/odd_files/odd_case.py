"""What a case of the table of odd files is, and how one is tried."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perceptualloss.errors import InputError
from perceptualloss.pictures.images import read_image

Samples = NDArray[np.float64]


@dataclass(frozen=True)
class Made:
    """A file, and what an independent decoder or an answer known by construction says of it.

    Attributes:
        file: what is read.
        shows: (H, W, 3) over white, from 0 to 255; None where it must be refused.
        source: who says so.
    """

    file: Path
    shows: Samples | None
    source: str = "by construction"


@dataclass(frozen=True)
class Case:
    """An odd file.

    Attributes:
        title: what is odd.
        make: writes the file into a folder.
        within: how far the values may be, in steps of 255.
        says: what must be said, as a pattern; None is nothing.
        refuses: what the refusal must say, as a pattern; the file must be refused.
    """

    title: str
    make: Callable[[Path], Made]
    within: float = 0.51
    says: str | None = None
    refuses: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What a case gave: a row of the table, and what is wrong with it, if anything is."""

    expected: str
    got: str
    words: str
    wrong: str


class Heard(logging.Handler):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(record.getMessage())


def try_picture(case: Case, folder: Path) -> Outcome:
    """Make the file of a case, read it, and compare."""
    made = case.make(folder)
    heard, logger = Heard(), logging.getLogger("perceptualloss")
    logger.addHandler(heard)
    try:
        pixels = read_image(made.file)[0].permute(1, 2, 0).double().numpy() * 255
    except InputError as error:
        return _refused(case, made, str(error))
    finally:
        logger.removeHandler(heard)
    return _shown(case, made, pixels, " ".join(heard.lines))


def _refused(case: Case, made: Made, words: str) -> Outcome:
    wrong = ""
    if case.refuses is None:
        wrong = "refused"
    elif not re.search(case.refuses, words):
        wrong = f"the refusal does not say {case.refuses!r}"
    return Outcome(_brief(made.shows), "refused", words, wrong)


def _shown(case: Case, made: Made, pixels: Samples, words: str) -> Outcome:
    wrong = ""
    if case.refuses is not None or made.shows is None:
        wrong = "not refused"
    elif pixels.shape != made.shows.shape:
        wrong = f"{pixels.shape} instead of {made.shows.shape}"
    elif (far := np.abs(pixels - made.shows).max()) > case.within:
        wrong = f"{far:.2f} of 255 from {made.source}"
    elif case.says is None and words:
        wrong = "said something"
    elif case.says is not None and not re.search(case.says, words):
        wrong = f"nothing says {case.says!r}"
    return Outcome(_brief(made.shows), _brief(pixels), words, wrong)


def _brief(shows: Samples | None) -> str:
    """Return the first pixel's values."""
    return "refused" if shows is None else " ".join(f"{value:.4g}" for value in shows[0, 0])
