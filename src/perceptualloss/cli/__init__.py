"""The command line: every option is an argument of a typed function."""

from __future__ import annotations

import logging
import re
import shlex
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from jsonargparse import ArgumentError, ArgumentParser, Namespace
from rich.logging import RichHandler

from perceptualloss.cli import compare, evaluate, loss_map, reconstruct, stylize, train, train_loss_network, upscale
from perceptualloss.cli.console import OptionError, as_option, complain, errors
from perceptualloss.cli.recipe_options import with_checked_recipe
from perceptualloss.errors import InputError, TrainingInterrupted
from perceptualloss.files import is_first_process
from perceptualloss.training.recipe_settings import trust

COMMANDS = {
    "compare": compare,
    "train": train,
    "train-loss-network": train_loss_network,
    "evaluate": evaluate,
    "upscale": upscale,
    "stylize": stylize,
    "reconstruct": reconstruct,
    "loss-map": loss_map,
}


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, 1 for bad input, 2 for bad options or a bad recipe, or 130 after Ctrl-C."""
    handler = RichHandler(console=errors, show_time=False, show_path=False)
    logging.basicConfig(
        level=logging.WARNING if is_first_process() else logging.ERROR, format="%(message)s", handlers=[handler]
    )
    warnings.filterwarnings("ignore")  # libraries' advice to developers
    words = list(sys.argv[1:] if words is None else words)
    try:
        others = _trust(words)
        parser, commands = build_parser()
        options = _parse(parser, _usual_form(others))
        chosen = options[options.command]
        if options.command in ("train", "train-loss-network"):
            chosen.command_line = shlex.join(["perceptualloss", *words])  # for the record of the run
        COMMANDS[options.command].run(commands[options.command], chosen)
    except InputError as error:
        complain("error:", str(error), "bold red")
        return 2 if isinstance(error, OptionError) else 1
    except TrainingInterrupted as stop:
        if not is_first_process():
            return 0  # all have stopped; another code would make the launcher kill the first one
        complain("\nInterrupted;", f"{stop.folder} holds everything up to here.", "")
        complain("Go on with:", _resume_command(words, stop), "")
        return 130
    except KeyboardInterrupt:
        errors.print("\nInterrupted.")
        return 130
    return 0


def build_parser() -> tuple[ArgumentParser, dict[str, ArgumentParser]]:
    """Return the parser of the command line and those of its commands."""
    parser = ArgumentParser(
        prog="perceptualloss", description="Image transformation with perceptual losses.", exit_on_error=False
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('perceptualloss')}")
    parser.add_argument("--trust", type=str, help="a module of your own, whose classes recipes and files may name")
    commands = {name: command.build_parser() for name, command in COMMANDS.items()}
    choices = parser.add_subcommands(dest="command")
    for name, command in commands.items():
        choices.add_subcommand(name, command, help=command.description)
    return parser, commands


def _trust(words: list[str]) -> list[str]:
    """Import the modules that ``--trust MODULE`` names, also from this folder, and return the other words."""
    others: list[str] = []
    rest = iter(words)
    for word in rest:
        name, equals, module = word.partition("=")
        if name != "--trust":
            others.append(word)
            continue
        sys.path.append(str(Path.cwd()))  # last, so that no file here stands in for a library
        with as_option():
            trust(module if equals else next(rest, ""))
    return others


def _parse(parser: ArgumentParser, words: list[str]) -> Namespace:
    """Parse the words; say in one line what is wrong with them."""
    try:
        return parser.parse_args(words)
    except ArgumentError as error:
        raise OptionError("options that perceptualloss --help lists", " ".join(str(error).split())) from error


def _usual_form(words: list[str]) -> list[str]:
    """Let ``--loss-network`` stand for ``--loss_network`` and ``train FILE`` for ``train --recipe FILE``."""
    words = [re.sub(r"^--[\w.-]+", lambda name: "--" + name[0][2:].replace("-", "_"), word) for word in words]
    if len(words) > 1 and words[0] in ("train", "train-loss-network") and not words[1].startswith("-"):
        words = [words[0], "--recipe", *words[1:]]
    if words[:1] == ["train"]:
        words = train.with_own_recipe(words)
    if words[:1] in (["train"], ["train-loss-network"]):
        with as_option():
            words = with_checked_recipe(words)
    return words


def _resume_command(words: list[str], stop: TrainingInterrupted) -> str:
    """Return the command line that goes on after an interruption."""
    command = next(word for word in words if word in COMMANDS)
    trusted = [
        word for n, word in enumerate(words) if word.startswith("--trust=") or "--trust" in words[max(0, n - 1) : n + 1]
    ]
    if command == "train-loss-network":
        others = words if "--resume" in words else [*words, "--resume", "true"]
    else:
        folder = stop.folder.parents[1] if command == "compare" else stop.folder
        others = [*trusted, command, "--resume", str(folder)]
    return shlex.join(["perceptualloss", *others])
