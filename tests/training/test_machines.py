"""Several machines: two agents of torchrun, or two tasks as SLURM starts them, on this one."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.strategies import FSDPStrategy
from torch.distributed.launcher.api import LaunchConfig, launch_agent
from torch.distributed.run import main as torchrun

from perceptualloss.cli import main
from perceptualloss.errors import InputError
from perceptualloss.networks.named import load_network
from perceptualloss.training import train as training
from perceptualloss.training.checkpoints import checkpoint_files, step_of
from perceptualloss.training.processes import check_strategy

# All in one file: pytest-xdist then runs one after another, each of which starts several processes.
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="gloo, signals and forks as on the clusters")
RECIPE = """
network: {class_path: ResidualUpscaler, init_args: {scale: 1, width: 4, blocks: 1}}
degradation: {class_path: Noise, init_args: {sigma: [0.1, 0.1]}}
loss: L1Loss
validation: 1
crop: 32
steps: 6
validate_every: 6
checkpoint_every: 2
device: cpu
precision: fp32
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, small_photos: Path) -> Path:
    file = tmp_path_factory.mktemp("recipe") / "tiny.yaml"
    file.write_text(f"{RECIPE}photos: {small_photos}\n")
    return file


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, recipe: Path) -> Path:
    """The folder of a run of one process with the joined batch of two."""
    out = tmp_path_factory.mktemp("alone")
    assert main(["train", str(recipe), "--out", str(out), "--batch-size", "4", "--quiet"]) == 0
    return out / "train"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def words(recipe: Path, out: Path) -> list[str]:
    return ["train", str(recipe), "--out", str(out), "--batch-size", "2"]


def check_equal(first: Path, second: Path) -> None:
    networks = [load_network(folder / "network.safetensors").state_dict() for folder in (first, second)]
    for name, value in networks[0].items():
        assert torch.allclose(value, networks[1][name], rtol=0, atol=1e-5), name


def _torchrun(rank: int, words: list[str], said: Path) -> None:
    """Be the command torchrun, whose workers are programs of their own; what all say goes into a file."""
    with (said / f"{rank}.txt").open("w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    torchrun(words)


def test_two_agents_of_torchrun_train_one_network_in_one_folder(
    recipe: Path, alone: Path, tmp_path: Path, in_processes: Callable[..., None]
) -> None:
    out, texts = tmp_path / "runs", tmp_path / "said"
    texts.mkdir()
    options = ["--nnodes=2", "--nproc-per-node=1", f"--rdzv-endpoint=localhost:{free_port()}", "--rdzv-backend=c10d"]
    in_processes(_torchrun, [*options, "-m", "perceptualloss", *words(recipe, out)], texts, processes=2, seconds=200)
    said = [file.read_text() for file in texts.iterdir()]
    for line in ("Writing to", "Training in fp32 6/6", "Validation:", "Saved"):
        assert sum(line in text for text in said) == 1, said  # the first process prints
    assert [path.name for path in out.iterdir()] == ["train"]
    check_equal(alone, out / "train")


class AtStep(L.Callback):
    """Does something after a step."""

    def __init__(self, step: int, action: Callable[[], None]) -> None:
        self.step, self.action = step, action

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.global_step == self.step:
            self.action()


def _at_step(step: int, action: Callable[[], None]) -> None:
    """Let trainings of this process do something after a step."""
    fit = training.fit

    def with_action(*arguments: Any, callbacks: Sequence[L.Callback] = (), **options: Any) -> None:
        fit(*arguments, callbacks=[*callbacks, AtStep(step, action)], **options)

    training.fit = with_action  # type: ignore[assignment]


def _killed_worker(command: list[str], killed: str) -> None:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""

    def kill() -> None:
        if os.environ["RANK"] == "1" and not Path(killed).exists():
            Path(killed).touch()
            os.kill(os.getpid(), signal.SIGKILL)

    _at_step(3, kill)
    assert main(command) == 0


def _agent(rank: int, port: int, command: list[str], killed: str) -> None:
    """Be torchrun on one machine; its workers are forked, which spares importing torch."""
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    config = LaunchConfig(
        min_nodes=2,
        max_nodes=2,
        nproc_per_node=1,
        run_id="a test",
        rdzv_backend="c10d",
        rdzv_endpoint=f"localhost:{port}",
        max_restarts=2,
        start_method="fork",
    )
    launch_agent(config, _killed_worker, [command, killed])


def test_after_a_kill_the_group_goes_on_from_its_last_checkpoint(
    recipe: Path, alone: Path, tmp_path: Path, in_processes: Callable[..., None]
) -> None:
    command = words(recipe, tmp_path / "runs")
    in_processes(_agent, free_port(), command, str(tmp_path / "killed"), processes=2)
    assert (tmp_path / "killed").exists()
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["train"]
    (again,) = json.loads((tmp_path / "runs/train/run.json").read_text())["resumed"]
    assert again["changed"] == {}
    check_equal(alone, tmp_path / "runs/train")


def _task(rank: int, port: int, command: list[str], code: int, told: int) -> None:
    """Be a task that srun has started."""
    ids = {"JOB_ID": "17", "STEP_ID": "0", "JOB_NAME": "train.sh", "NTASKS": "2", "NTASKS_PER_NODE": "1", "NNODES": "2"}
    ids |= {"PROCID": str(rank), "LOCALID": "0", "NODEID": str(rank), "NODELIST": "localhost"}
    os.environ |= {f"SLURM_{name}": value for name, value in ids.items()}
    os.environ |= {"MASTER_PORT": str(port), "MASTER_ADDR": "127.0.0.1", "CUDA_VISIBLE_DEVICES": ""}
    if rank == told:
        _at_step(3, lambda: os.kill(os.getpid(), signal.SIGUSR1))
    assert main(command) == (code if rank == 0 else 0)


def test_a_job_of_slurm_leaves_a_checkpoint_before_its_end_and_goes_on_when_it_is_queued_again(
    recipe: Path, alone: Path, tmp_path: Path, in_processes: Callable[..., None]
) -> None:
    command = words(recipe, tmp_path)
    in_processes(_task, free_port(), command, 130, 1, processes=2)
    assert step_of(checkpoint_files(tmp_path / "train")[0]) == 3
    in_processes(_task, free_port(), command, 0, -1, processes=2)
    assert [path.name for path in tmp_path.iterdir()] == ["train"]
    assert not list(tmp_path.rglob("hpc_ckpt*"))  # what Lightning would write by itself
    check_equal(alone, tmp_path / "train")


def test_weights_that_are_divided_among_devices_are_refused() -> None:
    check_strategy(L.Trainer(accelerator="cpu", devices=1, logger=False, enable_checkpointing=False).strategy)
    trainer = L.Trainer(accelerator="cpu", devices=2, strategy="ddp", logger=False, enable_checkpointing=False)
    check_strategy(trainer.strategy)
    with pytest.raises(InputError, match="the strategy 'ddp' on several, got FSDPStrategy"):
        check_strategy(FSDPStrategy())
