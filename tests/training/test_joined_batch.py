"""Two processes train as one does with the joined batch."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor, distributed, nn
from torch.distributed.nn.functional import all_gather
from torch.nn import functional as F

from perceptualloss.data.degrade import Downscale, Unchanged
from perceptualloss.data.module import PhotoData
from perceptualloss.errors import InputError
from perceptualloss.losses.pixel import L1Loss, MSELoss
from perceptualloss.losses.style_objective import style_objective
from perceptualloss.networks.course import Upscale2x
from perceptualloss.networks.critics import MultiScaleCritic
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.training import run, supervised
from perceptualloss.training.adversarial import Adversarial
from perceptualloss.training.average import BATCHES
from perceptualloss.training.balance import Balancing
from perceptualloss.training.game import Game
from perceptualloss.training.processes import check_norms
from perceptualloss.training.run import Budget, fit
from perceptualloss.training.style import StyleTransfer
from perceptualloss.training.supervised import Supervised

KINDS = (
    "supervised",
    "balanced",
    "batch norm",
    "style",
    "penalty",
    "clip",
    "relativistic",
    "balanced game",
    "regularised",
)
Found = tuple[list[list[Tensor]], dict[str, Tensor]]
GAMES = {
    "penalty": Game(penalty=10.0, weight=0.1, n_critic=2),
    "clip": Game(clip=0.05, weight=0.1),
    "regularised": Game("hinge", 0.1, r1=1.0, r2=0.5, penalty_every=2, lecam=0.5, feature_matching=1.0, n_critic=2),
    "relativistic": Game("relativistic_hinge", weight=0.1),
    "balanced game": Game("relativistic_hinge"),
}


class Keep(L.Callback):
    """Keeps the gradients of all updates."""

    def __init__(self) -> None:
        self.kept: list[list[Tensor]] = []

    def on_before_optimizer_step(self, trainer: L.Trainer, task: Any, optimizer: Any) -> None:
        self.kept.append([p.grad.clone() for group in optimizer.param_groups for p in group["params"]])


class JoinedNorm(nn.BatchNorm2d):
    """What torch's SyncBatchNorm is, which has no version for a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not distributed.is_initialized():
            return super().forward(x)
        self.num_batches_tracked += 1
        momentum = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
        whole = torch.cat(all_gather(x))
        y = F.batch_norm(whole, self.running_mean, self.running_var, self.weight, self.bias, True, momentum, self.eps)
        return y.chunk(distributed.get_world_size())[distributed.get_rank()]


class Normed(ResidualUpscaler):
    def __init__(self) -> None:
        super().__init__(1, width=4, blocks=1)
        self.mix, self.joined = nn.Conv2d(3, 3, 3, padding=1), JoinedNorm(3)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.joined(self.mix(x)).sigmoid())


def task_of(kind: str) -> Any:
    torch.manual_seed(0)
    if kind == "batch norm":
        return Supervised(Normed(), L1Loss(), ema=0.5)
    if kind == "style":
        picture = torch.rand(1, 3, 32, 32)
        settings = {"PerceptualLoss": {"network": "compact", "layers": ["relu2_2"], "style_layers": {"relu1_2": 5.0}}}
        objectives = [style_objective(settings, style, None, 1.0) for style in (picture, 1 - picture)]
        network = StyleTransferNetwork(width=4, blocks=1, styles=2)
        return StyleTransfer(network, objectives, [picture, 1 - picture], stability=0.5, ema=0.5)
    network = ResidualUpscaler(2, width=4, blocks=1, detail=4)
    nn.init.normal_(network.last.weight, std=0.1)
    if kind == "supervised":
        return Supervised(network, L1Loss(), ema=0.5)
    if kind == "balanced":
        balance = Balancing({"l1": 1.0, "mse": 3.0}, of="last", average=0.5)
        return Supervised(network, L1Loss() + MSELoss(), balance=balance)
    critic: nn.Module = nn.Sequential(nn.Conv2d(3, 4, 5, 2, 2), nn.LeakyReLU(0.2), nn.Conv2d(4, 1, 5, 2, 2))
    if kind == "regularised":
        critic = MultiScaleCritic(2, width=2, n_layers=1, norm="spectral")
    balance = Balancing({"l1": 1.0, "adversarial": 0.5}, average=0.5) if kind == "balanced game" else None
    return Adversarial(network, critic, L1Loss(), GAMES[kind], ema=0.5, balance=balance)


def _train(rank: int, processes: int, port: int, photos: Path, folder: Path) -> None:
    """Train one kind of task after another; write the gradients of all updates, and the state in the end."""
    if processes > 1:  # Lightning then takes this process as one of them
        os.environ |= {"LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    run.LIGHTNING["fp32"] = "64-true"  # so that 1e-6 is far above the rounding
    refused = supervised.check_norms
    for kind in KINDS:
        task, keep = task_of(kind), Keep()
        degradation = Unchanged() if kind in ("style", "batch norm") else Downscale(2)
        supervised.check_norms = (lambda *_: None) if kind == "batch norm" else refused
        data = PhotoData(degradation, photos, validation=1, crop=32, batch_size=4 // processes, validation_size=32)
        budget = Budget(2, validate_every=100, precision="fp32", device="cpu", devices=processes)
        fit(task, data, folder / kind, budget, progress=False, callbacks=[keep])
        if kind == "batch norm":
            torch.save(task.result.state_dict(), folder / f"{kind}-{rank}.pt")
        if rank == 0:
            state = {name: value for name, value in task.state_dict().items() if "objective" not in name}
            torch.save((keep.kept, state), folder / f"{kind}.pt")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("processes")


@pytest.fixture(scope="module")
def found(folder: Path, small_photos: Path, in_processes: Callable[..., None]) -> dict[int, dict[str, Found]]:
    """What one process and what two find, by kind."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for processes in (1, 2):
        (folder / str(processes)).mkdir()
        in_processes(_train, processes, port, small_photos, folder / str(processes), processes=processes)
    return {
        processes: {kind: torch.load(folder / f"{processes}/{kind}.pt", weights_only=True) for kind in KINDS}
        for processes in (1, 2)
    }


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_have_the_gradients_of_one_with_the_joined_batch(
    kind: str, found: dict[int, dict[str, Found]]
) -> None:
    (one, weights), (two, also) = found[1][kind], found[2][kind]
    assert len(one) == len(two) > 0
    first = len(one) // 2  # of the first step; later ones follow from weights that Adam made
    for alone, shared in zip(one[:first], two[:first], strict=True):
        largest = max(float(gradient.abs().max()) for gradient in alone)
        assert largest > 0
        for a, b in zip(alone, shared, strict=True):
            assert torch.allclose(a, b, rtol=0, atol=1e-6 * min(1.0, largest))
    for name, value in weights.items():
        assert torch.allclose(value, also[name], atol=1e-5), name


@pytest.mark.usefixtures("found")
def test_all_processes_give_the_average_the_same_statistics(folder: Path) -> None:
    first, second = (torch.load(folder / "2" / f"batch norm-{rank}.pt", weights_only=True) for rank in (0, 1))
    assert int(first["joined.num_batches_tracked"]) == BATCHES
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_batch_norm_of_a_part_of_the_batch_is_refused() -> None:
    check_norms(Upscale2x(), 1)
    check_norms(Upscale2x().eval(), 2)
    check_norms(nn.SyncBatchNorm.convert_sync_batchnorm(Upscale2x()), 2)
    with pytest.raises(InputError, match="batch norm on 2 processes"):
        check_norms(Upscale2x(), 2)
