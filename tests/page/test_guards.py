"""What keeps pictures private and strangers out."""

from __future__ import annotations

import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from perceptualloss.errors import InputError
from perceptualloss.page import tasks
from perceptualloss.page.files import FOLDER, served_files
from perceptualloss.page.guards import HEADERS
from perceptualloss.page.private_folder import PrivateFolder
from perceptualloss.page.settings import PageSettings


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1.example.org", "10.0.0.1:8000", "localhost.example.org", ""])
def test_another_name_for_this_machine_is_refused(visitor: Any, host: str) -> None:
    for method, path in (("GET", "/"), ("GET", "/static/main.js"), ("POST", "/api/pictures")):
        assert visitor.client.request(method, path, headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000"])
def test_its_own_names_are_taken(visitor: Any, host: str) -> None:
    assert visitor.client.get("/", headers={"Host": host}).status_code == 200


def test_names_that_were_told(visit: Callable[..., Any]) -> None:
    visitor = visit(host="0.0.0.0", names=("studio.local",))
    for host, status in (("studio.local:8000", 200), ("192.168.1.7:8000", 200), ("example.org", 403)):
        assert visitor.client.get("/", headers={"Host": host}).status_code == status
    assert not visitor.page.settings.is_local


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://example.org"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_page_cannot_ask_for_anything(visitor: Any, png: Callable[..., bytes], headers: dict[str, str]) -> None:
    for method, path in (("POST", "/api/pictures"), ("POST", "/api/jobs"), ("DELETE", "/api/session")):
        assert visitor.client.request(method, path, content=png(), headers=headers).status_code == 403
    assert not list(visitor.page.store)


def test_this_page_can(visitor: Any, png: Callable[..., bytes]) -> None:
    answer = visitor.upload(png(), Origin="http://127.0.0.1", **{"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 201


def test_every_answer_has_the_headers(visitor: Any, png: Callable[..., bytes]) -> None:
    name = visitor.picture(png())["id"]
    for path in ("/", "/static/main.js", "/api/offers", f"/api/images/{name}", "/nothing", "/api/jobs/nothing"):
        answer = visitor.client.get(path)
        assert {key: answer.headers[key] for key in HEADERS} == HEADERS
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe-inline" not in policy
        assert "unsafe-eval" not in policy
    cookie = TestClient(visitor.page.app(), base_url="http://127.0.0.1").get("/").headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


def test_what_one_visitor_has_another_one_cannot_see(visitor: Any, png: Callable[..., bytes]) -> None:
    picture = visitor.picture(png())["id"]
    job = visitor.done(task="upscale", picture=picture, scale=2, kind="mse")
    result = job["result"]["id"]
    visitor.result(task="write", result=result, format="png", strip=False)
    other = TestClient(visitor.page.app(), base_url="http://127.0.0.1")
    other.get("/")
    for path in (
        f"/api/images/{picture}",
        f"/api/images/{result}",
        f"/api/jobs/{job['id']}",
        f"/api/results/{result}/png",
    ):
        assert visitor.client.get(path).status_code == 200
        assert other.get(path).status_code == 404
    asked = other.post("/api/jobs", json={"task": "upscale", "picture": picture, "scale": 2, "kind": "mse"})
    assert asked.status_code == 404
    forged = {
        "Cookie": f"perceptualloss_session={visitor.client.cookies['perceptualloss_session'].partition('.')[0]}.0"
    }
    assert other.get(f"/api/images/{picture}", headers=forged).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/",
        "/static",
        "/texts/",
        "//etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/api/images/..%2f..%2fetc%2fpasswd",
        "/api/results/x/..%2fsource",
        "/examples/..%2fcamera.jpg",
    ],
)
def test_no_address_leads_to_another_file_or_lists_a_folder(visitor: Any, path: str) -> None:
    answer = visitor.client.get(path)
    assert answer.status_code == 404
    assert b"root:" not in answer.content


def test_pictures_go_when_nobody_looks_at_them_and_at_the_end(
    visit: Callable[..., Any], png: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = visit(keep=60)
    store, name = visitor.page.store, visitor.picture(png())["id"]
    made = visitor.result(task="upscale", picture=name, scale=2, kind="mse")
    folders = [entry.folder for entry in store]
    assert len(folders) == 2
    store.remove_old()
    assert all(folder.is_dir() for folder in folders)
    later = time.monotonic() + 61
    monkeypatch.setattr(time, "monotonic", lambda: later)
    store.remove_old()
    visitor.page.jobs.remove_old()
    assert not any(folder.exists() for folder in folders)
    assert visitor.client.get(f"/api/images/{made['id']}").json()["error"]["code"] == "gone"
    assert store.folder.stat().st_mode & 0o077 == 0
    visitor.page.close()
    assert not store.folder.exists()


def test_a_visitor_deletes_everything(visitor: Any, png: Callable[..., bytes]) -> None:
    name = visitor.picture(png())["id"]
    visitor.result(task="upscale", picture=name, scale=2, kind="mse")
    assert visitor.client.delete("/api/session").status_code == 204
    assert not list(visitor.page.store)
    assert [file.name for file in visitor.page.store.folder.iterdir()] == ["lock"]


def test_what_a_killed_server_left_goes_and_what_a_running_one_has_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("fcntl")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    running = PrivateFolder()
    killed = tmp_path / "perceptualloss-serve-killed"
    killed.mkdir()
    (killed / "lock").touch()
    foreign = tmp_path / "perceptualloss-serve-foreign"  # without a lock: not known to be a server's
    foreign.mkdir()
    other = PrivateFolder()
    assert {*tmp_path.iterdir()} == {running.path, other.path, foreign}
    for folder in (running, other):
        folder.close()
    assert [*tmp_path.iterdir()] == [foreign]


def test_a_picture_that_is_replaced_takes_its_results_along(visitor: Any, png: Callable[..., bytes]) -> None:
    name = visitor.picture(png())["id"]
    visitor.result(task="upscale", picture=name, scale=2, kind="mse")
    visitor.client.delete(f"/api/images/{name}")
    assert not list(visitor.page.store)


def test_nothing_on_the_page_has_an_address_of_elsewhere() -> None:
    for file in [file for name in ("static", "texts", "templates", "browser") for file in (FOLDER / name).iterdir()]:
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"(https?:|wss?:|ftp:)//|(src|href|url|from|import)\s*[=(]?\s*[\"'`]//|@import", text), (
            file
        )


def test_only_files_of_known_kinds_are_served() -> None:
    served = served_files()
    assert {"/static/main.js", "/static/page.css", "/texts/de.json"} <= {*served}
    assert all(Path(address).suffix not in (".py", ".jinja") for address in served)


@pytest.mark.parametrize("wrong", [{"port": 70_000}, {"jobs": 0}, {"max_pixels": 0}, {"keep": 0}, {"queue": -1}])
def test_limits_that_let_nothing_through(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match=r"expected .* got"):
        PageSettings(**wrong)  # type: ignore[arg-type]


def test_a_picture_that_goes_takes_its_work_along(
    visitor: Any, png: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, deleted = threading.Event(), threading.Event()

    @contextmanager
    def watched(*_: Any) -> Iterator[Any]:
        entered.set()
        assert deleted.wait(30)
        yield None  # it did not look whether it was cancelled

    monkeypatch.setattr(tasks, "watched", watched)
    name = visitor.picture(png())["id"]
    job = visitor.ask(task="upscale", picture=name, scale=2, kind="mse").json()
    assert entered.wait(30)
    visitor.client.delete(f"/api/images/{name}")
    deleted.set()
    assert visitor.ended(job)["error"]["code"] == "gone"
    assert [file.name for file in visitor.page.store.folder.iterdir()] == ["lock"]
