"""Files that the page serves: a list made at start, so that no name from a browser reaches the disk."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from perceptualloss.page.browser_files import extra

FOLDER = Path(__file__).parent
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".onnx": "application/octet-stream",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".md": "text/plain; charset=utf-8",
}


@dataclass(frozen=True)
class Served:
    """A file that browsers may have.

    Attributes:
        source: where it is, or its content.
        kind: its media type.
    """

    source: Path | bytes
    kind: str

    def response(self, request: Request) -> Response:
        """Return it, or that the browser has it already."""
        headers = {"Cache-Control": "no-cache"}
        if isinstance(self.source, Path):
            return FileResponse(self.source, media_type=self.kind, headers=headers)
        headers["ETag"] = f'"{hashlib.sha256(self.source).hexdigest()[:32]}"'
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(self.source, media_type=self.kind, headers=headers)


def served_files() -> dict[str, Served]:
    """Return what is served, by address."""
    files = [file for folder in ("static", "texts", "browser") for file in (FOLDER / folder).rglob("*")]
    return _served({f"/{file.relative_to(FOLDER).as_posix()}": file for file in files if file.is_file()})


@cache
def browser_files() -> dict[str, Served]:
    """Return what computes in the browser and does not ship, by address; the first time it may take seconds."""
    return _served({f"/browser/{name}": source for name, source in extra().items()})


def _served(found: Mapping[str, Path | bytes]) -> dict[str, Served]:
    return {
        address: Served(_source(source), _TYPES[suffix])
        for address, source in found.items()
        if (suffix := Path(address).suffix.lower()) in _TYPES
    }


def _source(source: Path | bytes) -> Path | bytes:
    """Return small files as their content, which has a tag, and large ones as they are."""
    return source.read_bytes() if isinstance(source, Path) and source.stat().st_size < 1_000_000 else source
