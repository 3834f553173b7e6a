"""Start the page and run it until it is ended."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace

import uvicorn

from perceptualloss.errors import InputError
from perceptualloss.page.app import Page
from perceptualloss.page.guards import HEAD
from perceptualloss.page.settings import PageSettings

_CONNECTIONS = 200


def serve(settings: PageSettings, ready: Callable[[str], None]) -> None:
    """Serve the page until a signal ends it; then everything that was uploaded or made is deleted.

    Args:
        settings: limits, and where to listen.
        ready: called with the page's address once it can be reached.

    Raises:
        InputError: an address that this machine does not have, or a port that another program uses.
    """
    with _listening(settings) as listener:
        port = listener.getsockname()[1]
        page = Page(replace(settings, port=port))
        try:
            server = uvicorn.Server(configuration(page))
            shown = f"[{settings.host}]" if ":" in settings.host else settings.host
            ready(f"http://{shown}:{port}/")
            server.run(sockets=[listener])
        finally:
            page.close()


def configuration(page: Page) -> uvicorn.Config:
    """Return how uvicorn runs the page."""
    return uvicorn.Config(
        page.app(),
        log_config=None,
        access_log=False,
        server_header=False,
        http="h11",
        ws="none",
        lifespan="on",
        proxy_headers=False,
        limit_concurrency=_CONNECTIONS,
        h11_max_incomplete_event_size=HEAD,
        timeout_graceful_shutdown=2,
    )


def _listening(settings: PageSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=256)
    except OSError as error:
        where = f"{settings.host} port {settings.port}"
        reason = error.strerror or str(error)
        raise InputError(f"to listen at {where}", f"the error {reason!r}", "Choose another with --port.") from error
