"""Panels of a comparison: every run's picture of a photo side by side, whole and zoomed on detail."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d

from perceptualloss.drawing.panels import DETAIL_COLOURS, detail_cell, lay_out, text_cell, whole_cell
from perceptualloss.metrics.metric import MSE, PSNR, SECONDS, SSIM, Metric, format_value, telling
from perceptualloss.pictures.box import Box
from perceptualloss.studies.compare.results import Comparison, Photo, Run, file_stems

_LUMA = (0.299, 0.587, 0.114)


_STRONG = 0.06  # luminance beside its local mean; more is the edge of a thing rather than texture


def find_details(photo: Photo, size: int = 96, names: Sequence[str] | None = None) -> list[Box]:
    """Find one or two windows with the most texture where the runs differ the most.

    A pixel counts the root of texture times deviation, both after taking away the local mean: texture of
    the target's luminance, deviation over the luminances of the runs. So a difference in overall colour
    counts nothing. Both are bounded, so that texture all over a window counts more than one strong edge.
    The windows keep away from the border, where networks pad, and from each other; the second one is left
    out where it would show little.

    ``names`` restricts the runs that are looked at. ``size`` shrinks on small pictures.
    """
    height, width = photo.target.shape[2:]
    size = min(size, max(1, height // 2), max(1, width // 2))
    outputs = [photo.outputs[name] for name in (names or photo.outputs)]
    with torch.no_grad():
        interest = _fine(photo.target).abs().clamp(max=_STRONG)
        if len(outputs) > 1:
            interest = interest * torch.cat([_fine(output) for output in outputs]).std(0, keepdim=True).clamp(
                max=_STRONG / 2
            )
        # Two narrow means are the square one, at a fraction of the work.
        scores = avg_pool2d(avg_pool2d(interest.sqrt(), (size, 1), stride=1), (1, size), stride=1)[0, 0]
    border = min(max(8, size // 4), (min(height, width) - size) // 2)
    scores = scores[border : height - size - border + 1, border : width - size - border + 1].clone()
    boxes: list[Box] = []
    enough = float(scores.max()) / 2
    while len(boxes) < 2 and float(scores.max()) >= enough:
        row, column = divmod(int(scores.flatten().argmax()), scores.shape[1])
        boxes.append(Box.at(row + border, column + border, size, size))
        reach = size + size // 4  # a little room between the windows
        scores[max(0, row - reach + 1) : row + reach, max(0, column - reach + 1) : column + reach] = -1
    return boxes


def panel_metrics(metrics: Sequence[Metric]) -> list[Metric]:
    """Choose the metrics under a picture: PSNR and the most telling of the perceptual ones, or all without these."""
    perceptual = [m for m in metrics if m.key not in (MSE, PSNR, SSIM, SECONDS)]
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


def _fine(pixels: Tensor) -> Tensor:
    """Luminance without its local mean over 9 x 9 pixels, in float64 so that every machine picks alike."""
    values = pixels.detach().to("cpu", torch.float64).nan_to_num(0).clamp(0, 1)
    luma = (values * values.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
    return luma - avg_pool2d(luma, 9, stride=1, padding=4, count_include_pad=False)
