"""What the course says, in each language: one table a language, as the page has them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from functools import cache
from typing import Literal, get_args

from perceptualloss.files import shipped_json

Language = Literal["en", "de"]
LANGUAGES: tuple[Language, ...] = get_args(Language)


@cache
def texts(language: Language) -> Mapping[str, str]:
    """Return the table of a language."""
    table: dict[str, str] = shipped_json("perceptualloss.course", f"texts/{language}.json")
    return table


def text(language: Language, key: str, values: Mapping[str, object] | None = None) -> str:
    """Return a sentence with its values."""
    return texts(language)[key].format_map(values or {})


def wrapped(words: str, width: int) -> list[str]:
    r"""Return running text in lines of a width; a line that begins with "- " is an item, and hangs.

    >>> wrapped("Write:\n- a class of one's own", 15)
    ['Write:', '- a class of', "  one's own"]
    """
    lines = []
    for part in words.splitlines():
        hanging = "  " if part.startswith("- ") else ""
        lines += textwrap.wrap(part, width, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False)
    return lines


def language_of(environment: Mapping[str, str]) -> Language:
    """Return the language of a terminal: what its locale begins with, else English.

    Args:
        environment: the variables of the process; of ``LC_ALL``, ``LC_MESSAGES`` and ``LANG`` the first one set counts.

    >>> language_of({"LANG": "de_AT.UTF-8"}), language_of({"LC_ALL": "C", "LANG": "de_DE"}), language_of({})
    ('de', 'en', 'en')
    """
    found = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    return next((known for known in LANGUAGES if found.lower().startswith(known)), "en")
