"""A network as a column of layers: boxes with what comes out of each, additions, and skips past them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from torch import nn

from svg import Drawing

WIDTH, BOX, LEFT, GAP, LINE = 440.0, 236.0, 66.0, 22.0, 16.0
MIDDLE = LEFT + BOX / 2
BLUE, ORANGE = "blue", "orange"


@dataclass(frozen=True)
class Row:
    """A box, a circle with a plus, or a word at an end of the column.

    Attributes:
        lines: of text; of a circle what is added, beside it.
        size: of what comes out, to the right.
        edge: of the box: "line", or a colour for what is many layers, or special.
        kind: "box", "plus" or "end".
        skip: of a circle, the row whose result comes past the rows between, and how far left of them it runs.
    """

    lines: Sequence[str]
    size: str = ""
    edge: str = "line"
    kind: str = "box"
    skip: tuple[int, int] = (0, 1)

    @property
    def height(self) -> float:
        """How tall it is."""
        return {"box": 14 + LINE * len(self.lines), "plus": 22.0, "end": 16.0}[self.kind]


def plus(words: str, start: int, lane: int = 1) -> Row:
    """Return a circle where the result of the row ``start`` is added."""
    return Row([words], kind="plus", skip=(start, lane))


def end(word: str, size: str) -> Row:
    """Return an end of the column."""
    return Row([word], size, kind="end")


def tall(rows: Sequence[Row]) -> float:
    """Return how tall a column is."""
    return 32 - GAP + sum(row.height + GAP for row in rows)


def column(drawing: Drawing, rows: Sequence[Row]) -> None:
    """Draw rows from top to bottom, with arrows between them and the skips to their left."""
    top = 16.0
    forks: list[float] = []
    for number, row in enumerate(rows):
        middle = top + row.height / 2
        if row.kind == "box":
            drawing.box(MIDDLE, middle, row.lines, (BOX, row.height), row.edge)
        elif row.kind == "plus":
            drawing.plus(MIDDLE, middle)
            drawing.text(MIDDLE + 20, middle + 4, row.lines[0], 12, "muted", "start")
            start, lane = row.skip
            x = LEFT - 16 * lane
            drawing.arrow((MIDDLE, forks[start]), (x, forks[start]), (x, middle), (MIDDLE - 12, middle), edge=ORANGE)
        else:
            drawing.text(MIDDLE, middle + 5, row.lines[0])
        if row.size:
            drawing.text(LEFT + BOX + 10, middle + 4, row.size, 12, "muted", "start")
        bottom = top + row.height
        forks.append(bottom + GAP / 2 - 3)
        if number + 1 < len(rows):
            drawing.arrow((MIDDLE, bottom), (MIDDLE, bottom + GAP - 1))
        top = bottom + GAP


def conv(layer: nn.Module, after: str = "") -> str:
    """Say what a convolution is."""
    it = cast(nn.Conv2d, layer)
    step = f" / {it.stride[0]}" if it.stride[0] > 1 else ""
    return f"conv {it.kernel_size[0]} x {it.kernel_size[0]}{step}, {it.in_channels} → {it.out_channels}{after}"


def channels(layer: nn.Module) -> int:
    """Return how many channels a convolution makes."""
    return cast(nn.Conv2d, layer).out_channels


def size(count: int, factor: str = "") -> str:
    """Say a size: channels, and H x W with a factor such as "2H" or "H/2", written with an H."""
    height = factor or "H"
    return f"{count} x {height} x {height.replace('H', 'W')}"
