"""The report of a comparison: one HTML file that needs no network, with a before/after slider."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from perceptualloss.drawing.cells import DETAIL_COLOURS
from perceptualloss.drawing.details import TRUTH, Photo, file_stems, find_details
from perceptualloss.drawing.page import render_page, themed
from perceptualloss.metrics.metric import Metric, format_value, telling
from perceptualloss.studies.compare.curves import curve_metrics, describe_curves, draw_curves, run_colours
from perceptualloss.studies.compare.panels import captions, detail_runs, panel_metrics
from perceptualloss.studies.compare.results import COMMAND, Comparison, best_runs
from perceptualloss.studies.compare.sheets import Sheet, fit_sheets, make_sheet

_MOST_PHOTOS = 6
_BUDGET = 5_500_000  # characters of pictures; with the curves and the text the page stays below 6 MB


def write_report(comparison: Comparison, photos: Sequence[Photo], folder: Path) -> Path:
    """Write ``report.html`` into ``folder`` with every picture inside, and return its path.

    At most six photos are shown, and of large ones a window around the detail, at full resolution, so that
    the file stays below about 6 MB.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "report.html"
    path.write_text(render_report(comparison, photos), encoding="utf-8")
    return path


def render_report(comparison: Comparison, photos: Sequence[Photo]) -> str:
    """Give the report as HTML text."""
    shown = list(photos)[:_MOST_PHOTOS]
    left, right = _first_sides(comparison)
    start = _most_telling(comparison, shown, (left, right))
    pages = _photos(comparison, shown)
    settings = {k: v for k, v in comparison.settings.items() if k != COMMAND}
    return render_page(
        "comparison.html.jinja",
        title=comparison.title,
        comparison=comparison,
        colours=_colours(comparison),
        detail_colours=DETAIL_COLOURS,
        rows=_rows(comparison) + _missing(comparison),
        curves=[_curve(comparison, metric) for metric in curve_metrics(comparison)],
        photos=pages,
        left_out=len(photos) - len(shown),
        start=start,
        left=left,
        right=right,
        sides=[*((run.name, run.label) for run in comparison.runs), (TRUTH, TRUTH)],
        slider=_slider_data(comparison, pages),
        settings=settings,
        command=comparison.settings.get(COMMAND, ""),
        truth=TRUTH,
    )


def _photos(comparison: Comparison, photos: Sequence[Photo]) -> list[dict[str, Any]]:
    """Collect what the template needs of every photo, within the budget."""
    boxes = [find_details(photo, names=detail_runs(comparison, photo)) for photo in photos]
    whole = [
        make_sheet(photo, details_of, max(photo.target.shape)) for photo, details_of in zip(photos, boxes, strict=True)
    ]
    # Details come first: they show the most, and the rest of the budget goes to the whole pictures.
    details = [sheet.detail_uris() for sheet in whole]
    used = sum(len(text) for each in details for texts in each.values() for text in texts)
    sheets = fit_sheets(photos, boxes, _BUDGET - used)
    pages = [_photo(comparison, *sheet, details_of) for sheet, details_of in zip(sheets, details, strict=True)]
    for page, stem in zip(pages, file_stems(photos), strict=True):
        page["id"] = f"photo-{stem}"
    return pages


def _photo(
    comparison: Comparison, sheet: Sheet, files: Mapping[str, str], details: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """Collect what the template needs of one photo."""
    metrics = panel_metrics(comparison.metrics)
    labels = {run.name: run.label for run in comparison.runs}
    lines = {run.name: captions(sheet.photo, run, metrics) for run in comparison.runs}
    names = [run.name for run in comparison.runs if run.name in sheet.photo.outputs] + [TRUTH]
    window = sheet.window
    return {
        "name": sheet.photo.name,
        "width": window.width,
        "height": window.height,
        "size": (sheet.photo.target.shape[3], sheet.photo.target.shape[2]),
        "cropped": sheet.cropped,
        "boxes": [
            {
                "top": 100 * box.top / window.height,
                "left": 100 * box.left / window.width,
                "height": 100 * box.height / window.height,
                "width": 100 * box.width / window.width,
                "pixels": [box.left, box.top, box.width, box.height],
            }
            for box in sheet.details
        ],
        "pictures": [
            {
                "name": name,
                "label": labels.get(name, TRUTH),
                "uri": files[name],
                "lines": lines.get(name, ["the original photo"]),
                "details": details[name],
            }
            for name in names
        ],
    }


def _rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Fill the table, one row per measured metric."""
    rows = []
    for metric in comparison.metrics:
        if metric.key not in comparison.missing:
            best = best_runs(metric, comparison.runs)
            cells = [
                {"text": format_value(metric, run.scores.get(metric.key)), "best": run.name in best}
                for run in comparison.runs
            ]
            direction = f"{metric.arrow} {metric.direction}"
            rows.append({"title": metric.title, "direction": direction, "cells": cells, "note": metric.note})
    return rows


def _missing(comparison: Comparison) -> list[dict[str, Any]]:
    """Fill a row without scores for every metric that could not be measured, with the reason."""
    labels = {metric.key: metric.label for metric in comparison.metrics}
    cells = [{"text": "\N{EN DASH}", "best": False} for _ in comparison.runs]
    return [
        {"title": labels.get(key, key.upper()), "direction": "", "cells": cells, "note": reason}
        for key, reason in comparison.missing.items()
    ]


def _curve(comparison: Comparison, metric: Metric) -> dict[str, Any]:
    return themed(lambda dark: draw_curves(comparison, metric, dark=dark), describe_curves(comparison, metric))


def _colours(comparison: Comparison) -> list[tuple[str, str]]:
    """Each run's colour on light and on dark paper."""
    light, dark = run_colours(comparison), run_colours(comparison, dark=True)
    return [(light[run.name], dark[run.name]) for run in comparison.runs]


def _slider_data(comparison: Comparison, pages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Collect what the page's script needs; the pictures it takes from the page itself."""
    return {
        "labels": {**{run.name: run.label for run in comparison.runs}, TRUTH: TRUTH},
        "photos": [
            {
                "id": page["id"],
                "name": page["name"],
                "width": page["width"],
                "height": page["height"],
                "details": [box["pixels"] for box in page["boxes"]],
                "names": [picture["name"] for picture in page["pictures"]],
                "lines": {picture["name"]: picture["lines"] for picture in page["pictures"]},
            }
            for page in pages
        ],
    }


def _first_sides(comparison: Comparison) -> tuple[str, str]:
    """Choose what the slider compares at first: the first trained loss, and the other one that looks best.

    What looks best is said by the most telling perceptual metric. Where there is one loss alone, it is compared
    with interpolation, and interpolation alone with the ground truth.
    """
    trained, metric = comparison.trained, _judge(comparison)
    if len(trained) < 2:
        names = [*(run.name for run in comparison.runs), TRUTH, TRUTH]
        return names[0], names[1]
    others = trained[1:]
    scored = [r for r in others if metric and math.isfinite(r.scores.get(metric.key, math.nan))]
    if metric and scored:
        pick = max if metric.higher_is_better else min
        others = [pick(scored, key=lambda run: run.scores[metric.key])]
    return trained[0].name, others[0].name


def _judge(comparison: Comparison) -> Metric | None:
    """Find the most telling perceptual metric."""
    perceptual = [m for m in comparison.metrics if m.rank]
    return telling(perceptual) if perceptual else None


def _most_telling(comparison: Comparison, photos: Sequence[Photo], names: Sequence[str]) -> int:
    """Find the photo on which two runs differ the most in the most telling perceptual metric, else the first."""
    runs = [run for run in comparison.runs if run.name in names]
    metric = _judge(comparison)
    if len(runs) < 2 or metric is None:
        return 0
    gaps = []
    for photo in photos:
        a, b = (run.per_photo.get(photo.name, {}).get(metric.key, math.nan) for run in runs)
        gaps.append(abs(a - b) if math.isfinite(a - b) else -1.0)
    return gaps.index(max(gaps)) if gaps else 0
