"""What requests and answers have in common: whose they are, in which language, and what is told of a picture."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from perceptualloss.page.refusals import PageError
from perceptualloss.page.store import Entry, Result, Upload
from perceptualloss.page.texts import chosen_language

_MOST = 10_000  # bytes of a request for work


def session_of(request: Request) -> str:
    """Return whose request it is."""
    return str(request.scope["session_name"])


def language_of(request: Request) -> str:
    """Return the language of its answer."""
    return chosen_language(request.cookies.get("language"), request.headers.get("accept-language"))


async def short_body(request: Request) -> bytes:
    """Return what a request for work says.

    Raises:
        PageError: more than such a request needs.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST:
            raise PageError("request", 413, detail=f"{_MOST} bytes")
    return body


def described(entry: Entry) -> dict[str, Any]:
    """Return what the browser is told of an upload or result."""
    assert isinstance(entry, Upload | Result)
    told = {
        "id": entry.id,
        "width": entry.width,
        "height": entry.height,
        "frames": entry.frames,
        "notes": entry.notes,
    }
    if isinstance(entry, Upload):
        return told | {"name": entry.name, "bytes": entry.source.stat().st_size}
    return told | {"task": entry.task, "settings": entry.settings, "picture": entry.upload, "more": entry.more}
