"""One command: its words become options, and what goes wrong a line and an exit code."""

from __future__ import annotations

import logging
import re
import shlex
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from jsonargparse import ArgumentError, ArgumentParser, Namespace
from rich.logging import RichHandler

from perceptualloss.cli.console import OptionError, as_option, complain, errors, given_options
from perceptualloss.errors import InputError, TrainingInterrupted
from perceptualloss.files import is_first_process
from perceptualloss.vocabulary import check_names

RECIPES = ("train", "train-loss-network")  # commands that take one


def run(words: list[str], modules: Sequence[str], others: list[str]) -> int:
    """Run a command; return 0, 1 for bad input, 2 for bad options or a bad recipe, or 130 after Ctrl-C.

    Args:
        words: the whole command line, for the record of a run and the line that goes on with it.
        modules: to trust.
        others: the words without these: the command's name and what follows it.
    """
    handler = RichHandler(console=errors, show_time=False, show_path=False)
    level = logging.WARNING if is_first_process() else logging.ERROR
    logging.basicConfig(level=level, format="%(message)s", handlers=[handler])
    warnings.filterwarnings("ignore")  # libraries' advice to developers
    try:
        _trust(modules)
        _run(words, others)
    except InputError as error:
        complain("error:", str(error), "bold red")
        return 2 if isinstance(error, OptionError) else 1
    except TrainingInterrupted as stop:
        if not is_first_process():
            return 0  # all have stopped; another code would make the launcher kill the first one
        complain("\nInterrupted;", f"{stop.folder} holds everything up to here.", "")
        complain("Go on with:", _resume_command(modules, others, stop), "")
        return 130
    except KeyboardInterrupt:
        errors.print("\nInterrupted.")
        return 130
    return 0


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
    command = import_module(f"perceptualloss.cli.{name.replace('-', '_')}")
    rest = [re.sub(r"^--[\w.-]+", lambda option: "--" + option[0][2:].replace("-", "_"), word) for word in others[1:]]
    if name in RECIPES:
        with as_option():
            rest = command.with_recipe(rest)
    with as_option():
        check_names(dict(given_options(rest)), name, option=True)
    parser = command.build_parser()
    options = _parse(parser, rest)
    if name in RECIPES:
        options.command_line = shlex.join(["perceptualloss", *words])  # for the record of the run
    command.run(parser, options)


def _parse(parser: ArgumentParser, words: list[str]) -> Namespace:
    """Parse the words; say in one line what is wrong with them."""
    try:
        return parser.parse_args(words)
    except ArgumentError as error:
        raise OptionError(f"options that {parser.prog} --help lists", " ".join(str(error).split())) from error


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
