"""Work in the order in which it was asked for, a few pieces at a time, with how far it is; any can be cancelled."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch

from perceptualloss.page.refusals import PageError, explained
from perceptualloss.page.store import token

log = logging.getLogger(__name__)

State = Literal["waiting", "running", "done", "failed", "cancelled"]
Work = Callable[["Job"], str]


class Cancelled(Exception):
    """The visitor wants no result any more."""


@dataclass(eq=False)
class Job:
    """A piece of work.

    Attributes:
        session: who asked for it.
        key: what was asked for: the same is not done twice.
        work: does it and returns the name of its result; calls :meth:`tell` now and then.
        id: what its owner calls it.
        state: where it is.
        share: how much is done, from 0 to 1.
        result: the name of the result, once it is done.
        error: why it failed.
        ended: when, by ``time.monotonic``.
    """

    session: str
    key: str
    work: Work
    id: str = field(default_factory=token)
    state: State = "waiting"
    share: float = 0.0
    result: str = ""
    error: PageError | None = None
    ended: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)

    def tell(self, share: float) -> None:
        """Say how much is done.

        Raises:
            Cancelled: nobody wants it any more.
        """
        self.check()
        self.share = max(self.share, min(share, 1.0))

    def check(self) -> None:
        """Raise Cancelled if nobody wants it any more."""
        if self._stop.is_set():
            raise Cancelled

    def cancel(self) -> None:
        """Let it end soon."""
        self._stop.set()


class Jobs:
    """Threads that do jobs, the first that came first.

    Args:
        workers: how many at the same time.
        queue: how many may wait.
        threads: on how many cores each computes; None leaves PyTorch's choice.
        keep: seconds for which a job that has ended can be asked about.
    """

    def __init__(self, workers: int, queue: int, threads: int | None = None, keep: float = 1800) -> None:
        self.queue, self.keep = queue, keep
        self._jobs: dict[str, Job] = {}
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._open = True
        self._workers = [
            threading.Thread(target=self._run, args=(threads,), name=f"job-{number}", daemon=True)
            for number in range(workers)
        ]
        for worker in self._workers:
            worker.start()

    def submit(self, session: str, key: str, work: Work) -> Job:
        """Return a job for some work: a new one, or one of the same key that has not failed.

        Raises:
            PageError: too many are waiting.
        """
        with self._changed:
            for job in self._jobs.values():
                if (job.session, job.key) == (session, key) and job.state in ("waiting", "running", "done"):
                    return job
            if len(self._waiting) >= self.queue:
                raise PageError("busy", 503, retry=10)
            job = Job(session, key, work)
            self._jobs[job.id] = job
            self._waiting.append(job)
            self._changed.notify()
            return job

    def job(self, session: str, name: str) -> Job:
        """Return a visitor's job of that name.

        Raises:
            PageError: none, or another visitor's.
        """
        job = self._jobs.get(name)
        if job is None or job.session != session:
            raise PageError("gone", 404)
        return job

    def position(self, job: Job) -> int:
        """Return how many are done before it begins: 0 once it has."""
        with self._changed:
            running = sum(other.state == "running" for other in self._jobs.values())
            return self._waiting.index(job) + running if job in self._waiting else 0

    def cancel(self, job: Job) -> None:
        """End a job: at once if it waits, else when it next says how far it is."""
        with self._changed:
            job.cancel()
            if job in self._waiting:
                self._waiting.remove(job)
                self._end(job, "cancelled")

    def cancel_about(self, session: str, name: str) -> None:
        """End all jobs of a visitor about a picture or result of that name, which no other text contains."""
        for job in list(self._jobs.values()):
            if job.session == session and name in job.key:
                self.cancel(job)

    def cancel_session(self, session: str) -> None:
        """End all jobs of a visitor, and forget them."""
        for job in [job for job in self._jobs.values() if job.session == session]:
            self.cancel(job)
            self._jobs.pop(job.id, None)

    def forget(self, result: str) -> None:
        """Forget the jobs whose result is no longer there."""
        for job in [job for job in self._jobs.values() if job.result == result]:
            self._jobs.pop(job.id, None)

    def remove_old(self) -> None:
        """Forget jobs that ended long ago."""
        for job in [job for job in self._jobs.values() if job.ended and time.monotonic() - job.ended > self.keep]:
            self._jobs.pop(job.id, None)

    def close(self) -> None:
        """End everything and wait for the threads."""
        with self._changed:
            self._open = False
            for job in self._jobs.values():
                job.cancel()
            self._waiting.clear()
            self._changed.notify_all()
        for worker in self._workers:
            worker.join(timeout=20)

    def _run(self, threads: int | None) -> None:
        if threads is not None:
            torch.set_num_threads(threads)  # a thread's own setting
        while True:
            with self._changed:
                while self._open and not self._waiting:
                    self._changed.wait()
                if not self._open:
                    return
                job = self._waiting.popleft()
                job.state = "running"
            self._do(job)

    def _do(self, job: Job) -> None:
        try:
            job.check()
            job.result = job.work(job)
            job.share = 1.0
            self._end(job, "done")
        except Cancelled:
            self._end(job, "cancelled")
        except Exception as error:  # a visitor is told, and the next job begins
            job.error = explained(error)
            if job.error.code == "bug":
                log.exception("a job failed")
            self._end(job, "failed")

    def _end(self, job: Job, state: State) -> None:
        job.ended = time.monotonic()
        job.state = state
