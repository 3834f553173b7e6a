"""``perceptualloss train-loss-network``."""

from __future__ import annotations

import inspect
import os
import shlex
from collections.abc import Callable
from typing import Any

from jsonargparse import ArgumentParser, Namespace
from rich.table import Table

from perceptualloss.arguments import checked_arguments
from perceptualloss.cli.console import as_option, bold, command_parser, console, inform, say, tell
from perceptualloss.cli.recipe_options import recipe_in
from perceptualloss.cli.targets import add_overwrite
from perceptualloss.errors import InputError
from perceptualloss.studies.loss_network.figures import NetworkReport, percent
from perceptualloss.studies.loss_network.report import report_network, report_photos
from perceptualloss.studies.loss_network.train import BOUNDS, train_loss_network, usual_sizes
from perceptualloss.training.recipe_checks import check_ranges
from perceptualloss.training.recipe_file import check_places, read_recipe
from perceptualloss.training.recipe_settings import LARGEST
from perceptualloss.vocabulary import check_names


def build_parser() -> ArgumentParser:
    """Return the parser of this command."""
    parser = command_parser("train-loss-network", "%(prog)s [RECIPE] [OPTIONS]")
    parser.add_argument("--recipe", action="config", help="a YAML file, or the name of a recipe that ships")
    parser.add_function_arguments(train_loss_network, as_group=False, skip={"command"})
    add_overwrite(parser)
    parser.set_defaults(progress=True)
    return parser


def run(parser: ArgumentParser, options: Namespace) -> None:
    """Run ``perceptualloss train-loss-network``."""
    command = options.pop("command_line", "")
    if not (options.overwrite or options.resume) and os.path.lexists(options.out):  # before the training
        raise InputError(f"a new file {options.out}", "one that is there already", "--overwrite replaces it.")
    settings = {name: options[name] for name in inspect.signature(train_loss_network).parameters if name != "command"}
    with as_option():
        usual = usual_sizes(options.teacher)
        check_ranges({**settings, **{n: usual[n] for n in usual if settings[n] is None}}, BOUNDS)
    unlabelled = options.photos if options.classes is None else None
    photos = report_photos(unlabelled, options.validation)  # before the training, so that mistakes show now
    figures = train_loss_network(**settings, command=command)
    inform(", ".join(f"{name} {value:.4f}" for name, value in figures.items()))
    inform("Saved ", bold(options.out), f"; give it as weights of the network {options.architecture!r}.")
    folder = options.folder / "report"
    report = report_network(
        options.architecture,
        options.out,
        photos,
        folder,
        settings=_described(settings, figures),
        command=_command("train-loss-network", train_loss_network, settings),
        say=say,
    )
    console.print(agreement_table(report))
    for sentence in report.verdict:
        tell(sentence)
    inform("Open ", bold(folder / "report.html"), " in a browser to see it.")


def with_recipe(words: list[str]) -> list[str]:
    """Return the words after ``train-loss-network`` with the recipe that they name checked.

    Raises:
        InputError: for a recipe that cannot be used.
    """
    words, file = recipe_in(words, "train-loss-network")
    if file is None:
        return words
    settings = read_recipe(file)
    for name in ("resume", "progress"):
        if name in settings:
            raise InputError(f"{file} without {name}", f"{name}: {settings[name]}", "Say it on the command line.")
    check_names(settings, "train-loss-network", f" in {file}")
    checked_arguments(train_loss_network, settings, str(file), largest=LARGEST, whole=False)
    check_places(settings, file, ("out", "folder"))
    return words


def agreement_table(report: NetworkReport) -> Table:
    """Return how many pairs of distorted photos each distance orders right, the best of each row in bold."""
    table = Table(title="Pairs of distorted photos that are ordered right")
    table.add_column("")
    for name in report.agreements:
        table.add_column(name, justify="right")
    for row in report.rows:
        cells = [bold(percent(v)) if name in row.best else percent(v) for name, v in row.values.items()]
        table.add_row(row.title, *cells)
    return table


def _described(settings: dict[str, Any], figures: dict[str, float]) -> dict[str, str]:
    """Return what a reader of the report should know about the training."""
    silent = {"folder", "resume", "progress"}
    described = {name: str(value) for name, value in settings.items() if value is not None and name not in silent}
    return described | {"at_the_end": ", ".join(f"{name} {value:.4f}" for name, value in figures.items())}


def _command(name: str, function: Callable[..., Any], settings: dict[str, Any]) -> str:
    """Return the command line that calls ``function`` with ``settings`` again."""
    words = ["perceptualloss", name]
    for key, parameter in inspect.signature(function).parameters.items():
        if key not in {"resume", "progress", "command"} and settings[key] != parameter.default:
            words += [f"--{key.replace('_', '-')}", str(settings[key])]
    return shlex.join(words)
