"""What the page says, in each language: one table a language, chosen by the visitor or by what the browser prefers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from perceptualloss.files import shipped_json

LANGUAGES = {"en": "English", "de": "Deutsch"}
USUAL = "en"


@cache
def texts(language: str) -> Mapping[str, str]:
    """Return the table of a language."""
    table: dict[str, str] = shipped_json("perceptualloss.page", f"texts/{language}.json")
    return table


def chosen_language(cookie: str | None, accepted: str | None) -> str:
    """Return the language that a visitor chose, or the one that the browser prefers of those that there are.

    Args:
        cookie: what the visitor chose.
        accepted: the header ``Accept-Language`` (RFC 9110, section 12.5.4).

    >>> chosen_language(None, "fr, de-AT;q=0.8, en;q=0.5"), chosen_language("en", "de"), chosen_language(None, None)
    ('de', 'en', 'en')
    """
    if cookie in LANGUAGES:
        return cookie
    wishes: list[tuple[float, str]] = []
    for wish in (accepted or "")[:500].split(","):
        name, _, weight = wish.partition(";")
        try:
            share = float(weight.strip().removeprefix("q=")) if weight.strip() else 1.0
        except ValueError:
            share = 0.0
        wishes.append((share, name.strip().partition("-")[0].lower()))
    for share, name in sorted(wishes, key=lambda pair: -pair[0]):
        if share > 0 and name in LANGUAGES:
            return name
    return USUAL


def text(language: str, key: str, values: Mapping[str, object]) -> str:
    """Return a sentence with its values."""
    return texts(language)[key].format_map(values)
