"""A page without a network, and pictures for it."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx2
import numpy as np
import pytest
import uvicorn
from PIL import Image
from starlette.testclient import TestClient

from perceptualloss.page.app import Page
from perceptualloss.page.server import configuration
from perceptualloss.page.settings import PageSettings

ADDRESS = "http://127.0.0.1"


@dataclass
class Visitor:
    """A browser without a window."""

    page: Page
    client: TestClient

    def upload(self, data: bytes, name: str = "a.png", **headers: str) -> httpx2.Response:
        return self.client.post("/api/pictures", params={"name": name}, content=data, headers=headers)

    def picture(self, data: bytes, name: str = "a.png") -> dict[str, Any]:
        answer = self.upload(data, name)
        assert answer.status_code == 201, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def ask(self, **request: Any) -> httpx2.Response:
        return self.client.post("/api/jobs", json=request)

    def done(self, **request: Any) -> dict[str, Any]:
        """Ask for work and wait until it has ended."""
        answer = self.ask(**request)
        assert answer.status_code == 202, answer.text
        return self.ended(answer.json())

    def ended(self, job: dict[str, Any]) -> dict[str, Any]:
        while job["state"] in ("waiting", "running"):
            time.sleep(0.005)
            job = self.client.get(f"/api/jobs/{job['id']}").json()
        return job

    def result(self, **request: Any) -> dict[str, Any]:
        job = self.done(**request)
        assert job["state"] == "done", job
        made: dict[str, Any] = job["result"]
        return made

    def view(self, name: str, **part: int) -> Image.Image:
        return Image.open(io.BytesIO(self.client.get(f"/api/images/{name}", params=part).content))


@pytest.fixture
def visit() -> Iterator[Callable[..., Visitor]]:
    with ExitStack() as stack:

        def open_page(**settings: Any) -> Visitor:
            page = Page(PageSettings(**settings))
            client = TestClient(page.app(), base_url=ADDRESS, raise_server_exceptions=False)
            return Visitor(page, stack.enter_context(client))

        yield open_page


@pytest.fixture
def visitor(visit: Callable[..., Visitor]) -> Visitor:
    return visit()


@pytest.fixture
def served() -> Iterator[tuple[Page, str, int]]:
    """A page that is served, its address and its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        port = listener.getsockname()[1]
        page = Page(PageSettings(port=port))
        server = uvicorn.Server(configuration(page))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.005)
        yield page, f"http://127.0.0.1:{port}", port
        server.should_exit = True
        thread.join()
    assert not page.store.folder.exists()


def png(height: int = 12, width: int = 16, channels: int = 3, seed: int = 0, **options: Any) -> bytes:
    """Return a picture of noise as the content of a PNG file."""
    samples = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(samples[..., 0] if channels == 1 else samples).save(buffer, "PNG", **options)
    return buffer.getvalue()


@pytest.fixture(name="png")
def _png() -> Callable[..., bytes]:
    return png
