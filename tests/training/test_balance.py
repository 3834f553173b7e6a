"""Trainings whose terms' weights follow their gradients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

from perceptualloss.data.damage import Noise
from perceptualloss.data.module import PhotoData
from perceptualloss.errors import InputError
from perceptualloss.losses.balanced import BalancedLoss
from perceptualloss.losses.pixel import L1Loss, MSELoss
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.training.adversarial import Adversarial
from perceptualloss.training.balance import Balancing, check_game
from perceptualloss.training.checkpoints import newest_checkpoint
from perceptualloss.training.game import Game
from perceptualloss.training.recipe import smoke
from perceptualloss.training.recipe_settings import build_recipe
from perceptualloss.training.run import Budget, fit
from perceptualloss.training.schedule import Schedule
from perceptualloss.training.style import StyleTransfer
from perceptualloss.training.supervised import Supervised

SHARES = {"l1": 1.0, "mse": 0.5}
OPTIONS: dict[str, Any] = {"warm_up_steps": 1, "schedule": Schedule("constant")}


def network() -> ResidualUpscaler:
    torch.manual_seed(0)
    made = ResidualUpscaler(1, width=4, blocks=1)
    nn.init.normal_(made.last.weight, std=0.1)
    return made


def supervised(**balance: Any) -> Supervised:
    return Supervised(network(), L1Loss() + MSELoss(), balance=Balancing(SHARES, **balance), **OPTIONS)


def adversarial(**balance: Any) -> Adversarial:
    generator = network()  # which seeds
    critic = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.LeakyReLU(0.2), nn.Conv2d(4, 1, 3))
    shares = Balancing({"mse + l1": 1.0, "adversarial": 0.8}, **balance)
    return Adversarial(generator, critic, L1Loss() + MSELoss(), Game("hinge"), balance=shares, **OPTIONS)


class Watch(Callback):
    """Keeps the norms of each term's gradient, as it is weighted, with respect to what the balance measures."""

    def __init__(self, *terms: str) -> None:
        self.terms, self.norms = terms, list[list[float]]()
        self.weights: list[dict[str, float]] = []

    def on_train_start(self, trainer: Trainer, task: Any) -> None:
        balanced = task.balanced

        def watched(terms: dict[str, Tensor], output: Tensor, step: int) -> dict[str, Tensor]:
            weighted: dict[str, Tensor] = balanced(terms, output, step)
            wrt = task.balancing.measured(task.network, output)
            values = [sum(weighted.get(name, 0 * output.sum()) for name in term.split(" + ")) for term in self.terms]
            gradients = [torch.autograd.grad(value, wrt, retain_graph=True)[0] for value in values]
            self.norms.append([float(gradient.norm()) for gradient in gradients])
            self.weights.append({name: float(weight) for name, weight in task.gradient_balance.weights.items()})
            return weighted

        task.balanced = watched


def run(task: Supervised, photos: Path, folder: Path, steps: int, *callbacks: Callback, **options: Any) -> None:
    data = PhotoData(Noise((0.1, 0.1)), photos, validation=1, crop=8, batch_size=2)
    budget = Budget(steps, validate_every=steps, device="cpu", precision=options.pop("precision", "fp32"))
    fit(task, data, folder, budget, progress=False, callbacks=callbacks, **options)


@pytest.mark.parametrize("of", ["output", "last", "body.0.conv1.weight"])
def test_terms_have_their_shares_after_the_warm_up(of: str, small_photos: Path, tmp_path: Path) -> None:
    watch = Watch("l1", "mse")
    run(supervised(of=of), small_photos, tmp_path, 3, watch)
    assert len(watch.norms) == 2  # of three steps, the first is the warm-up
    for l1, mse in watch.norms:
        assert l1 > 0
        assert mse / l1 == pytest.approx(0.5, rel=1e-4)
    scalars = EventAccumulator(str(tmp_path)).Reload()
    assert {"Weight/l1", "Weight/mse", "Loss/l1", "Loss/mse"} <= set(scalars.Tags()["scalars"])


def test_the_critic_has_its_share_from_its_start_on(small_photos: Path, tmp_path: Path) -> None:
    watch = Watch("mse + l1", "adversarial")
    run(adversarial(of="last", start={"adversarial": 1}, ramp={"adversarial": 2}), small_photos, tmp_path, 6, watch)
    found = [adversary / pixels for pixels, adversary in watch.norms]
    assert found == pytest.approx([0, 0, 0.4, 0.8, 0.8], rel=1e-4)  # ramps begin at 0
    assert watch.weights[0] == {"mse + l1": 1, "adversarial": 0}


def test_the_weights_of_a_balanced_loss_are_logged(small_photos: Path, tmp_path: Path) -> None:
    loss = BalancedLoss({"l1": L1Loss(), "mse": MSELoss()}, SHARES)
    run(Supervised(network(), loss), small_photos, tmp_path, 1)
    assert {"Weight/l1", "Weight/mse"} <= set(EventAccumulator(str(tmp_path)).Reload().Tags()["scalars"])


@pytest.mark.parametrize("build", [supervised, adversarial])
def test_resuming_changes_nothing(build: Callable[..., Supervised], small_photos: Path, tmp_path: Path) -> None:
    late = "adversarial" if build is adversarial else "mse"
    options: dict[str, Any] = {"average": 0.9, "start": {late: 1}, "ramp": {late: 3}}
    whole, first, second = (build(**options) for _ in range(3))
    run(whole, small_photos, tmp_path / "whole", 5)
    run(first, small_photos, tmp_path / "cut", 3)
    run(second, small_photos, tmp_path / "cut", 5, resume=newest_checkpoint(tmp_path / "cut"))
    state = second.state_dict()
    assert int(state["gradient_balance.steps"]) == 4
    for name, value in whole.state_dict().items():
        assert torch.equal(value, state[name]), name


@pytest.mark.parametrize("build", [supervised, adversarial])
def test_a_share_of_no_term_is_refused_before_it_starts(
    build: Callable[..., Supervised], small_photos: Path, tmp_path: Path
) -> None:
    task = build()
    task.balancing = Balancing({"l1": 1.0, "adversariel": 1.0}, start={"adversariel": 5})
    task.gradient_balance = task.balancing.build()
    task.warm_up_steps = 0
    with pytest.raises(InputError, match=r"a term that has a share to be one of l1, mse.*got 'adversariel'"):
        run(task, small_photos, tmp_path, 1)


def test_in_bf16(small_photos: Path, tmp_path: Path) -> None:
    watch = Watch("l1", "mse")
    run(supervised(), small_photos, tmp_path, 2, watch, precision="bf16")
    (l1, mse) = watch.norms[0]
    assert mse / l1 == pytest.approx(0.5, rel=1e-2)


REFUSED: dict[str, Callable[[], object]] = {
    "balance.of to be one of output, first": lambda: supervised(of="lost"),
    "a layer that is trained, not last": lambda: Supervised(
        network(), L1Loss() + MSELoss(), balance=Balancing(SHARES, of="last"), freeze=["last"]
    ),
    "no adversarial.weight": lambda: Adversarial(
        network(), nn.Flatten(), L1Loss(), Game("hinge", weight=0.1), balance=Balancing({"l1": 1.0, "adversarial": 1.0})
    ),
    "no adversarial.ramp_steps": lambda: Adversarial(
        network(), nn.Flatten(), L1Loss(), Game("hinge", ramp_steps=9), balance=Balancing({"l1": 1, "adversarial": 1})
    ),
    "no adversarial.ramp_steps with a share of feature_matching": lambda: check_game(
        Balancing({"l1": 1.0, "feature_matching": 1.0}), Game("hinge", ramp_steps=9, feature_matching=1.0)
    ),
    "a start of feature_matching in balance that is not before": lambda: check_game(
        Balancing({"l1": 1.0, "adversarial": 1.0, "feature_matching": 1.0}, start={"adversarial": 9}), Game("hinge")
    ),
    "style transfer without a balance": lambda: StyleTransfer(
        StyleTransferNetwork(4, 1), [L1Loss()], [torch.rand(1, 3, 8, 8)], balance=Balancing(SHARES)
    ),
    "at least two parts": lambda: supervised() and recipe(shares={"l1": 1.0}),
    "average from 0": lambda: recipe(average=1.5),
    "Did you mean 'average'": lambda: recipe(averag=0.5),
    "start of balance to be names with values": lambda: recipe(start=5),
}


def recipe(**settings: Any) -> Any:
    balance = {"shares": SHARES, "start": {"mse": 500}} | settings
    return build_recipe({"network": "Upscale2x", "loss": "L1Loss", "degradation": "Downscale", "balance": balance})


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_meant_is_refused(message: str) -> None:
    with pytest.raises(InputError, match=message):
        REFUSED[message]()


def test_in_a_recipe() -> None:
    made = recipe(average=0.99, of="model.0.conv1")
    assert made.balance == Balancing(SHARES, of="model.0.conv1", average=0.99, start={"mse": 500})
    assert smoke(made).balance.start == {"mse": 1}
