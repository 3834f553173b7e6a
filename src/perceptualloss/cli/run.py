"""One command: its words become options, and what goes wrong a line and an exit code."""

from __future__ import annotations

import io
import logging
import os
import re
import shlex
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from jsonargparse import ArgumentError, ArgumentParser, Namespace

from perceptualloss.bars import show_progress
from perceptualloss.cli.console import Interrupted, OptionError, as_option, complain, errors, given_options, one_line
from perceptualloss.cli.explain import explained
from perceptualloss.errors import InputError, TrainingInterrupted
from perceptualloss.files import is_first_process
from perceptualloss.vocabulary import check_names

RECIPES = ("train", "train-loss-network")  # commands that take one
QUIET = ("course", "recipes")  # commands without progress

log = logging.getLogger(__name__)


class _Told(logging.Handler):
    """Prints what the library has to say, a line each however long it is."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one."""
        complain(f"{record.levelname.lower()}:", one_line(self.format(record)), "yellow")


def run(words: list[str], modules: Sequence[str], others: list[str]) -> int:
    """Run a command; return 0, 1 for bad input, 2 for bad options or a bad recipe, or 130 after Ctrl-C.

    Args:
        words: the whole command line, for the record of a run and the line that goes on with it.
        modules: to trust.
        others: the words without these: the command's name and what follows it.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # names of files have letters that not every terminal has
    level = logging.WARNING if is_first_process() else logging.ERROR
    logging.basicConfig(level=level, format="%(message)s", handlers=[_Told()])
    warnings.filterwarnings("ignore")  # libraries' advice to developers
    try:
        _trust(modules)
        _run(words, others)
    except InputError as error:
        _refuse(error)
        return 2 if isinstance(error, OptionError) else 1
    except TrainingInterrupted as stop:
        if not is_first_process():
            # All have stopped. Another code would make the launcher end the first one; torchrun, which starts them
            # again, must know that nobody has finished.
            return 130 if "TORCHELASTIC_RUN_ID" in os.environ else 0
        complain("\nInterrupted;", f"{stop.folder} holds everything up to here.", "")
        complain("Go on with:", _resume_command(modules, others, stop), "")
        return 130
    except KeyboardInterrupt as stop:
        return _interrupted(stop, words)
    except (OSError, MemoryError) as error:
        return _of_the_machine(error)
    return 0


def _interrupted(stop: KeyboardInterrupt, words: Sequence[str]) -> int:
    """Say what was done and, of many files, what goes on with the others."""
    if not isinstance(stop, Interrupted):
        errors.print("\nInterrupted.")
        return 130
    complain("\nInterrupted.", f"{stop}", "")
    again = [] if "--overwrite" in words or "--skip-existing" in words else ["--skip-existing"]
    complain("Go on with:", shlex.join(["perceptualloss", *words, *again]), "")
    return 130


def _refuse(error: InputError) -> None:
    """Say what cannot be used; of several processes, the first one says what all find, others what they alone find."""
    text, who = one_line(str(error)), ""
    if meeting := sys.modules.get("perceptualloss.training.meeting"):  # of a command that trains
        lost = isinstance(error, meeting.LostProcess)  # nobody hears the first one any more
        if not is_first_process() if lost else meeting.said_by_first(text):
            return
        who = meeting.which()
    complain(f"error{who}:", text, "bold red")


def _of_the_machine(error: OSError | MemoryError) -> int:
    """Say what is no fault of the program in a line; nothing where who reads has ended, such as head."""
    log.debug("what went wrong:", exc_info=error)
    if isinstance(error, BrokenPipeError):
        with suppress(OSError, ValueError):  # else Python complains when it ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    else:
        complain("error:", one_line(f"{type(error).__name__}: {error}"), "bold red")
    return 1


def _trust(modules: Sequence[str]) -> None:
    """Import modules whose classes recipes and files may name, also from this folder."""
    if not modules:
        return
    from perceptualloss.training.recipe_settings import trust  # noqa: PLC0415 (it loads Lightning)

    sys.path.append(str(Path.cwd()))  # last, so that no file here stands in for a library
    with as_option():
        for module in modules:
            trust(module)


def _run(words: list[str], others: list[str]) -> None:
    name = others[0]
    try:
        command = import_module(f"perceptualloss.cli.{name.replace('-', '_')}")
    except ImportError as error:
        remedy = "perceptualloss doctor says what to do."
        raise InputError(f"the packages that {name} needs", f"one that does not load ({error})", remedy) from error
    rest = [re.sub(r"^--[\w.-]+", lambda option: "--" + option[0][2:].replace("-", "_"), word) for word in others[1:]]
    if name in RECIPES:
        with as_option():
            rest = command.with_recipe(rest)
    with as_option():
        check_names(dict(given_options(rest)), name, option=True)
    parser = command.build_parser()
    if name not in QUIET:
        parser.add_argument("--quiet", action="store_true", help="no progress and no summary, but warnings and errors")
    options = _parse(parser, rest)
    show_progress(not options.pop("quiet", False))
    if name in RECIPES:
        options.command_line = shlex.join(["perceptualloss", *words])  # for the record of the run
    try:
        command.run(parser, options)
    finally:
        show_progress(True)  # for what else this process does


def _parse(parser: ArgumentParser, words: list[str]) -> Namespace:
    """Parse the words; say in one line what is wrong with them."""
    try:
        return parser.parse_args(words)
    except ArgumentError as error:
        raise explained(parser, str(error)) from error


def _resume_command(modules: Sequence[str], others: list[str], stop: TrainingInterrupted) -> str:
    """Return the command line that goes on after an interruption."""
    command = others[0]
    trusted = [word for module in modules for word in ("--trust", module)]
    if command == "train-loss-network":
        rest = others if "--resume" in others else [*others, "--resume", "true"]
    else:
        folder = stop.folder.parents[1] if command == "compare" else stop.folder
        rest = [command, "--resume", str(folder)]
    return shlex.join(["perceptualloss", *trusted, *rest])
