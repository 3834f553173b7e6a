"""Pictures of errors: where, and how much, each candidate differs from the target."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from perceptualloss.drawing.cells import lay_out, text_cell, whole_cell
from perceptualloss.drawing.heat import as_pixels, colour, legend, ramp, scale_end
from perceptualloss.errors import InputError
from perceptualloss.files import unique_stems
from perceptualloss.pictures.color import luminance
from perceptualloss.studies.evaluate.candidates import Loaded
from perceptualloss.studies.evaluate.results import Evaluation, value_lines

_LEAST = 8 / 255  # at least so many levels fill the scale, so that rounding errors do not look like errors


def errors_of(loaded: Loaded) -> tuple[dict[str, Tensor], float]:
    """Return the absolute error of the luminance for each candidate, (H, W) in [0, 1], and the end of their scale.

    The scale is common to all candidates of a picture: 99.5% of the pixels lie within it.
    """
    target = luminance(loaded.target)
    errors = {name: (luminance(output.clamp(0, 1)) - target).abs()[0, 0] for name, output in loaded.outputs.items()}
    return errors, scale_end(torch.cat([error.flatten() for error in errors.values()]), _LEAST)


def error_panel(evaluation: Evaluation, loaded: Loaded, column: int = 392) -> Image.Image:
    """Draw a column for the target and one for each candidate: the picture, its values, and its errors below."""
    by_name, highest = errors_of(loaded)
    names = list(by_name)
    values = [value_lines(evaluation, name, loaded.task.name) for name in names]
    scale = ["Error of the luminance:", f"from 0 (black) to {255 * highest:.0f} and more of 255 levels (yellow)"]
    maps = [whole_cell(as_pixels(colour(by_name[name], highest)), (), column) for name in names]
    rows = [
        [text_cell([text], 20, column, bold=True) for text in ("ground truth", *names)],
        [whole_cell(picture, (), column) for picture in (loaded.target, *(loaded.outputs[name] for name in names))],
        [text_cell(lines, 16, column) for lines in (["the target"], *values)],
        [legend(scale, ramp(column)), *maps],
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
