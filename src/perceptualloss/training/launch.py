"""What started the processes of a training, on one machine or several, and how all get what the first one knows."""

from __future__ import annotations

import json
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Literal

from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from torch.distributed import DistError, PrefixStore, Store, TCPStore  # type: ignore[attr-defined]

from perceptualloss.errors import InputError

PATIENCE = timedelta(minutes=30)  # as torch's own, for what the first process does before the others can go on
HEARD = timedelta(seconds=3)  # that processes wait for each other to say what is wrong once
_INHERITED = "PERCEPTUALLOSS_FROM_FIRST_"  # in the environment of processes that Lightning starts
_PROCESSES = "PERCEPTUALLOSS_PROCESSES"  # how many Lightning starts; its WORLD_SIZE is gone after an error
_asked: Counter[str] = Counter()


class LostProcess(InputError):
    """Another process of the training has ended; its own message, or what started it, says why."""


@dataclass(frozen=True)
class Launch:
    """How this process was started as one of a training.

    Args:
        by: what started it.
        rank: which of all processes it is, from 0.
        processes: how many there are.
        on_each: how many of them run on each machine.
        job: names what was started, also after it was started again; None where nothing does.
    """

    by: Literal["torchrun", "srun", "Lightning"]
    rank: int
    processes: int
    on_each: int
    job: str | None = None

    @property
    def machines(self) -> int:
        """How many machines there are."""
        return self.processes // self.on_each

    @property
    def restarts_safely(self) -> bool:
        """Whether processes that are started again find nothing that the ones before have left.

        torch 2.15's groups of processes read addresses from the store of torchrun's agents, which outlives them.
        """
        restarts = os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0") != "0"
        return not (restarts and self.by == "torchrun" and _agents_keep_store())

    def store(self, patience: timedelta = PATIENCE) -> Store:
        """Return what all processes read and write before they are a group; the first one, or torchrun, keeps it."""
        if self.by == "srun":
            environment = SLURMEnvironment(auto_requeue=False)
            return _store(environment.main_address, environment.main_port, self.rank == 0, "", patience)
        kept = _agents_keep_store()
        attempt = os.environ["TORCHELASTIC_RESTART_COUNT"] if kept else ""
        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        return _store(address, port, self.rank == 0 and not kept, attempt, patience)


def _agents_keep_store() -> bool:
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"


def launch() -> Launch | None:
    """Return how this process was started, or None for a process of its own.

    Read from the environment, as torchrun, srun and Lightning set it.

    Raises:
        InputError: for numbers of processes that no training runs on, or a start that a restart could not go on with.
    """
    if TorchElasticEnvironment.detect():
        return _by_torchrun()
    if "SLURM_STEP_ID" in os.environ and _in_slurm():
        return _by_srun()
    if _in_slurm() and int(os.environ["SLURM_NTASKS"]) > 1:
        got = f"a job of {os.environ['SLURM_NTASKS']} tasks without it"
        raise InputError("srun before the command", got, "docs/machines.md has a file for sbatch.")
    if all(name in os.environ for name in ("LOCAL_RANK", _PROCESSES, "MASTER_ADDR", "MASTER_PORT")):
        processes = int(os.environ[_PROCESSES])
        return Launch("Lightning", int(os.environ["LOCAL_RANK"]), processes, processes)
    return None


def _by_torchrun() -> Launch:
    here, machines = (int(os.environ[name]) for name in ("LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE"))
    processes, restarts = (int(os.environ[name]) for name in ("WORLD_SIZE", "TORCHELASTIC_MAX_RESTARTS"))
    if here * machines != processes:
        got = f"{processes} on {machines} machines, {here} of them here"
        raise InputError("as many processes on each machine", got, "Give every torchrun the same --nproc-per-node.")
    job = os.environ["TORCHELASTIC_RUN_ID"]
    named = job != "none"  # which torchrun takes where it gets an endpoint and no name
    if not named and restarts:
        expected = "torchrun --rdzv-id NAME, by which a restart finds the run's folder"
        raise InputError(expected, f"--max-restarts {restarts} without it")
    return Launch("torchrun", int(os.environ["RANK"]), processes, here, f"torchrun {job}" if named else None)


def _in_slurm() -> bool:
    return "SLURM_NTASKS" in os.environ and SLURMEnvironment.job_name() not in ("bash", "interactive")


def _by_srun() -> Launch:
    tasks, machines = int(os.environ["SLURM_NTASKS"]), int(os.environ.get("SLURM_NNODES", "1"))
    each = os.environ.get("SLURM_NTASKS_PER_NODE", "1" if tasks == 1 else "")
    if not each or int(each) * machines != tasks:
        got = f"{tasks} tasks on {machines} with --ntasks-per-node={each or 'nothing'}"
        raise InputError("--ntasks-per-node, as many tasks on each machine", got, "One for each device.")
    job = f"SLURM {os.environ['SLURM_JOB_ID']}.{os.environ['SLURM_STEP_ID']}"
    return Launch("srun", int(os.environ["SLURM_PROCID"]), tasks, int(each), job)


def devices_and_nodes(devices: int | Literal["auto"], num_nodes: int) -> tuple[int | Literal["auto"], int]:
    """Return on how many devices of how many machines the processes that were started train.

    Args:
        devices: what the settings say of each machine, or "auto".
        num_nodes: what they say of machines; 1, which nobody may have set, stands for any number.

    Raises:
        InputError: for settings that say otherwise than torchrun or srun, or several machines without these.
    """
    launched = launch()
    if launched is None or launched.by == "Lightning":
        if num_nodes > 1:
            remedy = "docs/machines.md has the commands."
            raise InputError(f"torchrun or srun on each machine for num_nodes={num_nodes}", "neither", remedy)
        return devices, num_nodes
    found = (("devices", devices, "auto", launched.on_each), ("num_nodes", num_nodes, 1, launched.machines))
    for name, given, usual, started in found:
        if given not in (usual, started):
            remedy = f"Leave {name} out; compare and train-loss-network train in one process, without {launched.by}."
            raise InputError(f"{name}={started}, as {launched.by} started it", f"{name}={given}", remedy)
    return launched.on_each, launched.machines


def say_how_many(processes: int) -> None:
    """Let the processes that Lightning is about to start know how many they are."""
    os.environ[_PROCESSES] = str(processes)


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
            return json.loads(launched.store().get(key))
        made = make()
        launched.store().set(key, json.dumps(made))
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
    if launched is None or launched.by == "Lightning" or launched.processes == 1:
        return
    _asked["ready"] += 1
    store, key = launched.store(), f"ready {_asked['ready']}"
    try:
        store.add(key, 1)
        until(lambda: store.check(["failed"]) or store.add(key, 0) >= launched.processes, PATIENCE.total_seconds())
        failed = store.get("failed").decode() if store.check(["failed"]) else "a process that does not answer"
        if store.add(key, 0) < launched.processes:
            raise LostProcess("all processes to begin", f"{failed} that has not")
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
            launched.store(HEARD).set("failed", f"process {launched.rank} on {socket.gethostname()}")


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
    with suppress(DistError, RuntimeError):
        store = launched.store(HEARD)
        if launched.rank == 0:
            store.set("error", text)
            until(lambda: store.add("heard", 0) >= launched.processes - 1, HEARD.total_seconds())
            return False
        there = until(lambda: store.check(["error"]), HEARD.total_seconds())
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


@cache
def _store(address: str, port: int, keep: bool, attempt: str, patience: timedelta) -> Store:
    # multi_tenant: the group of processes that follows uses the same port, and then the same store
    store = TCPStore(address, port, None, keep, patience, wait_for_workers=False, multi_tenant=True)
    return PrefixStore(f"perceptualloss {attempt}", store)
