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

from jsonargparse import ArgumentParser
from rich.logging import RichHandler
from rich.markup import escape

from perceptualloss.checks import InputError
from perceptualloss.cli import compare, evaluate, loss_map, reconstruct, stylize, train, train_loss_network, upscale
from perceptualloss.cli.console import errors
from perceptualloss.cli.loss_options import with_whole_loss
from perceptualloss.training.callbacks import TrainingInterrupted

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
    """Run the command line; return 0, 1 for bad input, 2 for bad options, or 130 after Ctrl-C."""
    handler = RichHandler(console=errors, show_time=False, show_path=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    warnings.filterwarnings("ignore")  # libraries' advice to developers
    words = list(sys.argv[1:] if words is None else words)
    try:
        parser, commands = build_parser()
        options = parser.parse_args(_usual_form(words))
        COMMANDS[options.command].run(commands[options.command], options[options.command])
    except InputError as error:
        errors.print(f"[bold red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        return 1
    except TrainingInterrupted as stop:
        errors.print(f"\nInterrupted; {stop.checkpoint} holds everything up to here.", highlight=False, soft_wrap=True)
        errors.print(f"Go on with: {_resume_command(words, stop)}", highlight=False, soft_wrap=True)
        return 130
    except KeyboardInterrupt:
        errors.print("\nInterrupted.")
        return 130
    return 0


def build_parser() -> tuple[ArgumentParser, dict[str, ArgumentParser]]:
    """Return the parser of the command line and those of its commands."""
    parser = ArgumentParser(prog="perceptualloss", description="Image transformation with perceptual losses.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('perceptualloss')}")
    commands = {name: command.build_parser() for name, command in COMMANDS.items()}
    choices = parser.add_subcommands(dest="command")
    for name, command in commands.items():
        choices.add_subcommand(name, command, help=command.description)
    return parser, commands


def _usual_form(words: list[str]) -> list[str]:
    """Let ``--loss-network`` stand for ``--loss_network`` and ``train FILE`` for ``train --recipe FILE``."""
    words = [re.sub(r"^--[\w.-]+", lambda name: "--" + name[0][2:].replace("-", "_"), word) for word in words]
    if len(words) > 1 and words[0] in ("train", "train-loss-network") and not words[1].startswith("-"):
        if not Path(words[1]).is_file():
            raise InputError("a recipe", f"no file {words[1]}", "The project's are in recipes/.")
        words = [words[0], "--recipe", *words[1:]]
    return with_whole_loss(words) if words[:1] == ["train"] else words


def _resume_command(words: list[str], stop: TrainingInterrupted) -> str:
    """Return the command line that goes on after an interruption."""
    if words[0] == "compare":
        return shlex.join(["perceptualloss", "compare", "--resume", str(stop.checkpoint.parents[2])])
    if "--resume" in words:
        return shlex.join(["perceptualloss", *words])
    return shlex.join(["perceptualloss", *words, "--resume", str(stop.checkpoint.parent)])
