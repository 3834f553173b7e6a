"""``perceptualloss evaluate``."""

from __future__ import annotations

import inspect
import math
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace
from rich.table import Table
from rich.text import Text

from perceptualloss.bars import bars
from perceptualloss.cli.console import (
    bold,
    command_parser,
    complain,
    console,
    errors,
    inform,
    make_folder,
    metric_table,
    note,
    printable,
    say,
    tell,
)
from perceptualloss.cli.targets import add_overwrite, check_new
from perceptualloss.errors import InputError
from perceptualloss.files import json_text, write_whole
from perceptualloss.metrics.metric import Metric, best_values, format_value, telling
from perceptualloss.metrics.registry import list_metrics
from perceptualloss.studies.evaluate.error_maps import write_error_maps
from perceptualloss.studies.evaluate.evaluate import evaluate
from perceptualloss.studies.evaluate.report import render_evaluation
from perceptualloss.studies.evaluate.results import Evaluation, Mean, as_data, best, csv_text

_MOST_ROWS, _SHOWN_ROWS = 20, 12
_FILES: dict[str, Callable[[Evaluation], str]] = {
    "json": lambda result: json_text(as_data(result)),
    "csv": csv_text,
}
_OWN = ("outputs", "targets", "networks", "metrics", "progress")


def build_parser() -> ArgumentParser:
    """Return the parser of this command."""
    parser = command_parser("evaluate")
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        help="pictures or folders to measure; without --targets, the last one has the targets",
    )
    parser.add_argument("--targets", type=Path | None, help="the picture or folder that they are measured against")
    parser.add_argument(
        "--network",
        nargs="+",
        type=str,
        default=[],
        help="saved networks, names of those that ship, bicubic or bilinear: they enlarge shrunk targets",
    )
    parser.add_argument(
        "--metrics",
        nargs="+",
        type=str,
        help=f"{', '.join(list_metrics())}; with parameters as in psnr:channel=y (default: the protocol's)",
    )
    parser.add_function_arguments(evaluate, as_group=False, skip=set(_OWN))
    parser.add_argument("--json", type=Path | None, help="a file for all values, means, intervals and comparisons")
    parser.add_argument("--csv", type=Path | None, help="a file with a line for each picture and candidate")
    parser.add_argument("--html", type=Path | None, help="a page with details, where two candidates differ most first")
    parser.add_argument("--errors", type=Path | None, help="a folder for a picture of the errors of each picture")
    add_overwrite(parser)
    return parser


def run(parser: ArgumentParser, options: Namespace) -> None:
    """Run ``perceptualloss evaluate``."""
    outputs, targets = _places(options.paths, options.targets)
    for place in (options.json, options.csv, options.html, options.errors):
        if place is not None:  # before the work, so that mistakes show now
            check_new(place, options.overwrite)
            make_folder(place if place == options.errors else place.parent)
    settings = {name: options[name] for name in inspect.signature(evaluate).parameters if name not in _OWN}
    with bars(errors) as shown:
        bar = shown.add_task("Measuring", total=None)
        evaluation = evaluate(
            outputs,
            targets,
            networks=options.network,
            metrics=options.metrics,
            progress=lambda done, total: shown.update(bar, completed=done, total=total),
            **settings,
        )
    _show(evaluation)
    for kind, text in _FILES.items():
        if options[kind] is not None:
            _write(options[kind], text(evaluation), options.overwrite)
    if options.html is not None:
        say("Drawing the page")
        _write(options.html, render_evaluation(evaluation, command=_command(options)), options.overwrite)
    if options.errors is not None:
        say("Drawing the errors")
        paths = write_error_maps(evaluation, options.errors)
        inform(f"Wrote {len(paths)} pictures into ", bold(options.errors))
    if failed := len(evaluation.failed):
        total = failed + len(evaluation.pictures)
        raise InputError(f"{total} pictures that can be measured", f"{failed} that cannot", "The reasons are above.")


def mean_table(evaluation: Evaluation) -> Table:
    """Return the means with their intervals, the best of each column in bold."""
    infinite = any(mean.infinite for means in evaluation.means.values() for mean in means.values())
    caption = "below: 95% interval" if len(evaluation.pictures) > 1 else None
    if caption and infinite:
        caption += "; where \N{INFINITY}, on how many pictures, and the mean of the others"
    table = metric_table("", evaluation.metrics, caption=caption)
    bests = {metric.key: best(metric, evaluation.means) for metric in evaluation.metrics}
    for name, means in evaluation.means.items():
        cells = [
            _mean_cell(m, means[m.key], len(evaluation.values[name][m.key]), name in bests[m.key])
            for m in evaluation.metrics
        ]
        table.add_row(printable(name), *cells)
    return table


def picture_table(evaluation: Evaluation, width: int) -> Table:
    """Return the values of each picture; of many pictures those where the candidates differ most."""
    pictures, by = evaluation.pictures, ""
    if len(pictures) > _MOST_ROWS:
        ranked, metric = evaluation.differing()
        what = "where the first two differ most" if len(evaluation.candidates) > 1 else "the worst"
        by = f"{_SHOWN_ROWS} of {len(pictures)} pictures, {what} by {metric.label}; --csv has all"
        pictures = ranked[:_SHOWN_ROWS]
    metrics = _fitting(evaluation, pictures, width)
    table = Table(caption=by or None)
    table.add_column("picture")
    for metric in metrics:
        for name in evaluation.candidates:
            short = f"{metric.short} {metric.arrow}"
            table.add_column(
                f"{short}\n{printable(name)}" if len(evaluation.candidates) > 1 else short, justify="right"
            )
    for picture in pictures:
        cells = []
        for metric in metrics:
            values = {name: scores[metric.key].get(picture, math.nan) for name, scores in evaluation.values.items()}
            bests = best_values(metric, values)
            cells += [_bold(format_value(metric, value), name in bests) for name, value in values.items()]
        table.add_row(printable(picture), *cells)
    return table


def _show(evaluation: Evaluation) -> None:
    count = len(evaluation.pictures)
    if count > 1:
        console.print(picture_table(evaluation, console.width))
    tell(f"Mean over {count} pictures; {evaluation.convention}:" if count > 1 else f"{evaluation.convention}:")
    console.print(mean_table(evaluation))
    for line in evaluation.verdict:
        tell(line)
    for why in dict.fromkeys(evaluation.missing.values()):
        note(why)
    if evaluation.unmatched:
        names = ", ".join(str(file) for file in evaluation.unmatched[:10])
        more = f" and {len(evaluation.unmatched) - 10} more" if len(evaluation.unmatched) > 10 else ""
        note(f"{len(evaluation.unmatched)} files have no partner everywhere and were left out: {names}{more}.")
    for name, why in evaluation.problems.items():
        complain("not measured:", f"{name}: {why}")
    if evaluation.failed:
        few = f"{len(evaluation.failed)} of {count + len(evaluation.failed)}"
        note(f"{few} pictures could not be measured and were left out for all candidates.")


def _fitting(evaluation: Evaluation, pictures: list[str], width: int) -> list[Metric]:
    """Choose the metrics whose columns fit into ``width``: the most telling one, then from the first on."""
    several = len(evaluation.candidates) > 1
    room = width - max(map(len, [*pictures, "picture"])) - 4
    chosen: list[Metric] = []
    first = telling(evaluation.metrics)
    for metric in (first, *(m for m in evaluation.metrics if m != first)):
        heading = len(metric.short) + 2
        room -= sum(max(heading, len(name) if several else 0) + 3 for name in evaluation.candidates)
        if room >= 0 or not chosen:
            chosen.append(metric)
    return [metric for metric in evaluation.metrics if metric in chosen]


def _mean_cell(metric: Metric, mean: Mean, pictures: int, is_best: bool) -> Text:
    text = _bold(format_value(metric, mean.value), is_best)
    if mean.infinite and pictures > 1:
        others = "" if math.isnan(mean.rest) else f"\nelse {format_value(metric, mean.rest)}"
        return Text.assemble(text, (f"\n{mean.infinite} of {pictures}{others}", "dim"))
    if math.isnan(mean.low):
        return text
    return Text.assemble(
        text, (f"\n{format_value(metric, mean.low)} \N{EN DASH} {format_value(metric, mean.high)}", "dim")
    )


def _bold(text: str, is_best: bool) -> Text:
    return bold(text) if is_best else Text(text)


def _places(paths: list[Path], targets: Path | None) -> tuple[list[Path], Path]:
    if targets is not None:
        return paths, targets
    if len(paths) < 2:
        usage = "perceptualloss evaluate OUTPUTS TARGETS, or evaluate --network NET --targets DIR"
        raise InputError("outputs and targets", " ".join(map(str, paths)) or "nothing", usage)
    return paths[:-1], paths[-1]


def _write(path: Path, text: str, overwrite: bool) -> None:
    try:
        write_whole(text.encode(), path, overwrite)
    except OSError as error:
        raise InputError(f"{path} to be writable", str(error), "Choose another place.") from error
    inform("Wrote ", bold(path))


def _command(options: Namespace) -> str:
    """Return the command line that measures the same again."""
    words = ["perceptualloss", "evaluate", *map(str, options.paths)]
    given: dict[str, Any] = {"targets": options.targets, "network": options.network, "metrics": options.metrics}
    parameters = inspect.signature(evaluate).parameters
    given |= {n: options[n] for n, p in parameters.items() if n not in _OWN and options[n] != p.default}
    for name, value in given.items():
        if value:
            words += [f"--{name.replace('_', '-')}", *map(str, value if isinstance(value, list) else [value])]
    return shlex.join(words)
