"""Draw the rooms of the package, and which may import which: ``python benchmarks/room_figure.py``.

The rows are those that import-linter checks (pyproject.toml). It writes docs/images/rooms.svg, which follows the
reader's choice of light or dark.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Sequence
from pathlib import Path

from filling import ROOT
from svg import Drawing

WORDS = {
    "cli": "a file a command",
    "page": "the page of serve",
    "course": "chapters, checks",
    "doctor": "what is installed",
    "studies": "compare, evaluate",
    "drawing": "plots, reports",
    "apply": "upscale, stylize",
    "training": "tasks, runs, recipes",
    "metrics": "PSNR to LPIPS",
    "data": "photos, degradations",
    "testing": "laws of losses",
    "losses": "one number",
    "networks": "pictures to pictures",
    "features": "loss networks",
    "pictures": "files, colours, sizes",
}
"""The rooms, and what lives there; what else stands in a row is a module of its own."""
WIDTH, BOX, STEP = 560, (150, 48), 72


def rows() -> list[list[str]]:
    """Return what stands side by side in each row, from the top."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [layers] = [one["layers"] for one in settings["tool"]["importlinter"]["contracts"] if one["type"] == "layers"]
    return [[name.strip() for name in row.split("|")] for row in layers if row != "__main__"]


def drawn(found: Sequence[Sequence[str]]) -> Drawing:
    """Return the figure: a box for each room, and one for the modules that share a row."""
    drawing = Drawing(WIDTH, STEP * len(found) + 16, {})
    for number, row in enumerate(found):
        y = STEP * (number + 0.5) + 8
        if number:
            drawing.arrow((WIDTH / 2, y - STEP + BOX[1] / 2 + 1), (WIDTH / 2, y - BOX[1] / 2 - 2))
        if not all(name in WORDS for name in row):
            drawing.box(WIDTH / 2, y, [", ".join(row)], (3 * BOX[0] + 40, BOX[1]))
            continue
        for place, name in enumerate(row):
            x = WIDTH / 2 + (place - (len(row) - 1) / 2) * (BOX[0] + 20)
            drawing.box(x, y, [name, WORDS[name]], BOX)
    return drawing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images", help="a folder")
    options = parser.parse_args()
    (options.out / "rooms.svg").write_text(str(drawn(rows())), encoding="utf-8")
    print(f"Wrote {options.out / 'rooms.svg'}")


if __name__ == "__main__":
    main()
