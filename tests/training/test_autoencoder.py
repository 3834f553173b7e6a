"""Trainings of autoencoders: what a network itself adds to the loss counts, and resuming ends in the same bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor, nn

from perceptualloss.data.degrade import Unchanged
from perceptualloss.data.module import PhotoData
from perceptualloss.losses.pixel import L1Loss, MSELoss
from perceptualloss.losses.registry import build_loss
from perceptualloss.networks.autoencoder import Autoencoder
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.course import Critic
from perceptualloss.training.adversarial import Adversarial
from perceptualloss.training.checkpoints import newest_checkpoint
from perceptualloss.training.game import Game
from perceptualloss.training.run import Budget, fit
from perceptualloss.training.schedule import Schedule
from perceptualloss.training.supervised import Supervised


class Costly(TransformationNetwork):
    """Multiplies pictures with one number, and adds seven times that number to the loss."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(1.0))

    def with_terms(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return self.factor * x, {"cost": 7 * self.factor}

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


class Watch(Callback):
    """Keeps the network's gradient and what was logged."""

    def on_before_zero_grad(self, trainer: Trainer, task: Any, optimizer: Any) -> None:
        if task.network.factor.grad is not None:
            self.gradient = task.network.factor.grad.item()

    def on_train_batch_end(self, trainer: Trainer, task: Any, *_: Any) -> None:
        self.gradient, self.logged = task.network.factor.grad.item(), dict(trainer.logged_metrics)


def run(task: Supervised, photos: Path, folder: Path, steps: int, *more: Callback, resume: Path | None = None) -> None:
    data = PhotoData(Unchanged(), photos, validation=1, crop=48, batch_size=2)
    budget = Budget(
        steps, validate_every=4, checkpoint_every=2, device="cpu"
    )  # in bf16 where the processor computes in it
    fit(task, data, folder, budget, progress=False, callbacks=more, resume=resume)


@pytest.mark.parametrize("against", [None, Game("hinge", weight=0.0)])
def test_what_a_network_adds_counts(against: Game | None, small_photos: Path, tmp_path: Path) -> None:
    watch = Watch()
    network = Costly()  # whose pictures are the targets, so that MSE has no gradient
    task = Supervised(network, MSELoss()) if against is None else Adversarial(network, Critic(4), MSELoss(), against)
    run(task, small_photos, tmp_path, 1, watch)
    assert watch.gradient == 7
    assert watch.logged["Loss/cost"] == watch.logged["Loss"] == 7


def task_of(code: Any, variant: str) -> Supervised:
    torch.manual_seed(1)
    network = Autoencoder(code, width=4, detail=4)
    options: dict[str, Any] = {"ema": 0.5, "schedule": Schedule("constant")}
    loss = L1Loss() if variant == "l1" else build_loss("perceptual")
    if variant == "adversarial":
        return Adversarial(network, Critic(4), loss, Game("hinge", weight=0.1), **options)
    return Supervised(network, loss, **options)


@pytest.mark.parametrize(("code", "variant"), [("fsq", "l1"), ("kl", "perceptual"), ("kl", "adversarial")])
def test_resuming_ends_in_the_same_bits(code: Any, variant: str, small_photos: Path, tmp_path: Path) -> None:
    whole, first, second = (task_of(code, variant) for _ in range(3))
    run(whole, small_photos, tmp_path / "whole", 4)
    run(first, small_photos, tmp_path / "parts", 2)
    run(second, small_photos, tmp_path / "parts", 4, resume=newest_checkpoint(tmp_path / "parts"))
    for name, value in whole.state_dict().items():
        assert torch.equal(second.state_dict()[name], value), name
    start = task_of(code, variant).network.state_dict()
    assert not any(torch.equal(value, start[name]) for name, value in whole.network.state_dict().items())
