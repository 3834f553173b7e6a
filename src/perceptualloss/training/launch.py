"""What started the processes of a training, on one machine or several."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

from perceptualloss.errors import InputError

_PROCESSES = "PERCEPTUALLOSS_PROCESSES"  # how many Lightning starts; its WORLD_SIZE is gone after an error


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
        return not (restarts and self.by == "torchrun" and agents_keep_store())


def agents_keep_store() -> bool:
    """Whether torchrun's agents keep the store of all processes, over restarts."""
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
