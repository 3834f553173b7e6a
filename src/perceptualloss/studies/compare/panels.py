"""Panels of a comparison: every run's picture of a photo side by side, whole and zoomed on detail."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from perceptualloss.drawing.cells import DETAIL_COLOURS, detail_cell, lay_out, text_cell, whole_cell
from perceptualloss.drawing.details import Photo, file_stems, find_details
from perceptualloss.metrics.metric import PSNR, Metric, format_value, telling
from perceptualloss.pictures.box import Box
from perceptualloss.studies.compare.results import Comparison, Run


def panel_metrics(metrics: Sequence[Metric]) -> list[Metric]:
    """Choose the metrics under a picture: PSNR and the most telling of the perceptual ones, or all without these."""
    perceptual = [m for m in metrics if m.rank]
    best = [telling(perceptual)] if perceptual else []
    return [m for m in metrics if m.key == PSNR or m in best] or list(metrics)


def captions(photo: Photo, run: Run, metrics: Sequence[Metric]) -> list[str]:
    """Lines such as ``PSNR 27.12 dB`` with a run's scores on one photo."""
    scores = run.per_photo.get(photo.name, {})
    return [
        f"{metric.short} {format_value(metric, scores[metric.key])} {metric.unit}".rstrip()
        for metric in metrics
        if metric.key in scores
    ]


def draw_panel(
    photo: Photo,
    runs: Sequence[Run],
    metrics: Sequence[Metric] = (),
    boxes: Sequence[Box] | None = None,
    column: int = 392,
) -> Image.Image:
    """Draw one column per run and one for the ground truth: the whole picture, then its details.

    ``column`` is the width of a column in pixels. Details are enlarged without smoothing.
    """
    boxes = find_details(photo) if boxes is None else boxes
    shown = [run for run in runs if run.name in photo.outputs]
    pictures = [*(photo.outputs[run.name] for run in shown), photo.target]
    headings = [*(run.label for run in shown), "ground truth"]
    scores = [*(captions(photo, run, panel_metrics(metrics)) for run in shown), ["the original photo"]]
    rows = [
        [text_cell([heading], 20, column, bold=True) for heading in headings],
        [whole_cell(pixels, boxes, column) for pixels in pictures],
        [text_cell(lines, 16, column) for lines in scores],
    ]
    for number, box in enumerate(boxes):
        rows.append([detail_cell(pixels, box, column, DETAIL_COLOURS[number % 2]) for pixels in pictures])
    return lay_out(rows, column)


def write_panels(comparison: Comparison, photos: Sequence[Photo], folder: Path) -> list[Path]:
    """Write ``panels/<photo>.png`` for every photo; return the paths."""
    paths = []
    for photo, stem in zip(photos, file_stems(photos), strict=True):
        path = folder / "panels" / f"{stem}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        boxes = find_details(photo, names=detail_runs(comparison, photo))
        draw_panel(photo, comparison.runs, comparison.metrics, boxes).save(path)
        paths.append(path)
    return paths


def detail_runs(comparison: Comparison, photo: Photo) -> list[str] | None:
    """Name the runs whose difference decides where to zoom: the trained ones, if there are two."""
    names = [run.name for run in comparison.trained if run.name in photo.outputs]
    return names if len(names) > 1 else None
