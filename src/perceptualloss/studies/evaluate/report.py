"""The page of an evaluation: one HTML file that needs no network, where two candidates differ most first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from PIL import Image

from perceptualloss.drawing.cells import DETAIL_COLOURS, to_picture
from perceptualloss.drawing.details import TRUTH, Photo, find_details
from perceptualloss.drawing.heat import colour
from perceptualloss.drawing.page import compressed, lossless, render_page, uri
from perceptualloss.drawing.plots import DARK, LIGHT
from perceptualloss.metrics.metric import Metric, best_values, format_value
from perceptualloss.studies.evaluate.candidates import Loaded
from perceptualloss.studies.evaluate.error_maps import errors_of
from perceptualloss.studies.evaluate.results import Evaluation, best, value_lines

_MOST_PICTURES = 24
_BUDGET = 5_500_000  # characters of pictures
_WHOLE = 480  # pixels that the longer side of a whole picture is shown with


def render_evaluation(evaluation: Evaluation, command: str = "") -> str:
    """Give the page as HTML text; ``command`` is the line that measures again.

    Details of at most 24 pictures are shown, and no more than make about 6 MB: those on which the first two
    candidates differ most, or, of one candidate alone, the worst.
    """
    ranked, metric = evaluation.differing()
    pictures: list[dict[str, Any]] = []
    used = 0
    for name in ranked[:_MOST_PICTURES]:
        picture = _picture(evaluation, evaluation.look(name))
        used += sum(len(text) for item in picture["columns"] for text in (item["whole"], *item["details"]))
        pictures.append(picture)
        if used > _BUDGET:
            break
    names = evaluation.candidates
    count = len(evaluation.pictures)
    return render_page(
        "evaluation.html.jinja",
        title=" against ".join(names[1::-1]) if len(names) < 3 else f"{len(names)} candidates compared",
        evaluation=evaluation,
        count=f"{count} {'picture' if count == 1 else 'pictures'}",
        colours=_colours(len(names)),
        detail_colours=DETAIL_COLOURS,
        rows=[_mean_row(evaluation, each) for each in evaluation.metrics],
        pictures=pictures,
        by=metric,
        left_out=count - len(pictures),
        tables=[{"metric": each, "rows": _rows(evaluation, each)} for each in evaluation.metrics],
        command=command,
    )


def _picture(evaluation: Evaluation, loaded: Loaded) -> dict[str, Any]:
    """Collect what the template needs of one picture: a column for the target and one for each candidate."""
    name, (height, width) = loaded.task.name, loaded.target.shape[-2:]
    outputs = {key: output.clamp(0, 1) for key, output in loaded.outputs.items()}
    compared = outputs if len(outputs) > 1 else {**outputs, TRUTH: loaded.target}
    boxes = find_details(Photo(name, loaded.target, compared))
    errors, highest = errors_of(loaded)
    whole = {TRUTH: to_picture(loaded.target), **{key: colour(error, highest) for key, error in errors.items()}}
    return {
        "name": name,
        "levels": f"{255 * highest:.0f}",
        "boxes": [
            {
                "style": f"top: {100 * b.top / height:.2f}%; left: {100 * b.left / width:.2f}%; "
                f"width: {100 * b.width / width:.2f}%; height: {100 * b.height / height:.2f}%",
                "size": (b.width, b.height),
            }
            for b in boxes
        ],
        "columns": [
            {
                "name": key,
                "whole": uri(compressed(_small(whole[key]))),
                "size": _small(whole[key]).size,
                "details": [uri(lossless(to_picture(box.cut(pixels)))) for box in boxes],
                "lines": value_lines(evaluation, key, name) if key != TRUTH else [],
            }
            for key, pixels in {TRUTH: loaded.target, **outputs}.items()
        ],
    }


def _small(picture: Image.Image) -> Image.Image:
    small = picture.copy()
    small.thumbnail((_WHOLE, _WHOLE), Image.Resampling.LANCZOS)
    return small


def _mean_row(evaluation: Evaluation, metric: Metric) -> dict[str, Any]:
    """Fill a row of the table of means; the intervals stand in its note."""
    means = {name: by_metric[metric.key] for name, by_metric in evaluation.means.items()}
    bests = best(metric, evaluation.means)
    intervals = [
        f"{name} {format_value(metric, mean.low)} to {format_value(metric, mean.high)}"
        for name, mean in means.items()
        if not math.isnan(mean.low)
    ]
    note = f"{metric.note} 95% interval: {'; '.join(intervals)}." if intervals else metric.note
    return {
        "title": metric.title,
        "direction": f"{metric.arrow} {metric.direction}",
        "cells": [{"text": format_value(metric, mean.value), "best": name in bests} for name, mean in means.items()],
        "note": note,
    }


def _rows(evaluation: Evaluation, metric: Metric) -> list[dict[str, Any]]:
    """Fill the table of one metric: a row for each picture."""
    return [
        _row(metric, picture, {n: v[metric.key].get(picture, math.nan) for n, v in evaluation.values.items()})
        for picture in evaluation.pictures
    ]


def _row(metric: Metric, picture: str, values: Mapping[str, float]) -> dict[str, Any]:
    bests = best_values(metric, values)
    cells = [{"text": format_value(metric, value), "best": name in bests} for name, value in values.items()]
    return {"title": picture, "direction": "", "cells": cells, "note": ""}


def _colours(count: int) -> list[tuple[str, str]]:
    """Give each candidate a colour for light and for dark paper."""
    pairs = list(zip(LIGHT.colours, DARK.colours, strict=True))
    return [pairs[number % len(pairs)] for number in range(count)]
