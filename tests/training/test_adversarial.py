"""The game of generator and critic, on networks of one parameter whose steps are done by hand."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.strategies import SingleDeviceStrategy
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

from perceptualloss.data.damage import Noise
from perceptualloss.data.module import PhotoData
from perceptualloss.errors import InputError
from perceptualloss.losses.pixel import L1Loss, MSELoss
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.training.adversarial import CRITIC, GENERATOR, Adversarial
from perceptualloss.training.checkpoints import newest_checkpoint
from perceptualloss.training.game import WINDOW, Game, Standing, verdict
from perceptualloss.training.run import Budget, fit


class Scale(TransformationNetwork):
    """Multiplies pictures with one number."""

    def __init__(self, value: float = 0.5) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(value))

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


class MeanCritic(nn.Module):
    """Scores a picture with its mean times one number."""

    def __init__(self, value: float = 0.5) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(value))

    def forward(self, x: Tensor) -> Tensor:
        return self.slope * x.mean(dim=(1, 2, 3))[:, None]


class ByHand(Adversarial):
    """With plain gradient descent, so that steps are easily done by hand."""

    def configure_optimizers(self) -> Any:
        return [
            torch.optim.SGD(self.network.parameters(), lr=1.0),
            torch.optim.SGD(self.critic.parameters(), lr=1.0),
        ]

    def _set_learning_rates(self, step: int) -> None:
        for optimizer, rate in zip(self.trainer.optimizers, (self.learning_rate, self.game.learning_rate), strict=True):
            optimizer.param_groups[0]["lr"] = rate


class Watch(Callback):
    """Keeps batches and both parameters after each step."""

    def __init__(self) -> None:
        self.batches: list[Any] = []
        self.values: list[tuple[float, float]] = []

    def on_train_batch_end(self, trainer: Trainer, task: Any, outputs: Any, batch: Any, *_: Any) -> None:
        self.batches.append(batch)
        self.values.append((task.network.factor.item(), task.critic.slope.item()))


def data(photos: Path) -> PhotoData:
    return PhotoData(Noise((0.1, 0.1)), photos, validation=1, crop=8, batch_size=2)


def run(task: Adversarial, photos: Path, folder: Path, steps: int, *callbacks: Callback, **options: Any) -> None:
    settings: dict[str, Any] = {"validate_every": steps, "device": "cpu", "precision": "fp32"} | options
    resume = settings.pop("resume", None)
    fit(task, data(photos), folder, Budget(steps, **settings), progress=False, callbacks=callbacks, resume=resume)


GAME = Game(weight=2.0, n_critic=2, generator_every=2, clip=0.55, learning_rate=0.3)


def test_a_step_by_hand(small_photos: Path, tmp_path: Path) -> None:
    """WGAN: the critic's slope c moves by the gap of the means, g by lambda c m - d MSE / dg."""
    watch = Watch()
    task = ByHand(Scale(), MeanCritic(), MSELoss(), GAME, learning_rate=0.1)
    run(task, small_photos, tmp_path, 4, watch)
    g, c = 0.5, 0.5
    for step, ((low, real), found) in enumerate(zip(watch.batches, watch.values, strict=True)):
        for _ in range(2):
            c = c - 0.3 * float((g * low).mean() - real.mean())
            c = min(max(c, -0.55), 0.55)
        if step % 2 == 1:
            slope = float((2 * (g * low - real) * low).mean()) - 2.0 * c * float(low.mean())
            g = g - 0.1 * slope
        assert found == pytest.approx((g, c), rel=1e-5)
    assert task.global_step == 4  # steps count batches, whatever is updated in them


class Counting(Scale):
    """Counts how often it is asked for pictures while it trains, as a batch norm would."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.asked.append(torch.is_grad_enabled())
        return super().forward(x)


def test_fresh_fakes_are_made_anew_for_each_update(small_photos: Path, tmp_path: Path) -> None:
    """As the course prints: for each of the critic's updates without a gradient, then for the generator's with one."""
    ends, asked = [], []
    for fresh in (False, True):
        network, watch = Counting(), Watch()
        task = ByHand(network, MeanCritic(), MSELoss(), replace(GAME, fresh_fakes=fresh), learning_rate=0.1)
        run(task, small_photos, tmp_path / str(fresh), 2, watch)
        ends.append(watch.values)
        asked.append(network.asked)
    assert asked[0] == [False, True]  # the generator plays at every second step
    assert asked[1] == [False, False, False, False, True]
    assert ends[0] == ends[1]  # weights and batch are the same meanwhile


def test_the_weight_rises_in_a_line_after_the_warm_up(small_photos: Path, tmp_path: Path) -> None:
    watch = Watch()
    game = Game(weight=1.0, ramp_steps=2, clip=0.6, learning_rate=0.3)
    task = ByHand(Scale(), MeanCritic(), L1Loss(), game, learning_rate=0.1, warm_up_steps=1)
    run(task, small_photos, tmp_path, 3, watch)
    g, c = 0.5, 0.5
    low, real = watch.batches[0]
    g = g - 0.1 * float((2 * (g * low - real) * low).mean())  # MSE, and the critic rests
    assert watch.values[0] == pytest.approx((g, c), rel=1e-5)
    for (low, real), weight, found in zip(watch.batches[1:], (0.0, 0.5), watch.values[1:], strict=True):
        c = min(max(c - 0.3 * float((g * low).mean() - real.mean()), -0.6), 0.6)
        g = g - 0.1 * (float(((g * low - real).sign() * low).mean()) - weight * c * float(low.mean()))
        assert found == pytest.approx((g, c), rel=1e-5)


def test_the_generator_moves_by_the_adversarial_loss_of_each_kind(small_photos: Path, tmp_path: Path) -> None:
    for kind in ("vanilla", "least_squares", "hinge", "relativistic"):
        task = ByHand(Scale(), MeanCritic(), MSELoss(), Game(kind=kind), learning_rate=0.1)
        watch = Watch()
        run(task, small_photos, tmp_path / kind, 1, watch)
        low, real = watch.batches[0]
        factor = torch.tensor(0.5, requires_grad=True)
        c = watch.values[0][1]
        scores = (c * (factor * low).mean(dim=(1, 2, 3)), c * real.mean(dim=(1, 2, 3)))
        loss = (factor * low - real).square().mean() + 1e-3 * task.adversarial_loss.generator_loss(*scores)
        loss.backward()
        assert factor.grad is not None
        assert watch.values[0][0] == pytest.approx(0.5 - 0.1 * float(factor.grad), rel=1e-5)


def small_task(**options: Any) -> Adversarial:
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.LeakyReLU(0.2), nn.Conv2d(4, 1, 3))
    game = Game(weight=0.1, penalty=10, n_critic=2, ramp_steps=2, learning_rate=1e-2)
    network = ResidualUpscaler(1, width=4, blocks=1)
    return Adversarial(network, critic, L1Loss(), game, ema=0.9, warm_up_steps=1, **options)


def test_resuming_changes_nothing(small_photos: Path, tmp_path: Path) -> None:
    class Stop(Callback):
        def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
            if trainer.global_step == 3:
                raise ZeroDivisionError

    whole, first, second = small_task(), small_task(), small_task()
    run(whole, small_photos, tmp_path / "whole", 5, validate_every=2)
    with pytest.raises(ZeroDivisionError):
        run(first, small_photos, tmp_path / "cut", 5, Stop(), checkpoint_every=3, validate_every=2)
    run(second, small_photos, tmp_path / "cut", 5, validate_every=2, resume=newest_checkpoint(tmp_path / "cut"))
    state = second.state_dict()
    for name, value in whole.state_dict().items():
        assert torch.equal(value, state[name]), name
    assert whole.history["mse"][-1] == second.history["mse"][-1]


def test_a_checkpoint_from_before_has_its_standing() -> None:
    state = {name.replace("standing.", "balance."): value for name, value in small_task().state_dict().items()}
    state["balance.averages"] = torch.tensor([0.5, 1.0, 2.0])
    checkpoint = {"state_dict": state, "history": {}, "seconds": 0.0}
    task = small_task()
    task.on_load_checkpoint(checkpoint)
    task.load_state_dict(checkpoint["state_dict"])
    assert task.standing.averages.tolist() == [0.5, 1.0, 2.0]


def test_what_is_logged(small_photos: Path, tmp_path: Path) -> None:
    run(small_task(gradient_clip=1e-3), small_photos, tmp_path, 3)
    tags = set(EventAccumulator(str(tmp_path)).Reload().Tags()["scalars"])
    critic = {f"critic/{name}" for name in ("loss", "penalty", "gap", "ranked right", "gradient norm")}
    assert critic | {"Loss", "Loss/adversarial", "generator/gradient norm", "PSNR"} <= tags


def test_in_16_bits_every_update_sees_the_weights_of_the_one_before(small_photos: Path, tmp_path: Path) -> None:
    """Autocast with a cache would keep the first weights in 16 bits until the end of the step; Lightning has none."""
    seen: list[float] = []

    class Linear(MeanCritic):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(1, 1, bias=False)
            nn.init.constant_(self.layer.weight, 0.5)

        def forward(self, x: Tensor) -> Tensor:
            score: Tensor = self.layer(x.mean(dim=(1, 2, 3))[:, None])
            seen.append(float((score[0] / x[0].mean()).detach()))
            return score

    game = Game(clip=10.0, n_critic=3, learning_rate=5.0)
    task = Adversarial(Scale(), Linear(), MSELoss(), game, learning_rate=1e-3)
    task.schedule = type(task.schedule)("constant")
    run(task, small_photos, tmp_path, 1, precision="bf16")
    slopes = seen[0:6:2]  # of the real pictures, in three updates
    assert slopes[1] > slopes[0] + 0.05
    assert slopes[2] > slopes[1] + 0.05


def test_the_critic_is_frozen_only_while_the_generator_is_updated(small_photos: Path, tmp_path: Path) -> None:
    states: list[tuple[bool, bool]] = []

    class Spy(MeanCritic):
        def forward(self, x: Tensor) -> Tensor:
            states.append((self.slope.requires_grad, x.requires_grad))
            return super().forward(x)

    task = Adversarial(Scale(), Spy(), MSELoss(), Game(clip=1.0))
    run(task, small_photos, tmp_path, 1)
    assert states == [(True, False), (True, False), (False, True)]
    assert task.critic.slope.requires_grad
    assert [len(o.param_groups[0]["params"]) for o in task.trainer.optimizers] == [1, 1]
    assert (GENERATOR, CRITIC) == (0, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "bounded slope"),
        ({"clip": 0.1, "penalty": 10}, "clip or penalty"),
        ({"clip": 0.0}, "clip to be"),
        ({"kind": "wassertein", "clip": 1}, "Did you mean 'wasserstein'"),
        ({"kind": "hinge", "n_critic": 0}, "n_critic"),
    ],
)
def test_impossible_rules_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Adversarial(Scale(), MeanCritic(), MSELoss(), Game(**options))


def test_what_two_optimisers_in_turn_do_not_work_with_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    task = small_task()
    trainer = SimpleNamespace(precision="16-mixed", world_size=1, strategy=SingleDeviceStrategy("cpu"))
    monkeypatch.setattr(Adversarial, "trainer", trainer)
    with pytest.raises(InputError, match="for adversarial training"):
        task.on_fit_start()


def test_who_has_won() -> None:
    even = ((1.0, 1.0), (1.0, 1.0))
    assert verdict(0.7, *even, ahead_is_well=False) == ""
    assert verdict(0.999, *even, ahead_is_well=False).startswith("the critic has won")
    assert verdict(0.999, *even, ahead_is_well=True) == ""
    assert verdict(0.1, *even, ahead_is_well=True).startswith("the generator has won")
    assert verdict(0.7, (1.0, 500.0), (1.0, 1.0), ahead_is_well=True).startswith("the generator's gradient runs away")
    assert "critic" in verdict(0.7, (float("nan"), 1.0), (1.0, 1.0), ahead_is_well=True)


def test_a_step_that_is_not_finite_leaves_the_averages() -> None:
    standing, one = Standing(), torch.ones(())
    for value in (one, one * float("nan"), one * float("inf")):
        standing.update(one, value, one)
    assert standing.averages.tolist() == [1, 1, 1]


def test_a_warning_comes_once() -> None:
    standing, one = Standing(), torch.ones(())
    for _ in range(WINDOW):
        standing.update(one, one, one)
    assert standing.warning(ahead_is_well=False) == ""
    average = standing.update(one, one, one)
    assert float(average) == pytest.approx(1)
    assert standing.warning(ahead_is_well=False).startswith("the critic has won")
    assert standing.warning(ahead_is_well=False) == ""
    for _ in range(5 * WINDOW):
        standing.update(0 * one, one, one)
    assert standing.warning(ahead_is_well=False).startswith("the generator has won")


def test_the_run_warns(small_photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    task = Adversarial(Scale(0.1), MeanCritic(), MSELoss(), Game("hinge"), learning_rate=1e-6)
    task.standing.steps.fill_(2 * WINDOW)
    task.standing.averages.fill_(1.0)
    task.standing.first.fill_(1.0)
    with caplog.at_level(logging.WARNING, "perceptualloss"):
        run(task, small_photos, tmp_path, 1)
    assert "the critic has won" in caplog.text
