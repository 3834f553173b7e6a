"""Fill what stands between ``<!-- table: NAME -->`` and ``<!-- end -->`` in Markdown files."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from perceptualloss.errors import check_choice

ROOT = Path(__file__).resolve().parents[1]
PLACE = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

Tables = Mapping[str, Callable[[], str]]


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose first column is text and whose others are numbers."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def filled(text: str, tables: Tables, leave: Collection[str] = ()) -> str:
    """Return a Markdown text with every table that it has a place for made anew, but those to ``leave``."""

    def table(place: re.Match[str]) -> str:
        if place[2] in leave:
            return place[0]
        return f"{place[1]}\n{tables[check_choice('table', place[2], tables)]()}\n{place[3]}"

    return PLACE.sub(table, text)


def fill(files: Sequence[Path], tables: Tables, check: bool, leave: Collection[str] = ()) -> list[Path]:
    """Fill the tables of the files, or only look; return the files that were out of date."""
    stale = []
    for file in files:
        text = file.read_text(encoding="utf-8")
        new = filled(text, tables, leave)
        if new != text:
            stale.append(file)
            if not check:
                file.write_text(new, encoding="utf-8")
    return stale
