"""What the processes of a training tell each other before they are a group, and when something is wrong."""

from __future__ import annotations

import json
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cache
from typing import Any

from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from torch.distributed import DistError, PrefixStore, Store, TCPStore  # type: ignore[attr-defined]

from perceptualloss.errors import InputError
from perceptualloss.training.launch import Launch, agents_keep_store, launch

PATIENCE = timedelta(minutes=30)  # as torch's own, for what the first process does before the others can go on
HEARD = timedelta(seconds=3)  # that processes wait for each other to say what is wrong once; before they have met, more
_INHERITED = "PERCEPTUALLOSS_FROM_FIRST_"  # in the environment of processes that Lightning starts
_asked: Counter[str] = Counter()


class LostProcess(InputError):
    """Another process of the training has ended; its own message, or what started it, says why."""


def from_first(what: str, make: Callable[[], Any]) -> Any:
    """Return what the first process makes, as JSON has it, on all processes, which all ask in the same order.

    It needs no group of processes, so that what a training is can be agreed on before a trainer is there. Those that
    Lightning starts, later, get it through their environment.

    Raises:
        LostProcess: where the first process has ended.
        InputError: what ``make`` raises, on the first process.
    """
    launched = launch()
    if launched is None or launched.by == "Lightning":
        name = _INHERITED + what.upper()
        if launched is not None and launched.rank > 0 and name in os.environ:
            return json.loads(os.environ[name])
        made = make()
        os.environ[name] = json.dumps(made)
        return made
    if launched.processes == 1:
        return make()
    _asked[what] += 1
    key = f"{what} {_asked[what]}"
    try:
        if launched.rank > 0:
            return json.loads(_store(launched).get(key))
        made = make()
        _store(launched).set(key, json.dumps(made))
    except DistError as error:
        raise LostProcess(f"the {what} from the first process", str(error).splitlines()[0]) from error
    return made


def all_are_ready() -> None:
    """Wait until all processes are about to join the group, which torch itself would wait for as long as for data.

    torchrun on one machine does not know that a process on another one has failed before.

    Raises:
        LostProcess: where another one has ended.
    """
    launched = launch()
    _asked["ready"] += 1
    if launched is None or launched.by == "Lightning" or launched.processes == 1:
        return
    store, key = _store(launched), f"ready {_asked['ready']}"
    try:
        store.add(key, 1)
        until(lambda: store.check(["failed"]) or store.add(key, 0) >= launched.processes, PATIENCE.total_seconds())
        failed = store.get("failed").decode() if store.check(["failed"]) else "a process that does not answer"
        if store.add(key, 0) < launched.processes:
            remedy = "Its own message, or what started it, says why."
            raise LostProcess("all processes to begin", f"{failed} that has not", remedy)
    except DistError as error:
        raise LostProcess("all processes to begin", str(error).splitlines()[0]) from error


@contextmanager
def tells_of_failure() -> Iterator[None]:
    """Within it, an error of this process ends those that wait for it in :func:`all_are_ready`."""
    try:
        yield
    except LostProcess:  # who could be told waits no more
        raise
    except BaseException:
        _tell_of_failure()
        raise


def _tell_of_failure() -> None:
    with suppress(InputError, DistError, RuntimeError):
        if (launched := launch()) is not None and launched.by != "Lightning" and launched.rank > 0:
            _store(launched, HEARD).set("failed", f"process {launched.rank} on {socket.gethostname()}")


def said_by_first(text: str) -> bool:
    """Whether the first process says the same error, so that one of all says it; the first one tells the others.

    All wait for each other, for seconds at most.
    """
    try:
        launched = launch()
    except InputError:  # which all find
        return int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0"))) > 0
    if launched is None or launched.processes == 1:
        return False
    _tell_of_failure()
    patience = HEARD.total_seconds() * (1 if _asked["ready"] else 4)
    with suppress(DistError, RuntimeError):
        store = _store(launched, HEARD)
        if launched.rank == 0:
            store.set("error", text)
            until(lambda: store.add("heard", 0) >= launched.processes - 1, patience)
            return False
        there = until(lambda: store.check(["error"]), patience)
        same = there and store.get("error").decode() == text
        store.add("heard", 1)
        return same
    return False


def which() -> str:
    """Return which process this is, in brackets; nothing for the first one, which speaks for all."""
    with suppress(InputError):
        launched = launch()
        if launched is None or launched.rank == 0:
            return ""
        return f" (process {launched.rank} of {launched.processes}, on {socket.gethostname()})"
    return ""


def until(done: Callable[[], bool], seconds: float) -> bool:
    """Wait until something is done, and return whether it is."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def _store(launched: Launch, patience: timedelta = PATIENCE) -> Store:
    """Return what all processes read and write before they are a group; the first one, or torchrun, keeps it."""
    if launched.by == "srun":
        environment = SLURMEnvironment(auto_requeue=False)
        return _open(environment.main_address, environment.main_port, launched.rank == 0, "", patience)
    kept = agents_keep_store()
    attempt = os.environ["TORCHELASTIC_RESTART_COUNT"] if kept else ""
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    return _open(address, port, launched.rank == 0 and not kept, attempt, patience)


@cache
def _open(address: str, port: int, keep: bool, attempt: str, patience: timedelta) -> Store:
    # multi_tenant: the group of processes that follows uses the same port, and then the same store
    store = TCPStore(address, port, None, keep, patience, wait_for_workers=False, multi_tenant=True)
    return PrefixStore(f"perceptualloss {attempt}", store)
