"""Draw the figures of the guides to training: what a step does, and what each degradation does to a photo.

    python benchmarks/guide_figures.py [--out docs/images]

The photo is scikit-image's cat. The sheet has every degradation that recipes may name, but those that put others
together, at a strength that is well seen.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from perceptualloss.data.degrade import Degradation
from perceptualloss.data.folder import builtin_photos
from perceptualloss.data.registry import DEGRADATIONS
from perceptualloss.drawing.cells import lay_out, text_cell, to_picture
from perceptualloss.pictures.images import read_image
from perceptualloss.pictures.resize import resize
from svg import Drawing

SIDE, COLUMNS = 192, 5
PARTS = ("InTurn", "OneOf", "Unchanged")  # of others, or of none
ARGUMENTS: dict[
    str, dict[str, Any]
] = {  # in place of the range that a sample draws from: what is well seen at this size
    "Downscale": {"scale": 4},
    "Noise": {"sigma": [0.15, 0.15]},
    "Jpeg": {"quality": [10, 10]},
    "Blur": {"sigma": [2.0, 2.0]},
    "MotionBlur": {"length": [12, 12]},
    "Faded": {"strength": [0.6, 0.6]},
    "Scratches": {"count": [6, 6]},
    "OldPhoto": {"chance": 1.0},
    "Enlarged": {"factor": [4.0, 4.0]},
    "Blocks": {"factor": [4.0, 4.0]},
    "Light": {"strength": [0.5, 0.5]},
    "Clouds": {"sigma": [0.2, 0.2]},
}


def degradations(seed: int) -> Image.Image:
    """Return the sheet."""
    photo = read_image(next(file for file in builtin_photos() if file.stem == "chelsea"))
    target = resize(photo[..., 20:276, 90:346], size=(SIDE, SIDE)).clamp(0, 1)
    cells = [(to_picture(target), "the photo")]
    for name, kind in DEGRADATIONS.items():
        if name in PARTS:
            continue
        degradation: Degradation = kind(**ARGUMENTS.get(name, {}))
        picture = to_picture(degradation(target, np.random.default_rng(seed)))
        cells.append((picture.resize((SIDE, SIDE), Image.Resampling.NEAREST), name))
    rows = []
    for first in range(0, len(cells), COLUMNS):
        row = cells[first : first + COLUMNS]
        empty = [Image.new("RGB", (1, 1), "#ffffff")] * (COLUMNS - len(row))
        rows += [[*(text_cell([name], 15, SIDE, bold=True) for _, name in row), *empty]]
        rows += [[*(picture for picture, _ in row), *empty]]
    return lay_out(rows, SIDE)


def training() -> Drawing:
    """Return the drawing of one step of a training."""
    drawing = Drawing(700, 250, {})
    drawing.box(75, 70, ["photos", "a random crop"], (120, 54))
    drawing.box(245, 150, ["degradation", "blur, noise, ..."], (120, 54))
    drawing.box(415, 150, ["network", "learns"], (120, 54), edge="blue")
    drawing.box(625, 110, ["loss", "one number"], (120, 54), edge="orange")
    drawing.arrow((135, 60), (560, 60), (590, 80))
    drawing.text(350, 50, "target: the crop itself", tone="muted")
    drawing.arrow((75, 97), (75, 150), (182, 150))
    drawing.arrow((305, 150), (352, 150))
    drawing.text(330, 140, "input", tone="muted", size=11.5)
    drawing.arrow((475, 150), (530, 150), (562, 125))
    drawing.text(505, 140, "output", tone="muted", size=11.5)
    drawing.arrow((625, 137), (625, 215), (415, 215), (415, 180), edge="blue", dashed=True)
    drawing.text(520, 235, "gradient: how to change the weights", tone="blue", size=11.5)
    return drawing


def main() -> None:
    """Write both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--seed", type=int, default=3, help="of the degradations' random numbers (default: 3)")
    options = parser.parse_args()
    (options.out / "training-step.svg").write_text(str(training()), encoding="utf-8")
    degradations(options.seed).save(options.out / "degradations.jpg", quality=88)
    print(f"Wrote {options.out / 'training-step.svg'} and {options.out / 'degradations.jpg'}")


if __name__ == "__main__":
    main()
