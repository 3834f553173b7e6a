"""Docstrings as Markdown: references, formulas and examples in them are written as Sphinx and doctest read them."""

from __future__ import annotations

import re
from typing import Any

import griffe

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
    text = ROLE.sub(lambda match: f"`{match[1]}`", text)
    text = INLINE.sub(lambda match: f"${' '.join(match[1].split())}$", text)
    text = DISPLAY.sub(lambda match: f"\n$${' '.join(match[1].split())}$$\n", text)
    return EXAMPLE.sub(lambda match: f"```pycon\n{match[0]}\n```", text)
