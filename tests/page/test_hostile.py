"""Uploads and requests that mean harm, and what each gets: the tables in docs/page.md."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from perceptualloss.page.app import Page

DOCUMENT = Path(__file__).parents[2] / "docs" / "page.md"


def kept(page: Page) -> list[Path]:
    """Return what a page has on the disk."""
    return [file for file in page.store.folder.iterdir() if file.name != "lock"]


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def claimed(width: int, height: int, rows: int) -> bytes:
    """Return a PNG file that says to be of a size, with some black rows."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = zlib.compress(bytes((1 + 3 * width) * rows), 9)
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def small() -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    return encoded(Image.fromarray(noise), "PNG")


def many_frames() -> bytes:
    frames = [Image.new("L", (200, 200), level) for level in range(40)]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=20)


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.png", bytes(1_000_000))
    return buffer.getvalue()


def text_bomb() -> bytes:
    data = small()
    bomb = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(20_000_000), 9))
    return data[:33] + bomb + data[33:]


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
LIMITS = {"max_pixels": 1_000_000, "max_bytes": 2_000_000}
UPLOADS: dict[str, tuple[Callable[[], bytes], str, int, str]] = {  # content, name, status, code
    "a PNG of 50,000 x 50,000 pixels in 30 kB": (lambda: claimed(50_000, 50_000, 20), "a.png", 422, "too_many_pixels"),
    "a PNG of 2^31 x 2^31 pixels": (lambda: claimed(2**31 - 1, 2**31 - 1, 0), "a.png", 422, "too_many_pixels"),
    "a PNG whose pixels are missing": (lambda: claimed(900, 900, 0), "a.png", 422, "broken"),
    "a PNG cut in half": (lambda: small()[:1800], "a.png", 422, "broken"),
    "a PNG with a text of 20 MB in 20 kB": (text_bomb, "a.png", 422, "broken"),
    "a GIF of 40 frames with too many pixels together": (many_frames, "a.gif", 422, "too_many_frames"),
    "a text called .png": (lambda: b"hello, I am a picture", "a.png", 422, "not_a_picture"),
    "a web page called .jpg": (lambda: b"<!doctype html><script>alert(1)</script>", "a.jpg", 422, "not_a_picture"),
    "an SVG with a script": (lambda: SVG, "a.svg", 422, "not_a_picture"),
    "a zip": (archive, "a.png", 422, "not_a_picture"),
    "a pickle": (lambda: b"\x80\x04\x8c\x05posix\x8c\x06system\x93.", "a.pkl", 422, "not_a_picture"),
    "PostScript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\nshowpage\n", "a.eps", 422, "not_a_picture"),
    "nothing": (lambda: b"", "a.png", 422, "empty"),
    "3 MB where 2 are taken": (lambda: bytes(3_000_000), "a.png", 413, "too_many_bytes"),
}  # fmt: skip


@pytest.mark.parametrize("what", UPLOADS)
def test_an_upload_that_is_refused(visit: Callable[..., Any], what: str) -> None:
    make, name, status, code = UPLOADS[what]
    data = make()
    visitor = visit(**LIMITS)
    tracemalloc.start()
    answer = visitor.upload(data, name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/json"
    assert kept(visitor.page) == []
    assert peak < 60e6
    assert str(visitor.page.store.folder) not in answer.text


def test_an_upload_without_a_length_is_counted_as_it_comes(visit: Callable[..., Any]) -> None:
    visitor = visit(**LIMITS)
    answer = visitor.client.post("/api/pictures", content=(bytes(100_000) for _ in range(30)))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_many_bytes")
    assert kept(visitor.page) == []


NAMES = [
    "../../../etc/passwd",
    "/etc/passwd",
    "C:\\Windows\\a.png",
    "a\0b.png",
    "<img src=x>.png",
    "\x1b[31m.png",
    "x" * 5000,
    "..",
    "",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_names_no_file_here(visitor: Any, name: str) -> None:
    told = visitor.picture(small(), name)
    assert not {*told["name"]} & {"/", "\\", "\0", "\x1b"}
    assert len(told["name"]) <= 120
    made = visitor.result(task="upscale", picture=told["id"], scale=2, kind="mse")
    visitor.result(task="write", result=made["id"], format="png", strip=True)
    saved = visitor.client.get(f"/api/results/{made['id']}/png?strip=1").headers["content-disposition"]
    assert saved.startswith("attachment; filename")
    assert not {*saved} & {"/", "<", "\\", "\x1b"}
    assert {file.name for file in visitor.page.store.folder.rglob("*.*")} <= {"0.npy", "bare.png"}


@pytest.mark.parametrize(
    "request_",
    [
        [],
        "upscale",
        {"task": "none"},
        {"task": "upscale", "picture": "../source", "scale": 2, "kind": "mse"},
        {"task": "upscale", "picture": 1, "scale": 2, "kind": "mse"},
        {"scale": 1e9},
        {"scale": -1},
        {"scale": True},
        {"scale": None},
        {"scale": float("nan")},
        {"kind": "../mse"},
        {"kind": ["mse"]},
        {"kind": None, "perception": 2},
        {"kind": None, "perception": float("inf")},
        {"task": "stylize", "style": "/etc/passwd", "strength": 1, "keep_colors": False},
        {"task": "stylize", "style": "wave", "strength": 1, "keep_colors": 0},
        {"task": "stylize", "style": "wave", "strength": 1, "keep_colors": False, "size": 10**9},
        {"task": "write", "format": "../x", "strip": False},
        {"task": "map", "layer": "conv"},
    ],
)
def test_what_cannot_be_asked_for(visitor: Any, request_: Any) -> None:
    if isinstance(request_, dict):
        name = visitor.picture(small())["id"]
        usual = {
            "task": "upscale",
            "picture": name,
            "scale": 2,
            "kind": "mse",
            "result": name,
            "first": name,
            "second": name,
        }
        request_ = usual | request_
    answer = visitor.client.post(
        "/api/jobs",
        content=str(request_)
        .replace("'", '"')
        .replace("None", "null")
        .replace("True", "true")
        .replace("False", "false")
        .replace("nan", "NaN")
        .replace("inf", "Infinity"),
    )
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]["code"] in ("request", "gone")


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), (b"\xff", 400), (b"[" * 9000, 400), (b" " * 20_000, 413), (b"9" * 9000, 400)]
)
def test_bodies_that_are_no_request(visitor: Any, body: bytes, status: int) -> None:
    assert visitor.client.post("/api/jobs", content=body).status_code == status


def test_a_result_that_would_be_too_large_is_refused_before_the_work(visit: Callable[..., Any]) -> None:
    visitor = visit(max_result=10_000)
    answer = visitor.ask(task="upscale", picture=visitor.picture(small())["id"], scale=4, kind="mse")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "result_too_large")


def test_the_disk_and_the_number_of_pictures_are_bounded(visit: Callable[..., Any]) -> None:
    visitor = visit(max_pictures=2)
    answers = [visitor.upload(small()) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 503]
    assert int(answers[2].headers["retry-after"]) > 0
    visitor = visit(max_stored=5_000)
    assert visitor.upload(small()).status_code == 201
    assert visitor.upload(small()).json()["error"]["code"] == "full"


def test_an_error_in_the_work_is_told_in_words_and_the_next_job_begins(
    visitor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = visitor.picture(small())["id"]
    for error, code in ((MemoryError(), "no_memory"), (OSError("full"), "no_disk"), (RuntimeError("x"), "bug")):
        with monkeypatch.context() as patch:

            def fail(*_: Any, error: Exception = error) -> None:
                raise error

            patch.setattr("perceptualloss.page.tasks.watched", fail)
            job = visitor.done(task="upscale", picture=name, scale=2, kind="mse")
        assert (job["state"], job["error"]["code"]) == ("failed", code)
    assert visitor.done(task="upscale", picture=name, scale=2, kind="mse")["state"] == "done"
    assert len(list(visitor.page.store)) == 2


def test_what_no_route_expects_is_an_answer_without_a_traceback(visitor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Page, "offers", lambda *_: 1 / 0)
    other = Page(visitor.page.settings)
    answer = type(visitor.client)(other.app(), base_url="http://127.0.0.1", raise_server_exceptions=False).get(
        "/api/offers"
    )
    other.close()
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "bug")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "Traceback" not in answer.text


def test_the_document_lists_what_was_tried() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for what, (_, _, status, code) in UPLOADS.items():
        assert f"| {what} | {status}, `{code}` |" in text
