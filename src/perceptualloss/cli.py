"""The command line: every option is an argument of a typed function."""

from __future__ import annotations

import dataclasses
import inspect
import logging
import re
import shlex
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning as L
from jsonargparse import ArgumentParser, Namespace
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape
from rich.table import Table

from perceptualloss.checks import InputError
from perceptualloss.experiments.compare import Settings, compare, read_settings
from perceptualloss.experiments.network_figures import NetworkReport, percent
from perceptualloss.experiments.network_report import report_network, report_photos
from perceptualloss.experiments.results import Comparison, best_runs, format_value
from perceptualloss.losses.presets import PRESETS
from perceptualloss.training.callbacks import TrainingInterrupted
from perceptualloss.training.loss_network import train_loss_network
from perceptualloss.training.recipe import Recipe, train

console = Console()
errors = Console(stderr=True)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, 1 for bad input, 2 for bad options, or 130 after Ctrl-C."""
    handler = RichHandler(console=errors, show_time=False, show_path=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    warnings.filterwarnings("ignore")  # libraries' advice to developers
    words = list(sys.argv[1:] if words is None else words)
    try:
        parser, commands = build_parser()
        options = parser.parse_args(_usual_form(words))
        COMMANDS[options.command](commands[options.command], options[options.command])
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
    commands = {
        "compare": _compare_parser(),
        "train": _train_parser(),
        "train-loss-network": _train_loss_network_parser(),
    }
    choices = parser.add_subcommands(dest="command")
    for name, command in commands.items():
        choices.add_subcommand(name, command, help=command.description)
    return parser, commands


def _compare_parser() -> ArgumentParser:
    parser = ArgumentParser(description="Train the same network once per loss and show the difference.")
    parser.add_class_arguments(Settings, skip={"losses"})
    parser.add_argument(
        "--losses",
        nargs="+",
        type=str,
        default=list(Settings.losses),
        help=f"the losses to compare: {', '.join(PRESETS)}",
    )
    parser.add_argument("--name", type=str | None, help="name of the folder in --out (default: upscale2x, ...)")
    parser.add_argument("--out", type=Path, default=Path("runs/compare"), help="where that folder goes")
    parser.add_argument("--resume", type=Path | None, help="the folder of an interrupted comparison to go on with")
    return parser


def _train_parser() -> ArgumentParser:
    parser = ArgumentParser(description="Train one network from a recipe; every setting can be overridden.")
    parser.add_argument("--recipe", action="config", help="a YAML file; 'train FILE' says the same")
    parser.add_class_arguments(Recipe)
    parser.add_argument("--name", type=str, default="train", help="name of the folder in --out")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="where that folder goes")
    parser.add_argument("--resume", type=Path | None, help="the folder of an interrupted run to go on with")
    return parser


def _train_loss_network_parser() -> ArgumentParser:
    parser = ArgumentParser(description="Train a loss network on your own pictures, labelled or not.")
    parser.add_argument("--recipe", action="config", help="a YAML file; 'train-loss-network FILE' says the same")
    parser.add_function_arguments(train_loss_network)
    parser.set_defaults(progress=True)
    return parser


def run_compare(parser: ArgumentParser, options: Namespace) -> None:
    """Run ``perceptualloss compare``."""
    if options.resume is not None:
        folder, settings = options.resume, read_settings(options.resume)
    else:
        settings = Settings(**_of(Settings, options) | {"losses": tuple(options.losses)})
        folder = free_folder(options.out, options.name or f"upscale{settings.scale}x")
    console.print(f"Writing to [bold]{folder}[/]")
    comparison = compare(settings, folder, progress=True, say=lambda line: console.print(f"[bold]{escape(line)}[/]"))
    console.print(score_table(comparison))
    for why in comparison.missing.values():
        console.print(f"[yellow]note:[/] {escape(why)}", highlight=False, soft_wrap=True)
    for sentence in comparison.verdict:
        console.print(sentence, highlight=False, soft_wrap=True)
    console.print(f"Open [bold]{folder / 'report.html'}[/] in a browser to see it.", soft_wrap=True)


def run_train(parser: ArgumentParser, options: Namespace) -> None:
    """Run ``perceptualloss train``."""
    folder = options.resume or free_folder(options.out, options.name)
    L.seed_everything(options.seed, verbose=False)  # the network's first weights
    recipe = Recipe(**_of(Recipe, parser.instantiate_classes(options)))
    console.print(f"Writing to [bold]{folder}[/]; watch with: tensorboard --logdir {options.out}", soft_wrap=True)
    scores = train(recipe, folder, resume=options.resume is not None, progress=True)
    console.print("Validation: " + ", ".join(f"{name} {value:.4f}" for name, value in scores.items()))
    console.print(f"Saved [bold]{folder / 'network.safetensors'}[/]", soft_wrap=True)


def run_train_loss_network(parser: ArgumentParser, options: Namespace) -> None:
    """Run ``perceptualloss train-loss-network``."""
    settings = {name: options[name] for name in inspect.signature(train_loss_network).parameters}
    unlabelled = options.photos if options.classes is None else None
    photos = report_photos(unlabelled, options.validation)  # before the training, so that mistakes show now
    figures = train_loss_network(**settings)
    console.print(", ".join(f"{name} {value:.4f}" for name, value in figures.items()))
    console.print(
        f"Saved [bold]{options.out}[/]; give it as weights of the network {options.architecture!r}.", soft_wrap=True
    )
    folder = options.folder / "report"
    report = report_network(
        options.architecture,
        options.out,
        photos,
        folder,
        settings=_described(settings, figures),
        command=_command("train-loss-network", train_loss_network, settings),
        say=lambda line: console.print(f"[bold]{escape(line)}[/]"),
    )
    console.print(agreement_table(report))
    for sentence in report.verdict:
        console.print(sentence, highlight=False, soft_wrap=True)
    console.print(f"Open [bold]{folder / 'report.html'}[/] in a browser to see it.", soft_wrap=True)


def agreement_table(report: NetworkReport) -> Table:
    """Return how many pairs of distorted photos each distance orders right, the best of each row in bold."""
    table = Table(title="Pairs of distorted photos that are ordered right")
    table.add_column("")
    for name in report.agreements:
        table.add_column(name, justify="right")
    for row in report.rows:
        cells = [f"[bold]{percent(v)}[/]" if name in row.best else percent(v) for name, v in row.values.items()]
        table.add_row(row.title, *cells)
    return table


def score_table(comparison: Comparison) -> Table:
    """Return the scores of all runs as a table, the best of each column in bold."""
    table = Table(title=comparison.title)
    table.add_column("loss")
    for metric in comparison.metrics:
        table.add_column(f"{metric.title} {metric.arrow}", justify="right")
    for name in comparison.missing:
        table.add_column(name.upper(), justify="right")
    best = {metric.key: best_runs(metric, comparison.runs) for metric in comparison.metrics}
    for run in comparison.runs:
        cells = []
        for metric in comparison.metrics:
            text = format_value(metric, run.scores.get(metric.key))
            cells.append(f"[bold]{text}[/]" if run.name in best[metric.key] else text)
        table.add_row(run.label, *cells, *["not here" for _ in comparison.missing])
    return table


def free_folder(parent: Path, name: str) -> Path:
    """Return ``parent/name``, or with a number behind it that no earlier run has taken."""
    folder, number = parent / name, 1
    while folder.exists():
        number += 1
        folder = parent / f"{name}-{number}"
    return folder


def _of(kind: type, options: Namespace) -> dict[str, Any]:
    return {field.name: options[field.name] for field in dataclasses.fields(kind)}


def _described(settings: dict[str, Any], figures: dict[str, float]) -> dict[str, str]:
    """Return what a reader of the report should know about the training."""
    silent = {"folder", "resume", "progress"}
    told = {name: str(value) for name, value in settings.items() if value is not None and name not in silent}
    return told | {"at_the_end": ", ".join(f"{name} {value:.4f}" for name, value in figures.items())}


def _command(name: str, function: Callable[..., Any], settings: dict[str, Any]) -> str:
    """Return the command line that calls ``function`` with ``settings`` again."""
    words = ["perceptualloss", name]
    for key, parameter in inspect.signature(function).parameters.items():
        if settings[key] != parameter.default and key not in {"resume", "progress"}:
            words += [f"--{key.replace('_', '-')}", str(settings[key])]
    return shlex.join(words)


def _usual_form(words: list[str]) -> list[str]:
    """Let ``--loss-network`` stand for ``--loss_network`` and ``train FILE`` for ``train --recipe FILE``."""
    words = [re.sub(r"^--[\w.-]+", lambda name: "--" + name[0][2:].replace("-", "_"), word) for word in words]
    if len(words) > 1 and words[0] in ("train", "train-loss-network") and not words[1].startswith("-"):
        if not Path(words[1]).is_file():
            raise InputError("a recipe", f"no file {words[1]}", "The project's are in recipes/.")
        return [words[0], "--recipe", *words[1:]]
    return words


def _resume_command(words: list[str], stop: TrainingInterrupted) -> str:
    """Return the command line that goes on after an interruption."""
    if words[0] == "compare":
        return shlex.join(["perceptualloss", "compare", "--resume", str(stop.checkpoint.parents[2])])
    if "--resume" in words:
        return shlex.join(["perceptualloss", *words])
    return shlex.join(["perceptualloss", *words, "--resume", str(stop.checkpoint.parent)])


COMMANDS: dict[str, Callable[[ArgumentParser, Namespace], None]] = {
    "compare": run_compare,
    "train": run_train,
    "train-loss-network": run_train_loss_network,
}
