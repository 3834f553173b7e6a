"""Docstrings as Markdown: references, formulas and examples in them are written as Sphinx and doctest read them."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import griffe

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
DEFINED = re.compile(r"^(?:class|def) (\w+)", re.MULTILINE)
ENTRY = re.compile(r"^::: (\S+)$", re.MULTILINE)
ROLE = re.compile(r":(?:func|class|data|meth|mod):`~?([^`]+)`")
INLINE = re.compile(r":math:`([^`]+)`")
DISPLAY = re.compile(r"^\.\. math::((?:.|\n(?=  ))*)$", re.M)
EXAMPLE = re.compile(r"^>>> (?:.|\n(?!\n|\Z))*.?", re.M)


class Docstrings(griffe.Extension):
    """Changes every docstring as it is read."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change that of one module, class, function or attribute."""
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value)


def markdown(text: str) -> str:
    """Return a docstring as Markdown."""
    text = ROLE.sub(linked, text)
    text = INLINE.sub(lambda match: f"${' '.join(match[1].split())}$", text)
    text = DISPLAY.sub(lambda match: f"\n$${' '.join(match[1].split())}$$\n", text)
    return EXAMPLE.sub(lambda match: f"```pycon\n{match[0]}\n```", text)


def linked(role: re.Match[str]) -> str:
    """Return the name that a docstring refers to, as a link where the reference has an entry for what it must mean."""
    path = role[1] if role[1] in entries() else known_by_last_part().get(role[1].rpartition(".")[2])
    return f"[`{role[1]}`][{path}]" if path else f"`{role[1]}`"


@cache
def entries() -> dict[str, str]:
    """Return every path that the reference has an entry for, and the name of its page."""
    pages = sorted(REFERENCE.glob("*.md"))
    return {path: page.name for page in pages for path in ENTRY.findall(page.read_text(encoding="utf-8"))}


@cache
def known_by_last_part() -> dict[str, str]:
    """Return the paths of entries by their last part, of those that no other file of the package defines, too."""
    files = (ROOT / "src").rglob("*.py")
    defined = Counter(name for file in files for name in set(DEFINED.findall(file.read_text(encoding="utf-8"))))
    parts = {path.rpartition(".")[2]: path for path in entries()}
    return {name: path for name, path in parts.items() if defined[name] == 1}
