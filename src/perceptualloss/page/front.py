"""What a browser loads: the page in the visitor's language, its files, and small views of examples and styles."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from perceptualloss.page.answers import language_of
from perceptualloss.page.examples import SPOILT, examples, small_view, style_view
from perceptualloss.page.files import browser_files, served_files
from perceptualloss.page.refusals import PageError
from perceptualloss.page.settings import PageSettings
from perceptualloss.page.texts import LANGUAGES, texts


class Front:
    """The part of the page that is the same for all.

    Args:
        settings: of the page.
        styles: that ship.
        painting: how many small views of styles are painted at the same time.
    """

    def __init__(self, settings: PageSettings, styles: Sequence[str], painting: anyio.CapacityLimiter) -> None:
        self.settings, self.styles, self.painting = settings, styles, painting
        self.files = served_files()
        self._template = Environment(
            loader=PackageLoader("perceptualloss.page", "templates"), autoescape=True, undefined=StrictUndefined
        ).get_template("index.html.jinja")

    def routes(self) -> list[Route]:
        """Return where it is; the last one takes every address."""
        return [
            Route("/", self.index),
            Route("/examples/{name}.jpg", self.example_view),
            Route("/styles/{name}.jpg", self.style_view),
            Route("/{path:path}", self.file),
        ]

    async def index(self, request: Request) -> Response:
        """Give the page itself, in the visitor's language and colours."""
        language = language_of(request)
        theme = request.cookies.get("theme", "")
        html = self._template.render(
            language=language,
            languages=LANGUAGES,
            theme=theme if theme in ("light", "dark") else "",
            say=texts(language),
            examples={name: SPOILT.get(name, "") for name in examples()},
            browser="/browser/index.html" in self.files,
            minutes=round(self.settings.keep / 60),
        )
        return HTMLResponse(html)

    async def file(self, request: Request) -> Response:
        """Give a file of the page."""
        address = f"/{request.path_params['path']}"
        served = self.files.get("/browser/index.html" if address == "/browser/" else address)
        if served is None and address.startswith("/browser/"):
            served = (await anyio.to_thread.run_sync(browser_files, limiter=self.painting)).get(address)
        if served is None:
            raise PageError("gone", 404)
        return served.response(request)

    async def example_view(self, request: Request) -> Response:
        """Give a small view of an example."""
        name = request.path_params["name"]
        if name not in examples():
            raise PageError("gone", 404)
        view = await anyio.to_thread.run_sync(small_view, name)
        return Response(view, media_type="image/jpeg", headers={"Cache-Control": "max-age=3600"})

    async def style_view(self, request: Request) -> Response:
        """Give a small view of an example in a style."""
        name = request.path_params["name"]
        if name not in self.styles:
            raise PageError("gone", 404)
        view = await anyio.to_thread.run_sync(style_view, name, limiter=self.painting)
        return Response(view, media_type="image/jpeg", headers={"Cache-Control": "max-age=3600"})
