"""``perceptualloss compare``."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace
from rich.table import Table
from rich.text import Text

from perceptualloss.cli.console import (
    bold,
    check_unused,
    command_parser,
    console,
    inform,
    metric_table,
    note,
    say,
    tell,
)
from perceptualloss.losses.registry import LOSSES
from perceptualloss.metrics.metric import format_value
from perceptualloss.studies.compare.compare import compare
from perceptualloss.studies.compare.results import Comparison, best_runs
from perceptualloss.studies.compare.runs import compare_runs
from perceptualloss.studies.compare.settings import FITTED, Settings, read_settings
from perceptualloss.training.run_folder import claimed_folder

_ASKED = [field.name for field in fields(Settings) if field.name != FITTED]


def build_parser() -> ArgumentParser:
    """Return the parser of this command."""
    parser = command_parser("compare")
    parser.add_class_arguments(Settings, as_group=False, skip={"losses", FITTED})
    parser.add_argument(
        "--losses",
        nargs="+",
        type=str,
        default=list(Settings.losses),
        help=f"the losses to compare: {', '.join(LOSSES)}",
    )
    parser.add_argument(
        "--runs",
        nargs="+",
        type=Path,
        help="instead of training: folders of finished trainings on the same photos, such as those of autoencoders",
    )
    parser.add_argument(
        "--name", type=str | None, help="name of the folder in --out (default: upscale2x, ..., or runs)"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/compare"), help="where that folder goes")
    parser.add_argument("--resume", type=Path | None, help="the folder of an interrupted comparison to go on with")
    return parser


def run(parser: ArgumentParser, options: Namespace) -> None:
    """Run ``perceptualloss compare``."""
    place: AbstractContextManager[Path]
    if options.runs is not None:
        names = [*_ASKED, "resume"]
        check_unused(parser, options, names, "with --runs: these are trained")
        with claimed_folder(options.out, options.name or "runs") as folder:
            inform("Writing to ", bold(folder))
            comparison = compare_runs(options.runs, folder, say=say)
        _show(comparison, folder)
        return
    if options.resume is not None:
        names = [*_ASKED, "name", "out"]
        check_unused(parser, options, names, "with --resume: the folder has the comparison's settings")
        settings, place = read_settings(options.resume), nullcontext(options.resume)
    else:
        settings = Settings(**{name: options[name] for name in _ASKED} | {"losses": tuple(options.losses)})
        place = claimed_folder(options.out, options.name or f"upscale{settings.scale}x")
    with place as folder:
        inform("Writing to ", bold(folder))
        comparison = compare(settings, folder, progress=True, say=say)
    _show(comparison, folder)


def _show(comparison: Comparison, folder: Path) -> None:
    console.print(score_table(comparison))
    for why in dict.fromkeys(comparison.missing.values()):
        note(why)
    for sentence in comparison.verdict:
        tell(sentence)
    inform("Open ", bold(folder / "report.html"), " in a browser to see it.")


def score_table(comparison: Comparison) -> Table:
    """Return the scores of all runs as a table, the best of each column in bold."""
    table = metric_table("loss", comparison.metrics, title=comparison.title)
    best = {metric.key: best_runs(metric, comparison.runs) for metric in comparison.metrics}
    for run in comparison.runs:
        cells: list[str | Text] = []
        for metric in comparison.metrics:
            text = format_value(metric, run.scores.get(metric.key))
            cells.append(bold(text) if run.name in best[metric.key] else text)
        table.add_row(run.label, *cells)
    return table
