"""The cells of a sheet of pictures: a picture whole, a detail of it enlarged, lines of text; and sheets of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from perceptualloss.pictures.box import Box
from perceptualloss.pictures.samples import to_8_bits

DETAIL_COLOURS = ("#FFD21F", "#38D6FF")  # seen on dark and, with their black rim, on bright pictures
_INK, _MUTED, _PAPER = "#1b1f24", "#57606a", "#ffffff"
_GAP, _MARGIN = 12, 20


def to_picture(pixels: Tensor) -> Image.Image:
    """Turn a tensor (1, 3, H, W) in [0, 1] into an 8-bit picture, clipped and rounded."""
    values = pixels.detach().to("cpu", torch.float32).nan_to_num(0)[0]
    array = to_8_bits(values).permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(np.ascontiguousarray(array))


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
    crop = to_picture(box.cut(pixels))
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
