"""The page's routes: what a browser asks, what it is answered."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import torch
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from perceptualloss.files import file_stem
from perceptualloss.page.answers import described, language_of, session_of, short_body
from perceptualloss.page.examples import example, examples
from perceptualloss.page.front import Front
from perceptualloss.page.guards import Guard
from perceptualloss.page.jobs import Job, Jobs
from perceptualloss.page.notes import collected
from perceptualloss.page.refusals import PageError, explained
from perceptualloss.page.settings import MEGA, PageSettings
from perceptualloss.page.store import Store, Upload
from perceptualloss.page.tasks import FORMATS, Tasks, result_file
from perceptualloss.page.texts import text
from perceptualloss.page.uploads import look_at, shown_name
from perceptualloss.page.views import part
from perceptualloss.pictures.box import Box

_STALL = 30.0  # seconds without a byte after which an upload is given up
_CLEANING = 20.0  # seconds between two looks for what is old


class Page:
    """The page with all that it holds.

    Args:
        settings: its limits.
    """

    def __init__(self, settings: PageSettings) -> None:
        self.settings = settings
        self.store = Store(settings)
        threads = max(1, (os.cpu_count() or 1) // settings.jobs)
        self.jobs = Jobs(settings.jobs, settings.queue, min(threads, torch.get_num_threads()), settings.keep)
        self.tasks = Tasks(settings, self.store)
        self._looking = anyio.CapacityLimiter(1)  # pictures that are decoded at the same time
        self._showing = anyio.CapacityLimiter(2)

    def app(self) -> Guard:
        """Return what a server runs."""
        routes = [
            Route("/api/offers", self.offers),
            Route("/api/pictures", self.upload, methods=["POST"]),
            Route("/api/examples/{name}", self.example, methods=["POST"]),
            Route("/api/images/{id}", self.view),
            Route("/api/images/{id}", self.delete, methods=["DELETE"]),
            Route("/api/jobs", self.ask, methods=["POST"]),
            Route("/api/jobs/{id}", self.job),
            Route("/api/jobs/{id}", self.cancel, methods=["DELETE"]),
            Route("/api/results/{id}/{format}", self.download),
            Route("/api/session", self.forget, methods=["DELETE"]),
            *Front(self.settings, self.tasks.offers["styles"], self._looking).routes(),
        ]
        handlers = dict.fromkeys((PageError, HTTPException, Exception), self.refuse)
        return Guard(Starlette(routes=routes, exception_handlers=handlers, lifespan=self._life), self.settings)

    @asynccontextmanager
    async def _life(self, app: Starlette) -> AsyncIterator[None]:
        cleaning = asyncio.create_task(self._clean())
        with collected():
            try:
                yield
            finally:
                cleaning.cancel()
                self.close()

    def close(self) -> None:
        """End all work and delete all pictures."""
        self.jobs.close()
        self.store.close()

    async def _clean(self) -> None:
        while True:
            await asyncio.sleep(min(_CLEANING, self.settings.keep))
            self.store.remove_old()
            self.jobs.remove_old()

    async def offers(self, request: Request) -> Response:
        """Say what can be asked for."""
        return JSONResponse(self.tasks.offers)

    async def upload(self, request: Request) -> Response:
        """Take a picture: the body is the file."""
        length = request.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self.settings.max_bytes:
            raise PageError("too_many_bytes", 413)
        upload = self.store.new_upload(session_of(request), shown_name(request.query_params.get("name", "")))
        try:
            await self._receive(request, upload)
            await self._look(upload)
        except BaseException:
            self.store.remove(upload)
            raise
        return JSONResponse(described(upload), status_code=201)

    async def example(self, request: Request) -> Response:
        """Take an example as if it was uploaded."""
        if request.path_params["name"] not in examples():
            raise PageError("gone", 404)
        name, data = await anyio.to_thread.run_sync(example, request.path_params["name"])
        upload = self.store.new_upload(session_of(request), name)
        upload.source.write_bytes(data)
        await self._look(upload)
        return JSONResponse(described(upload), status_code=201)

    async def view(self, request: Request) -> Response:
        """Give a part of an upload or result as a PNG file."""
        entry = self.store.entry(session_of(request), request.path_params["id"])
        query = request.query_params
        try:
            box = Box(*(int(query[name]) for name in ("top", "bottom", "left", "right"))) if "top" in query else None
            reduce = int(query.get("reduce", "1"))
        except (KeyError, ValueError) as error:
            raise PageError("request", detail="part") from error
        data = await anyio.to_thread.run_sync(partial(part, entry, box, reduce), limiter=self._showing)
        return Response(data, media_type="image/png", headers={"Cache-Control": "private, max-age=600"})

    async def delete(self, request: Request) -> Response:
        """Delete an upload, with what was made of it, or a result."""
        entry = self.store.entry(session_of(request), request.path_params["id"])
        self.jobs.cancel_about(entry.session, entry.id)
        self.store.remove(entry)
        return Response(status_code=204)

    async def ask(self, request: Request) -> Response:
        """Begin work, or find that it was done before."""
        session = session_of(request)
        try:
            wanted = json.loads(await short_body(request))
        except (ValueError, RecursionError) as error:
            raise PageError("request", detail="JSON") from error
        asked = self.tasks.asked(session, wanted)
        job = self.jobs.submit(session, asked.key, asked.work)
        if job.state == "done" and not self._is_there(session, job.result):
            self.jobs.forget(job.result)
            job = self.jobs.submit(session, asked.key, asked.work)
        return self._told(job, 202)

    async def job(self, request: Request) -> Response:
        """Say how far some work is."""
        return self._told(self.jobs.job(session_of(request), request.path_params["id"]))

    async def cancel(self, request: Request) -> Response:
        """End some work."""
        job = self.jobs.job(session_of(request), request.path_params["id"])
        self.jobs.cancel(job)
        return self._told(job)

    async def download(self, request: Request) -> Response:
        """Give a result as the file that the task "write" wrote."""
        session, form = session_of(request), request.path_params["format"]
        result = self.store.result(session, request.path_params["id"])
        upload = self.store.upload(session, result.upload)
        if form not in FORMATS:
            raise PageError("gone", 404)
        suffix, kind = FORMATS[form]
        file = result_file(result, form, request.query_params.get("strip") == "1")
        if not file.is_file():
            raise PageError("gone", 404)
        name = f"{file_stem(upload.name.rpartition('.')[0] or upload.name)}-{result.task}{suffix}"
        return FileResponse(file, media_type=kind, filename=name)

    async def forget(self, request: Request) -> Response:
        """Delete all that a visitor has here."""
        session = session_of(request)
        self.jobs.cancel_session(session)
        self.store.remove_session(session)
        return Response(status_code=204)

    async def refuse(self, request: Request, error: Exception) -> Response:
        """Say in words why something is not done."""
        if isinstance(error, HTTPException):
            error = PageError("gone" if error.status_code == 404 else "request", error.status_code)
        refusal = explained(error)
        headers = {} if refusal.retry is None else {"Retry-After": str(refusal.retry)}
        return JSONResponse({"error": self._words(refusal, request)}, refusal.status, headers)

    def _words(self, refusal: PageError, request: Request | None = None) -> dict[str, Any]:
        limits = {
            "megapixels": f"{self.settings.max_pixels / MEGA:g}",
            "result": f"{self.settings.max_result / MEGA:g}",
            "megabytes": f"{self.settings.max_bytes / MEGA:g}",
        }
        values = limits | refusal.values
        language = language_of(request) if request is not None else "en"
        said = {"code": refusal.code, "values": values, "detail": refusal.detail}
        return said | {"text": text(language, f"error.{refusal.code}", values)}

    def _told(self, job: Job, status: int = 200) -> Response:
        told: dict[str, Any] = {
            "id": job.id,
            "state": job.state,
            "share": round(job.share, 4),
            "position": self.jobs.position(job),
        }
        if job.state == "done":
            told["result"] = described(self.store.result(job.session, job.result))
        if job.error is not None:
            told["error"] = self._words(job.error)
        return JSONResponse(told, status_code=status)

    def _is_there(self, session: str, name: str) -> bool:
        try:
            self.store.entry(session, name)
        except PageError:
            return False
        return True

    async def _receive(self, request: Request, upload: Upload) -> None:
        """Write a body to the disk as it comes, up to the limit."""
        received, chunks = 0, request.stream()
        with upload.source.open("xb") as file:
            while True:
                try:
                    async with asyncio.timeout(_STALL):
                        chunk = await anext(chunks, None)
                except (TimeoutError, ClientDisconnect) as error:
                    raise PageError("cut_off", 408) from error
                if chunk is None:
                    break
                received += len(chunk)
                if received > self.settings.max_bytes:
                    raise PageError("too_many_bytes", 413)
                file.write(chunk)
        if not received:
            raise PageError("empty", 422)

    async def _look(self, upload: Upload) -> None:
        await anyio.to_thread.run_sync(look_at, upload, self.settings, limiter=self._looking)
