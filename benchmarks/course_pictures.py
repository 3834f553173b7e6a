"""Make the course's photographs anew, by the programs that its pages print and the solutions that the package has.

    python benchmarks/course_pictures.py --only style layers panel     # a minute of one core
    python benchmarks/course_pictures.py                               # and cat-losses, five minutes more

writes docs/images/course/NAME.jpg. The programs print the figures that the pages name.
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from skimage import data
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

import perceptualloss.course.solutions

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "course"
SAMPLES: Any = data  # whose functions have no types
RUNS = ("mse", "perceptual", "perceptual + L1")


def program(page: str, words: str) -> str:
    """Return the block of Python in a page that has some words."""
    blocks: list[str] = re.findall(
        r"^```python\n(.*?)^```", (PAGES / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    return next(block for block in blocks if words in block)


def run(folder: Path, page: str, words: str, name: str) -> None:
    """Run a page's program in a folder."""
    (folder / name).write_text(program(page, words), encoding="utf-8")
    subprocess.run([sys.executable, name], cwd=folder, check=True)


def beside(pictures: list[Image.Image], zoom: int = 1) -> Image.Image:
    """Return pictures of one height side by side, enlarged."""
    row = Image.new("RGB", (sum(picture.width for picture in pictures), pictures[0].height))
    left = 0
    for picture in pictures:
        row.paste(picture.convert("RGB"), (left, 0))
        left += picture.width
    return row.resize((row.width * zoom, row.height * zoom), Image.Resampling.BICUBIC)


def cat_losses(folder: Path) -> Image.Image:
    """Return input, the result of each loss, and target, as TensorBoard has them after the last step."""
    (folder / "train.py").write_text(program("3-training.md", "SummaryWriter"), encoding="utf-8")
    run(folder, "4-comparing.md", "perceptual_distance", "compare.py")
    rows = []
    for name in RUNS:
        events = EventAccumulator(str(folder / "runs" / "course" / name), size_guidance={"images": 0})
        events.Reload()
        last = events.Images("input, output, target")[-1]
        rows.append(Image.open(io.BytesIO(last.encoded_image_string)))
    side = rows[0].height
    part = [(rows[0], 0), *((row, 1) for row in rows), (rows[0], 2)]
    return beside([row.crop((place * side, 0, (place + 1) * side, side)) for row, place in part])


def style(folder: Path) -> Image.Image:
    """Return photo, painting and the photo painted."""
    run(folder, "8-style.md", "from style import", "paint.py")
    painted = Image.open(folder / "mine.png")
    shown = [Image.open(folder / "photo.jpg").resize(painted.size), Image.open(folder / "painting.jpg")]
    return beside([shown[0], shown[1].resize((painted.height, painted.height)), painted], zoom=2)


def layers(folder: Path) -> Image.Image:
    """Return the photo and what the page's program finds at each layer."""
    run(folder, "9-layers.md", "from reconstruct import", "layers.py")
    return beside([Image.open(folder / "layers.png")], zoom=2)


def panel(folder: Path) -> Image.Image:
    """Return the panel of the command that the page names."""
    words = "reconstruct photo.jpg --layers relu1_2 relu2_2 relu3_3 relu4_3 --size 96 --steps 40 -o features --quiet"
    subprocess.run([sys.executable, "-m", "perceptualloss", *words.split()], cwd=folder, check=True)
    return Image.open(folder / "features" / "panel.png").convert("RGB")


PICTURES: dict[str, Callable[[Path], Image.Image]] = {
    "cat-losses": cat_losses,
    "style": style,
    "layers": layers,
    "panel": panel,
}


def main() -> None:
    """Make the pictures that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PICTURES, default=list(PICTURES))
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "course")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for solution in Path(perceptualloss.course.solutions.__file__).parent.glob("[!_]*.py"):
            shutil.copy(solution, folder)
        Image.fromarray(SAMPLES.chelsea()).save(folder / "photo.jpg", quality=95)
        Image.fromarray(SAMPLES.immunohistochemistry()).save(folder / "painting.jpg", quality=95)
        for picture in options.only:
            PICTURES[picture](folder).save(options.out / f"{picture}.jpg", quality=75)


if __name__ == "__main__":
    main()
