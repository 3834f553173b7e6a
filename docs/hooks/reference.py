"""The reference: which page has which name, and the index of all names with the first line of their docstrings.

A page in docs/reference names what it shows, a line each: "::: perceptualloss.PerceptualLoss". The index has the names
of a page where it says "<!-- names: losses.md -->". Its lines keep the anchors of the time when the reference was one
page.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import griffe

sys.path.insert(0, str(Path(__file__).parent))
from docstrings import entries, markdown

INDEX = re.compile(r"^<!-- names: (\S+\.md) -->$", re.MULTILINE)


def on_page_markdown(text: str, page: Any, config: Any, **_: Any) -> str:
    """Put the lists of names into the index."""
    if page.file.src_uri != "reference/index.md":
        return text
    source = Path(config.config_file_path).parent / "src"
    package = griffe.load("perceptualloss", search_paths=[source], resolve_aliases=True)
    return INDEX.sub(lambda match: listed(match[1], package), text)


def listed(page: str, package: Any) -> str:
    """Return a line for each name of a page: a link to its entry, and the first line of its docstring."""
    return "\n".join(line(path, page, package) for path, place in entries().items() if place == page)


def line(path: str, page: str, package: Any) -> str:
    """Return the line of a name."""
    name = path.removeprefix("perceptualloss.")
    docstring = package[name].docstring
    says = markdown(docstring.value).partition("\n")[0] if docstring else ""
    return f'- <a id="{path}"></a>[`{name}`]({page}#{path}): {says}'
