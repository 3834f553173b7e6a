"""A stand-in for the Hugging Face hub: what huggingface_hub asks of its HTTP API, on this machine."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlparse

import pytest

constants = pytest.importorskip("huggingface_hub.constants")

TOKEN = "hf_owner"
_MODEL = re.compile(r"/api/models/([\w.-]+/[\w.-]+)(?:/(revision|preupload|commit)/([^/]+))?")
_FILE = re.compile(r"/([\w.-]+/[\w.-]+)/resolve/([^/]+)/(.+)")
_BATCH = re.compile(r"/([\w.-]+/[\w.-]+)\.git/info/lfs/objects/batch")


@dataclass
class Repository:
    """A repository: who may read it, and its files at each commit, the newest last."""

    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"0" * 40: {}})

    def put(self, files: dict[str, bytes]) -> str:
        """Add files in a commit, and return it."""
        whole = list(self.commits.values())[-1] | files
        text = f"{len(self.commits)}" + "".join(f"{name}{tag(name, data)}" for name, data in sorted(whole.items()))
        commit = hashlib.sha1(text.encode()).hexdigest()
        self.commits[commit] = whole
        return commit

    def commit(self, revision: str) -> str | None:
        """Return the commit that a revision means."""
        newest = list(self.commits)[-1]
        return newest if revision == "main" else revision if revision in self.commits else None


@dataclass
class Hub:
    """The repositories, what was asked, and how the stand-in misbehaves."""

    url: str
    token: str = TOKEN
    repositories: dict[str, Repository] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    altered: bool = False  # gives other bytes than it says
    broken: bool = False  # answers 503
    sizes: dict[str, int] = field(default_factory=dict)  # said in place of the right ones

    def add(self, name: str, private: bool = False, **files: bytes) -> str:
        """Put files into a repository, which is made if it is not there, and return the commit."""
        return self.repositories.setdefault(name, Repository(private)).put(files)

    def newest(self, name: str) -> tuple[str, dict[str, bytes]]:
        """Return the newest commit of a repository and its files."""
        return list(self.repositories[name].commits.items())[-1]


def is_large(name: str) -> bool:
    return name.endswith((".safetensors", ".bin"))


def tag(name: str, data: bytes) -> str:
    """Return the hash by which the hub names a file: SHA-256 of large ones, else git's."""
    git = hashlib.sha1(b"blob %d\0" % len(data) + data)
    return hashlib.sha256(data).hexdigest() if is_large(name) else git.hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    hub: Hub

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def answer(self, data: Any, status: int = 200, **headers: str) -> None:
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: int, code: str) -> None:
        self.answer({"error": code}, status, X_Error_Code=code)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def readable(self, name: str) -> Repository | None:
        """Return a repository if whoever asks may read it, as the hub does: what is private is not there for others."""
        found = self.hub.repositories.get(name)
        if found is None or (found.private and not self.is_owner()):
            self.refuse(404 if self.is_owner() else 401, "RepoNotFound")
            return None
        return found

    def is_owner(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def do_GET(self) -> None:
        path = unquote(urlparse(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        model, file = _MODEL.fullmatch(path), _FILE.fullmatch(path)
        if self.hub.broken:
            return self.answer(b"", 503)
        if file is not None:
            return self.file(*file.groups())
        if model is None or (repository := self.readable(model[1])) is None:
            return None if model else self.refuse(404, "NotFound")
        commit = repository.commit(model[3] or "main")
        if commit is None:
            return self.refuse(404, "RevisionNotFound")
        files = repository.commits[commit]
        siblings = [
            {"rfilename": name, "size": self.hub.sizes.get(name, len(data)), "blobId": tag(name, data)}
            for name, data in files.items()
        ]
        return self.answer({"id": model[1], "sha": commit, "private": repository.private, "siblings": siblings})

    do_HEAD = do_GET  # noqa: N815

    def file(self, name: str, revision: str, path: str) -> None:
        repository = self.readable(name)
        if repository is None:
            return None
        commit = repository.commit(revision)
        if commit is None or path not in repository.commits[commit]:
            return self.refuse(404, "RevisionNotFound" if commit is None else "EntryNotFound")
        data = repository.commits[commit][path]
        headers = {"ETag": f'"{tag(path, data)}"', "X_Repo_Commit": commit}
        return self.answer(data[:-1] + b"?" if self.hub.altered else data, **headers)

    def do_POST(self) -> None:  # noqa: PLR0911 (an answer to each kind of request)
        path, body = unquote(urlparse(self.path).path), self.body()
        self.hub.asked.append(f"POST {path}")
        if path == "/api/validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        if not self.is_owner():
            return self.refuse(401, "Unauthorized")
        if path == "/api/repos/create":
            given = json.loads(body)
            name = f"{given['organization']}/{given['name']}"
            if not name.startswith("anna/"):
                return self.refuse(403, "Forbidden")
            private = given.get("private", given.get("visibility") == "private")
            there = name in self.hub.repositories
            self.hub.repositories.setdefault(name, Repository(bool(private)))
            return self.answer({"url": f"{self.hub.url}/{name}"}, 409 if there else 200)
        if _BATCH.fullmatch(path):
            wanted = json.loads(body)["objects"]
            actions = [{**one, "actions": {"upload": {"href": f"{self.hub.url}/lfs/{one['oid']}"}}} for one in wanted]
            return self.answer({"transfer": "basic", "objects": actions})
        model = _MODEL.fullmatch(path)
        assert model is not None
        if model[2] == "preupload":
            files = [file["path"] for file in json.loads(body)["files"]]
            modes = ["lfs" if is_large(name) else "regular" for name in files]
            entries = [{"path": n, "uploadMode": m, "shouldIgnore": False} for n, m in zip(files, modes, strict=True)]
            return self.answer({"files": entries})
        return self.commit(self.hub.repositories[model[1]], model[1], [json.loads(line) for line in body.splitlines()])

    def commit(self, repository: Repository, name: str, lines: list[dict[str, Any]]) -> None:
        files = {}
        for line in lines:
            if line["key"] == "file":
                files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            elif line["key"] == "lfsFile":
                files[line["value"]["path"]] = self.hub.uploads[line["value"]["oid"]]
        commit = repository.put(files)
        self.answer({"commitUrl": f"{self.hub.url}/{name}/commit/{commit}", "commitOid": commit, "success": True})

    def do_PUT(self) -> None:
        data = self.body()
        assert hashlib.sha256(data).hexdigest() == self.path.rpartition("/")[2]
        self.hub.uploads[hashlib.sha256(data).hexdigest()] = data
        self.answer(b"")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """The stand-in, with a cache of its own and nobody logged in."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{server.server_port}"
    Handler.hub = Hub(url)
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.setattr(constants, name, str(tmp_path / "hub-cache"), raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # large files go by LFS, which the hub takes, too
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield Handler.hub
    server.shutdown()
    server.server_close()
    thread.join()
