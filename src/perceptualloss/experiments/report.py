"""The report of a comparison: one HTML file that needs no network, with a before/after slider."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from perceptualloss.experiments.curves import curve_metrics, describe_curves, draw_curves, run_colours
from perceptualloss.experiments.embed import TRUTH, Sheet, fit_sheets, lossless, make_sheet, uri
from perceptualloss.experiments.panels import (
    DETAIL_COLOURS,
    captions,
    detail_runs,
    find_details,
    panel_metrics,
)
from perceptualloss.experiments.results import (
    COMMAND,
    PSNR,
    SECONDS,
    Comparison,
    Metric,
    Photo,
    best_runs,
    file_stems,
    format_value,
)

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
    environment = Environment(
        loader=PackageLoader("perceptualloss.experiments", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = list(photos)[:_MOST_PHOTOS]
    start = _most_telling(comparison, shown)
    pages = _photos(comparison, shown)
    left, right = _first_sides(comparison)
    settings = {k: v for k, v in comparison.settings.items() if k != COMMAND}
    return environment.get_template("report.html.jinja").render(
        comparison=comparison,
        colours=_colours(comparison),
        detail_colours=DETAIL_COLOURS,
        rows=_rows(comparison),
        missing=_missing(comparison),
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
    whole = [make_sheet(photo, found, max(photo.target.shape)) for photo, found in zip(photos, boxes, strict=True)]
    # Details come first: they show the most, and the rest of the budget goes to the whole pictures.
    details = [sheet.detail_uris() for sheet in whole]
    used = sum(len(text) for each in details for texts in each.values() for text in texts)
    sheets = fit_sheets(photos, boxes, _BUDGET - used)
    pages = [_photo(comparison, *sheet, found) for sheet, found in zip(sheets, details, strict=True)]
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
            rows.append({"metric": metric, "cells": cells})
    return rows


def _missing(comparison: Comparison) -> list[tuple[str, str]]:
    labels = {metric.key: metric.label for metric in comparison.metrics}
    return [(labels.get(key, key.upper()), reason) for key, reason in comparison.missing.items()]


def _curve(comparison: Comparison, metric: Metric) -> dict[str, Any]:
    images = {}
    for name, dark in (("light", False), ("dark", True)):
        file = io.BytesIO()
        draw_curves(comparison, metric, dark=dark).savefig(file, format="png", metadata={"Software": None})
        images[name] = uri(lossless(Image.open(file).convert("RGB")))
    return {"metric": metric, "alt": describe_curves(comparison, metric), **images}


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
    """Choose what the slider compares at first: two trained losses, or the one there is with the rest."""
    names = [run.name for run in comparison.trained]
    names = names if len(names) > 1 else [run.name for run in comparison.runs]
    return (*names, TRUTH, TRUTH)[0], (*names, TRUTH, TRUTH)[1]


def _most_telling(comparison: Comparison, photos: Sequence[Photo]) -> int:
    """Find the photo on which the first two trained losses differ the most in the last perceptual metric."""
    runs = comparison.trained[:2]
    keys = [m.key for m in panel_metrics(comparison.metrics) if m.key not in (PSNR, SECONDS)]
    if len(runs) < 2 or not keys:
        return 0
    gaps = []
    for photo in photos:
        a, b = (run.per_photo.get(photo.name, {}).get(keys[-1], math.nan) for run in runs)
        gaps.append(abs(a - b) if math.isfinite(a - b) else -1.0)
    return gaps.index(max(gaps)) if gaps else 0
