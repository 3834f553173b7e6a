"""Run a notebook from its first cell to its last, and keep the pictures that its cells draw for the site.

    python benchmarks/notebooks.py notebooks/1-plain-loop.ipynb [NAME=VALUE ...]

NAME is one of the first code cell's, such as STEPS. A cell that draws a figure names the file and what it shows in its
metadata, under "picture"; the file is written into docs. Prints how long each cell kept a processor busy, with one
thread that is its time on an idle machine. No Jupyter is needed.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from filling import ROOT

Cell = dict[str, Any]
DPI, QUALITY = 110, 85


def code_cells(file: Path) -> list[Cell]:
    """Return the cells of a notebook that hold code."""
    return [cell for cell in json.loads(file.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


def run(file: Path, settings: Mapping[str, Any]) -> Iterator[tuple[Cell, list[Figure]]]:
    """Run the cells in one namespace; yield each with the figures that it drew, which are closed afterwards.

    Args:
        file: the notebook.
        settings: other values for names of the first cell.

    Raises:
        KeyError: a name that the first cell does not have.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    plt.switch_backend("agg")
    for number, cell in enumerate(code_cells(file)):
        exec(compile("".join(cell["source"]), f"{file.name}, cell {cell['id']}", "exec"), names)
        if number == 0:
            if unknown := settings.keys() - names.keys():
                raise KeyError(f"{file.name} has no {', '.join(sorted(unknown))} in its first cell")
            names |= settings
        yield cell, [plt.figure(figure) for figure in plt.get_fignums()]
        plt.close("all")


def main() -> None:
    """Run it and write its pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("settings", nargs="*", metavar="NAME=VALUE", help="other values for the first cell")
    options = parser.parse_args()
    file = options.file.resolve()
    settings = {name: ast.literal_eval(value) for name, _, value in (one.partition("=") for one in options.settings)}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # a notebook writes into runs/
        last = time.process_time()
        for cell, figures in run(file, settings):
            if figures:
                keep(figures[0], ROOT / "docs" / cell["metadata"]["picture"]["file"])
            now = time.process_time()
            print(f"[{cell['id']}: {now - last:.1f} s]", flush=True)
            last = now
        print(f"{file.name}: {last:.0f} s")
        os.chdir(ROOT)


def keep(figure: Figure, file: Path) -> None:
    """Write a figure as the picture of a page."""
    file.parent.mkdir(parents=True, exist_ok=True)
    photo: dict[str, Any] = {"pil_kwargs": {"quality": QUALITY}}
    options = photo if file.suffix == ".jpg" else {"metadata": {"Software": None}}
    figure.savefig(file, dpi=DPI, bbox_inches="tight", **options)  # as Jupyter shows it


if __name__ == "__main__":
    main()
