"""Pictures of errors: where, and how much, each candidate differs from the target."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from matplotlib import colormaps
from PIL import Image
from torch import Tensor

from perceptualloss.checks import InputError
from perceptualloss.experiments.candidates import Loaded
from perceptualloss.experiments.evaluation import Evaluation, value_lines
from perceptualloss.experiments.panels import lay_out, text_cell, whole_cell
from perceptualloss.experiments.results import unique_stems
from perceptualloss.images import luminance

_LEAST = 8 / 255  # at least so many levels fill the scale, so that rounding errors do not look like errors
_SHARE = 0.995  # of the pixels lies within the scale
_STOPS = 256


def errors_of(loaded: Loaded) -> tuple[dict[str, Tensor], float]:
    """Return the absolute error of the luminance for each candidate, (H, W) in [0, 1], and the end of their scale.

    The scale is common to all candidates of a picture: 99.5% of the pixels lie within it.
    """
    target = luminance(loaded.target)
    found = {name: (luminance(output.clamp(0, 1)) - target).abs()[0, 0] for name, output in loaded.outputs.items()}
    highest = torch.cat([error.flatten() for error in found.values()])
    rank = max(1, round(_SHARE * highest.numel()))
    return found, max(_LEAST, float(highest.kthvalue(rank).values))


def colour(error: Tensor, highest: float) -> Image.Image:
    """Draw errors (H, W): black for none, through purple and orange, to light yellow from ``highest`` on."""
    levels = (error / highest).clamp(0, 1).mul(_STOPS - 1).round().to(torch.uint8).numpy()
    table = (colormaps["inferno"](np.linspace(0, 1, _STOPS))[:, :3] * 255).round().astype(np.uint8)
    return Image.fromarray(table[levels])


def error_panel(evaluation: Evaluation, loaded: Loaded, column: int = 392) -> Image.Image:
    """Draw a column for the target and one for each candidate: the picture, its values, and its errors below."""
    found, highest = errors_of(loaded)
    names = list(found)
    values = [value_lines(evaluation, name, loaded.task.name) for name in names]
    levels = f"{255 * highest:.0f}"
    maps = [whole_cell(_tensor(colour(found[name], highest)), (), column) for name in names]
    rows = [
        [text_cell([text], 20, column, bold=True) for text in ("ground truth", *names)],
        [whole_cell(picture, (), column) for picture in (loaded.target, *(loaded.outputs[name] for name in names))],
        [text_cell(lines, 16, column) for lines in (["the target"], *values)],
        [_scale(levels, column), *maps],
    ]
    return lay_out(rows, column)


def write_error_maps(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write a panel (:func:`error_panel`) of every picture as PNG; return the paths.

    Raises:
        InputError: A folder that cannot be written to.
    """
    paths = []
    for name, stem in zip(evaluation.pictures, unique_stems(evaluation.pictures), strict=True):
        path = folder / f"{stem}.png"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            error_panel(evaluation, evaluation.look(name)).save(path)
        except OSError as error:
            raise InputError(f"{path} to be writable", str(error)) from error
        paths.append(path)
    return paths


def _scale(levels: str, column: int) -> Image.Image:
    """Draw the colours' scale with its ends."""
    height, text = (
        24,
        text_cell(
            ["Error of the luminance:", f"from 0 (black) to {levels} and more of 255 levels (yellow)"], 16, column
        ),
    )
    ramp = torch.linspace(0, 1, column).expand(height, column)
    cell = Image.new("RGB", (column, text.height + height + 8), "white")
    cell.paste(text, (0, 0))
    cell.paste(colour(ramp, 1.0), (0, text.height + 8))
    return cell


def _tensor(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float() / 255
