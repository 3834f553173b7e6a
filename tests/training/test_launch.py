"""What started a process is read from its environment, and what the first process knows, all know."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from torch import distributed

from perceptualloss.errors import InputError
from perceptualloss.training import meeting
from perceptualloss.training.launch import Launch, devices_and_nodes, launch
from perceptualloss.training.meeting import LostProcess, all_are_ready, from_first, said_by_first
from perceptualloss.training.processes import check_group

TORCHRUN = {
    "RANK": "3",
    "LOCAL_RANK": "1",
    "WORLD_SIZE": "4",
    "LOCAL_WORLD_SIZE": "2",
    "GROUP_WORLD_SIZE": "2",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29500",
    "TORCHELASTIC_RUN_ID": "mine",
    "TORCHELASTIC_RESTART_COUNT": "0",
    "TORCHELASTIC_MAX_RESTARTS": "3",
}
SRUN = {  # as SLURM 22.05 sets them for the second of two tasks
    "SLURM_JOB_ID": "1",
    "SLURM_STEP_ID": "0",
    "SLURM_JOB_NAME": "train.sh",
    "SLURM_NTASKS": "2",
    "SLURM_NTASKS_PER_NODE": "1",
    "SLURM_NNODES": "2",
    "SLURM_PROCID": "1",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "1",
    "SLURM_NODELIST": "n[1-2]",
}
LIGHTNING = {"LOCAL_RANK": "1", "PERCEPTUALLOSS_PROCESSES": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
Environment = Callable[[dict[str, str]], None]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Environment:
    def put(names: dict[str, str]) -> None:
        for name in {*TORCHRUN, *LIGHTNING, *(name for name in os.environ if name.startswith("SLURM"))}:
            monkeypatch.delenv(name, raising=False)
        for name, value in names.items():
            monkeypatch.setenv(name, value)

    put({})
    return put


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ({}, None),
        (TORCHRUN, Launch("torchrun", 3, 4, 2, "torchrun mine")),
        (TORCHRUN | SRUN, Launch("torchrun", 3, 4, 2, "torchrun mine")),  # srun torchrun
        (TORCHRUN | {"TORCHELASTIC_RUN_ID": "none", "TORCHELASTIC_MAX_RESTARTS": "0"}, Launch("torchrun", 3, 4, 2)),
        (SRUN, Launch("srun", 1, 2, 1, "SLURM 1.0")),
        (SRUN | {"SLURM_JOB_NAME": "bash"}, None),  # salloc, which Lightning does not take for a job either
        ({"SLURM_NTASKS": "1", "SLURM_JOB_ID": "1", "SLURM_PROCID": "0"}, None),  # sbatch without srun
        (LIGHTNING, Launch("Lightning", 1, 2, 2)),
    ],
)
def test_what_started_this_process(names: dict[str, str], found: Launch | None, environment: Environment) -> None:
    environment(names)
    assert launch() == found
    assert found is None or found.machines * found.on_each == found.processes


@pytest.mark.parametrize(
    ("names", "refused"),
    [
        (TORCHRUN | {"WORLD_SIZE": "3"}, "as many processes on each machine"),
        (TORCHRUN | {"TORCHELASTIC_RUN_ID": "none"}, "--rdzv-id NAME.*--max-restarts 3 without it"),
        (SRUN | {"SLURM_NTASKS_PER_NODE": ""}, "--ntasks-per-node"),
        ({name: value for name, value in SRUN.items() if name != "SLURM_STEP_ID"}, "srun before the command"),
    ],
)
def test_a_start_that_nothing_can_train_on_is_refused(
    names: dict[str, str], refused: str, environment: Environment
) -> None:
    environment(names)
    with pytest.raises(InputError, match=refused):
        launch()


def test_devices_and_machines_are_those_that_were_started(environment: Environment) -> None:
    assert devices_and_nodes(2, 1) == (2, 1)
    with pytest.raises(InputError, match="torchrun or srun on each machine"):
        devices_and_nodes("auto", 2)
    environment(TORCHRUN)
    assert devices_and_nodes("auto", 1) == devices_and_nodes(2, 2) == (2, 2)
    with pytest.raises(InputError, match="devices=2, as torchrun started it, got devices=1"):
        devices_and_nodes(1, 1)
    with pytest.raises(InputError, match="num_nodes=2, as torchrun started it, got num_nodes=3"):
        devices_and_nodes("auto", 3)


def test_what_lightning_starts_inherits_what_the_first_process_made(environment: Environment) -> None:
    assert from_first("thing", lambda: {"a": 1}) == {"a": 1}
    environment(LIGHTNING)
    assert from_first("thing", lambda: {"a": 2}) == {"a": 1}


def _ask(rank: int, port: int, folder: str) -> None:
    os.environ |= TORCHRUN | {"RANK": str(rank), "LOCAL_RANK": str(rank), "MASTER_PORT": str(port)}
    os.environ |= {"WORLD_SIZE": "2", "GROUP_WORLD_SIZE": "1"}
    asked = [from_first("thing", lambda number=number: [rank, number]) for number in range(2)]
    all_are_ready()
    said = said_by_first("the same")
    alone = ""
    if rank == 0:  # which would wait for the other one, but that has failed
        try:
            all_are_ready()
        except LostProcess as error:
            alone = str(error)
    distributed.init_process_group("gloo")  # by the same port
    distributed.barrier()
    distributed.destroy_process_group()
    meeting.HEARD = timedelta(seconds=0.3)
    other = rank == 1 and said_by_first("another")
    lost = ""
    if rank == 1:
        time.sleep(0.5)
        try:
            from_first("more", lambda: 1)
        except LostProcess as error:
            lost = str(error)
    Path(folder, f"{rank}.json").write_text(json.dumps([asked, said, other, lost, alone]))


def test_all_get_what_the_first_process_makes_and_one_says_what_is_wrong(
    tmp_path: Path, in_processes: Callable[..., None]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    in_processes(_ask, port, str(tmp_path), processes=2)
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    assert first[0] == second[0] == [[0, 0], [0, 1]]
    assert (first[1], second[1]) == (False, True)
    assert second[2] is False
    assert "expected all processes to begin, got process 1 on" in first[4]
    assert "the more from the first process" in second[3]


def test_what_torch_says_of_other_processes_is_one_line() -> None:
    gone = RuntimeError("[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:545] Read error: reset by peer")
    with pytest.raises(LostProcess, match=r"all processes to go on.*The last one\."):
        check_group(gone, "The last one.")
    torchs = "Expected to have finished reduction in the prior iteration before starting a new one."
    lightnings = (
        "your LightningModule has parameters that were not used in producing the loss returned by training_step"
    )
    for text in (torchs, lightnings):
        with pytest.raises(InputError, match="parameters all take part"):
            check_group(RuntimeError(text), "")
    check_group(RuntimeError("shapes"), "")
