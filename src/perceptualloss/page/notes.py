"""What the package says of a picture, in the thread that works on it, for the visitor whose picture it is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_here = threading.local()
_PACKAGE = "perceptualloss"


class _Collector(logging.Handler):
    """Gives what is logged to the list of its thread; what no list waits for goes to everybody else."""

    def emit(self, record: logging.LogRecord) -> None:
        """Take one."""
        notes: list[str] | None = getattr(_here, "notes", None)
        if notes is None:
            logging.getLogger().handle(record)
        elif record.levelno >= logging.WARNING:
            notes.append(record.getMessage())


@contextmanager
def collected() -> Iterator[None]:
    """While the server runs, what is said of visitors' pictures is not printed in its terminal."""
    logger, collector = logging.getLogger(_PACKAGE), _Collector()
    before = logger.propagate
    logger.addHandler(collector)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(collector)
        logger.propagate = before


@contextmanager
def notes() -> Iterator[list[str]]:
    """Give a list that fills with what this thread's work says within it."""
    found: list[str] = []
    _here.notes = found
    try:
        yield found
    finally:
        _here.notes = None
