"""The page behind a real socket: many visitors at once, broken requests, and the command."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from perceptualloss.cli import main
from perceptualloss.cli import serve as command
from perceptualloss.page.app import Page
from perceptualloss.page.settings import PageSettings


def memory() -> int:
    """Return the bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_fifty_uploads_at_once_are_all_answered(served: tuple[Page, str, int], png: Callable[..., bytes]) -> None:
    _, address, _ = served
    data = png(400, 400)  # 10 MB while it is decoded
    before, peak, stop = memory(), [0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.01):
            peak[0] = max(peak[0], memory())

    watcher = threading.Thread(target=watch)
    watcher.start()

    def upload(number: int) -> int:
        with httpx2.Client(timeout=120) as client:
            return client.post(f"{address}/api/pictures?name={number}.png", content=data).status_code

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(upload, range(50)))
    stop.set()
    watcher.join()
    assert answers == [201] * 50
    assert peak[0] - before < 150e6  # 50 of them decoded at once would be 500 MB


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", b"431 400"),  # whole, or in parts
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: example.org\r\n\r\n", b"400"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"POST /api/pictures HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
        (b"POST /api/pictures HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", b"403"),
    ],
)
def test_broken_requests_are_answered(served: tuple[Page, str, int], sent: bytes, status: bytes) -> None:
    _, address, port = served
    with socket.create_connection(("127.0.0.1", port), timeout=20) as stranger:
        stranger.sendall(sent)
        assert stranger.recv(200).split()[1] in status.split()
    assert httpx2.get(address).status_code == 200


def test_an_upload_that_breaks_off_leaves_nothing(served: tuple[Page, str, int]) -> None:
    page, address, port = served
    with socket.create_connection(("127.0.0.1", port), timeout=20) as stranger:
        stranger.sendall(b"POST /api/pictures HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 999\r\n\r\nabc")
    while [file for file in page.store.folder.iterdir() if file.name != "lock"] or not httpx2.get(address).is_success:
        time.sleep(0.01)


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def serve(settings: PageSettings, ready: Callable[[str], None]) -> None:
        assert settings.max_bytes == 3_000_000
        ready("http://0.0.0.0:1/")
        raise KeyboardInterrupt

    monkeypatch.setattr("perceptualloss.page.server.serve", serve)
    assert main(["serve", "--host", "0.0.0.0", "--max-megabytes", "3"]) == 0
    shown = capsys.readouterr().out
    assert "The page is at http://0.0.0.0:1/" in shown
    assert "note: whoever reaches this machine can use the page" in shown
    assert "uploads and results are deleted" in shown


def test_the_command_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["serve", "--port", str(taken.getsockname()[1])]) == 1
    assert "Choose another with --port" in capsys.readouterr().err
    assert main(["serve", "--jobs", "0"]) == 2
    assert "expected jobs from 1, got 0" in capsys.readouterr().err
    monkeypatch.setattr(command, "find_spec", lambda _: None)
    assert main(["serve"]) == 1
    assert "pip install 'perceptualloss[serve]'" in capsys.readouterr().err
    logging.getLogger("perceptualloss").handlers.clear()
