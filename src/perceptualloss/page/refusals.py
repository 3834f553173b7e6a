"""What the page answers when it does not do what was asked: a code, a status, and words from the table of texts."""

from __future__ import annotations

from typing import Any

from perceptualloss.errors import InputError


class PageError(Exception):
    """A request that is not done.

    Args:
        code: of the sentence in the table of texts, without its ``error.``.
        status: HTTP's.
        detail: more of it in English, such as what ``InputError`` says.
        retry: seconds after which asking again makes sense.
        values: what the sentence names.
    """

    def __init__(self, code: str, status: int = 400, detail: str = "", retry: int | None = None, **values: Any) -> None:
        super().__init__(code)
        self.code, self.status, self.detail, self.retry, self.values = code, status, detail, retry, values


def explained(error: Exception, path: str = "", name: str = "") -> PageError:
    """Return what an exception of the work means to a visitor; ``path`` of a file is shown as its ``name``."""
    if isinstance(error, PageError):
        return error
    if isinstance(error, MemoryError):
        return PageError("no_memory", 503, retry=60)
    if isinstance(error, OSError):
        return PageError("no_disk", 503, retry=60)
    if not isinstance(error, InputError):
        return PageError("bug", 500)
    detail = plain(str(error), path, name)
    for mark, code in (
        ("file of unknown kind", "not_a_picture"),
        ("does not decode", "broken"),
        ("pixels, got", "too_many_pixels"),
        ("memory for", "no_memory"),
        ("keeps transparency", "no_transparency"),
        ("pixels a side", "side_too_long"),
        ("can be shown", "not_shown"),
    ):
        if mark in str(error):
            return PageError(code, 422, detail)
    return PageError("refused", 422, detail)


def plain(text: str, path: str, name: str) -> str:
    """Return what is said of a file under the name that its owner knows."""
    return text.replace(path, name) if path else text
