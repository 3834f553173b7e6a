"""Panels of a comparison: every run's picture of a photo side by side, whole and zoomed on detail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import avg_pool2d

from perceptualloss.metrics.metric import telling
from perceptualloss.studies.compare.results import (
    MSE,
    PSNR,
    SECONDS,
    SSIM,
    Comparison,
    Metric,
    Photo,
    Run,
    file_stems,
    format_value,
)

DETAIL_COLOURS = ("#FFD21F", "#38D6FF")  # seen on dark and, with their black rim, on bright pictures
_INK, _MUTED, _PAPER = "#1b1f24", "#57606a", "#ffffff"
_GAP, _MARGIN = 12, 20
_LUMA = (0.299, 0.587, 0.114)
_STRONG = 0.06  # luminance beside its local mean; more is the edge of a thing rather than texture


@dataclass(frozen=True)
class Box:
    """A window in a picture, in pixels: rows ``top`` to ``bottom``, columns ``left`` to ``right``."""

    top: int
    left: int
    height: int
    width: int

    @property
    def bottom(self) -> int:
        """The first row below the window."""
        return self.top + self.height

    @property
    def right(self) -> int:
        """The first column right of the window."""
        return self.left + self.width

    def crop(self, picture: Tensor) -> Tensor:
        """Cut the window out of pictures (..., H, W)."""
        return picture[..., self.top : self.bottom, self.left : self.right]


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
        boxes.append(Box(row + border, column + border, size, size))
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


def to_picture(pixels: Tensor) -> Image.Image:
    """Turn a tensor (1, 3, H, W) in [0, 1] into an 8-bit picture, clipped and rounded."""
    values = pixels.detach().to("cpu", torch.float32).nan_to_num(0).clamp(0, 1)[0]
    array = (values * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(np.ascontiguousarray(array))


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


def lay_out(rows: Sequence[Sequence[Image.Image]], column: int) -> Image.Image:
    """Lay pictures out in rows; each row is as high as its highest picture."""
    heights = [max(cell.height for cell in row) for row in rows]
    width = 2 * _MARGIN + len(rows[0]) * (column + _GAP) - _GAP
    grid = Image.new("RGB", (width, 2 * _MARGIN + sum(heights) + _GAP * (len(rows) - 1)), _PAPER)
    y = _MARGIN
    for row, height in zip(rows, heights, strict=True):
        for number, cell in enumerate(row):
            grid.paste(cell, (_MARGIN + number * (column + _GAP) + (column - cell.width) // 2, y))
        y += height + _GAP
    return grid


def text_cell(lines: Sequence[str], size: int, width: int, bold: bool = False) -> Image.Image:
    """Lines of text in a column, broken where they are too wide."""
    broken = [part for line in lines for part in _wrap(line, size, width, bold)]
    step = round(size * 1.4)
    cell = Image.new("RGB", (width, max(1, step * len(broken))), _PAPER)
    draw = ImageDraw.Draw(cell)
    for number, line in enumerate(broken):
        draw.text((0, number * step), line, font=_font(size, bold), fill=_INK if bold else _MUTED)
    return cell


def whole_cell(pixels: Tensor, boxes: Sequence[Box], width: int) -> Image.Image:
    """Draw the whole picture at most ``width`` wide and a third higher, with the windows outlined."""
    picture = to_picture(pixels)
    factor = min(width / picture.width, width * 4 / 3 / picture.height)
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    whole = picture.resize(size, Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(whole)
    for number, box in enumerate(boxes):
        edges = [round(v * factor) for v in (box.left, box.top, box.right, box.bottom)]
        left, top, right, bottom = edges
        for reach, colour in ((2, "black"), (-1, "black"), (1, DETAIL_COLOURS[number % 2])):
            thick = 2 if colour != "black" else 1
            draw.rectangle(
                (left - reach, top - reach, right + reach - 1, bottom + reach - 1),
                outline=colour,
                width=thick,
            )
    return whole


def detail_cell(pixels: Tensor, box: Box, width: int, colour: str) -> Image.Image:
    """Enlarge a window by a whole number without smoothing, in a frame of its outline's colour."""
    frame = 4
    factor = max(1, (width - 2 * frame) // box.width)
    crop = to_picture(box.crop(pixels))
    large = crop.resize((box.width * factor, box.height * factor), Image.Resampling.NEAREST)
    framed = Image.new("RGB", (large.width + 2 * frame, large.height + 2 * frame), colour)
    framed.paste(large, (frame, frame))
    return framed


@cache
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib ships, so that panels look alike everywhere."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, size)


def _wrap(text: str, size: int, width: int, bold: bool = False) -> list[str]:
    """Break a line at spaces where it is wider than the column."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _font(size, bold).getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
