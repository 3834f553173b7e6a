"""Every critic with every loss, penalty and term of the game: trains, logs what it says, resumes to the same bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor, nn

from perceptualloss.data.damage import Noise
from perceptualloss.data.module import PhotoData
from perceptualloss.errors import InputError
from perceptualloss.losses.adversarial import GANLoss
from perceptualloss.losses.pixel import L1Loss
from perceptualloss.networks.course import Critic
from perceptualloss.networks.critics import MultiScaleCritic, PatchCritic
from perceptualloss.networks.projected_critic import ProjectedCritic
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.networks.unet_critic import UNetCritic
from perceptualloss.training.adversarial import Adversarial
from perceptualloss.training.balance import Balancing
from perceptualloss.training.checkpoints import newest_checkpoint
from perceptualloss.training.game import Game, ranked_right
from perceptualloss.training.regularisers import check_critic
from perceptualloss.training.run import Budget, fit

SIDE = 16


def projected(**options: Any) -> ProjectedCritic:
    return ProjectedCritic(layers=("relu1_1", "relu2_1"), width=2, **options)


CRITICS: dict[str, Callable[[], nn.Module]] = {
    "course": lambda: Critic(width=2),
    "patch": lambda: PatchCritic(width=2, n_layers=1),
    "scales": lambda: MultiScaleCritic(2, width=2, n_layers=1, norm="spectral"),
    "unet": lambda: UNetCritic(width=2),
    "projected": projected,
    "projected, as it is": lambda: projected(augment=False, mixing="channels"),
}
GAMES: dict[str, Game] = {
    "hinge, lecam": Game("hinge", 0.1, lecam=0.1, r1=1.0, penalty_every=2),
    "non-saturating, r1, r2": Game("non_saturating", 0.1, r1=1.0, r2=1.0, n_critic=2),
    "least squares": Game("least_squares", 0.1, start=1, ramp_steps=1),
    "relativistic average": Game("relativistic_average", 0.1),
    "relativistic, paired": Game("relativistic_paired", 0.1, r1=1.0, r2=1.0),
    "wasserstein": Game("wasserstein", 0.1, penalty=10, penalty_every=2, n_critic=2),
    "clipped": Game("wasserstein", 0.1, clip=0.05),
}
MATCHED = ("course", "patch", "scales", "unet", "projected, as it is")
PAIRS = [(critic, game) for n, critic in enumerate(CRITICS) for m, game in enumerate(GAMES) if (n + m) % 3 == 0]


def task_of(critic: str, game: Game) -> Adversarial:
    torch.manual_seed(0)
    network = ResidualUpscaler(1, width=2, blocks=1)
    return Adversarial(network, CRITICS[critic](), L1Loss(), game, ema=0.9, learning_rate=1e-3)


def run(task: Adversarial, photos: Path, folder: Path, steps: int, *callbacks: Callback, **options: Any) -> None:
    settings: dict[str, Any] = {"validate_every": 100, "device": "cpu", "precision": "fp32"} | options
    resume = settings.pop("resume", None)
    data = PhotoData(Noise((0.1, 0.1)), photos, validation=1, crop=SIDE, batch_size=2)
    fit(task, data, folder, Budget(steps, **settings), progress=False, callbacks=callbacks, resume=resume)


class Watch(Callback):
    """Keeps what is logged at each step."""

    def __init__(self) -> None:
        self.logged: list[dict[str, float]] = []

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        self.logged.append({name: float(value) for name, value in trainer.callback_metrics.items()})


@pytest.mark.parametrize(("critic", "game"), PAIRS)
def test_all_go_together(critic: str, game: str, small_photos: Path, tmp_path: Path) -> None:
    task = task_of(critic, GAMES[game])
    before = {name: value.clone() for name, value in task.state_dict().items()}
    run(task, small_photos, tmp_path, 2, precision="bf16" if critic == "patch" else "fp32")
    after = task.state_dict()
    assert all(value.isfinite().all() for value in after.values() if value.is_floating_point())
    for part in ("network.", "critic.", "average."):  # all learn, and what is fixed stays
        moved = [name for name, value in after.items() if not torch.equal(value, before[name])]
        assert any(name.startswith(part) for name in moved)
        assert not [name for name in moved if ".mix" in name or ".rise" in name]
    assert task.critic.training
    assert all(p.requires_grad for p in task.critic.parameters())
    assert ("regularisers.lecam.real" in after) == (GAMES[game].lecam is not None)


@pytest.mark.parametrize("critic", MATCHED)
def test_feature_matching_takes_one_pass_for_scores_and_features(
    critic: str, small_photos: Path, tmp_path: Path
) -> None:
    task, watch = task_of(critic, Game("relativistic_average", 0.1, feature_matching=2.0)), Watch()
    calls: list[bool] = []
    task.critic.register_forward_hook(
        lambda module, args, options, out: calls.append("features" in options), with_kwargs=True
    )
    run(task, small_photos, tmp_path, 1, watch)
    assert calls == [False, False, True, True]  # the critic's update, then the generator's: real and generated
    assert watch.logged[0]["Loss/feature_matching"] > 0
    assert {"Loss/adversarial", "Loss/l1", "critic/gap", "critic/ranked right"} <= watch.logged[0].keys()


def test_feature_matching_alone_moves_the_generator_by_its_gradient(small_photos: Path, tmp_path: Path) -> None:
    ends = []
    for weights in ({}, {"feature_matching": 5.0}):
        task = task_of("patch", Game("hinge", weight=0.0, learning_rate=0.0, **weights))
        run(task, small_photos, tmp_path / str(len(weights)), 1)
        ends.append(torch.cat([p.flatten() for p in task.network.parameters()]))
    assert not torch.equal(*ends)


def test_before_the_start_the_critic_rests(small_photos: Path, tmp_path: Path) -> None:
    task, watch = task_of("patch", Game("hinge", 0.5, start=2, feature_matching=1.0, lecam=0.1)), Watch()
    first = {name: value.clone() for name, value in task.critic.state_dict().items()}
    kept: list[bool] = []

    class Look(Callback):
        def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
            kept.append(all(torch.equal(value, first[name]) for name, value in task.critic.state_dict().items()))

    run(task, small_photos, tmp_path, 4, watch, Look())
    assert kept == [True, True, False, False]
    assert task.global_step == 4
    assert ["Loss/adversarial" in logged for logged in watch.logged] == kept[::-1]
    assert int(task.standing.steps) == 2


def test_penalties_come_at_every_kth_update_and_weigh_k_times(small_photos: Path, tmp_path: Path) -> None:
    found = {}
    for every in (1, 3):
        watch = Watch()
        task = task_of("patch", Game("hinge", r1=2.0, lecam=0.1, penalty_every=every, learning_rate=0.0))
        run(task, small_photos, tmp_path / str(every), 4, watch)
        found[every] = [logged["critic/r1"] for logged in watch.logged]
    assert found[3][0] == pytest.approx(3 * found[1][0])
    assert found[3][1] == found[3][0]  # not computed again
    assert found[3][3] == pytest.approx(3 * found[1][3])


RESUMED = {
    "lecam and spectral norm": ("scales", Game("hinge", 0.1, lecam=0.1, r1=1.0, penalty_every=3, feature_matching=1.0)),
    "projections and augmentation": ("projected", Game("relativistic_paired", 0.1, penalty=1.0, start=1, n_critic=2)),
}


@pytest.mark.parametrize("name", RESUMED)
def test_resuming_changes_nothing(name: str, small_photos: Path, tmp_path: Path) -> None:
    class Stop(Callback):
        def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
            if trainer.global_step == 2:
                raise ZeroDivisionError

    whole, first = task_of(*RESUMED[name]), task_of(*RESUMED[name])
    run(whole, small_photos, tmp_path / "whole", 4)
    with pytest.raises(ZeroDivisionError):
        run(first, small_photos, tmp_path / "cut", 4, Stop(), checkpoint_every=2)
    torch.manual_seed(9)  # other first weights and projections
    second = Adversarial(ResidualUpscaler(1, 2, 1), CRITICS[RESUMED[name][0]](), L1Loss(), RESUMED[name][1], ema=0.9)
    second.learning_rate = 1e-3
    run(second, small_photos, tmp_path / "cut", 4, resume=newest_checkpoint(tmp_path / "cut"))
    state = second.state_dict()
    assert whole.state_dict().keys() == state.keys()
    for key, value in whole.state_dict().items():
        assert torch.equal(value, state[key]), key


def test_several_maps_count_with_the_mean_of_their_means() -> None:
    real = [torch.tensor([[1.0], [0.0]]), torch.zeros(2, 1, 4, 4)]
    fake = [torch.tensor([[0.0], [3.0]]), torch.full((2, 1, 2, 2), 1.5)]  # of the first pair 0.5 is below 0.75
    assert float(ranked_right(real, fake)) == 0
    assert float(ranked_right(fake, real)) == 1
    assert float(ranked_right(real[0], fake[0])) == 0.5


class OfOnesOwn(nn.Module):
    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 2, 3), *layers)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.layers(images)
        return scores


@pytest.mark.parametrize(
    ("critic", "game", "message"),
    [
        (OfOnesOwn(), Game("hinge", feature_matching=1), "a critic that gives its features"),
        (projected(), Game("hinge", feature_matching=1), "sees pictures as they are, for feature_matching"),
        (OfOnesOwn(nn.BatchNorm2d(2)), Game("hinge", r1=1, r2=1), "scores every picture by itself, for r1 and r2"),
        (PatchCritic(2, 1, "batch"), Game(penalty=10), "by itself, for penalty, got batch norm"),
        (OfOnesOwn(), Game("hinge", r1=0), "r1 to be a positive number"),
        (OfOnesOwn(), Game("hinge", lecam=-1), "lecam to be a positive number"),
        (OfOnesOwn(), Game("hinge", penalty_every=2), "no penalty_every without penalty, r1 and r2"),
        (OfOnesOwn(), Game("hinge", r1=1, penalty_every=0), "penalty_every from 1"),
        (OfOnesOwn(), Game("hinge", start=-1), "ramp_steps and start from 0"),
        (OfOnesOwn(), Game("wasserstein"), "bounded slope"),
    ],
)
def test_rules_that_do_not_work_are_refused(critic: nn.Module, game: Game, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Adversarial(ResidualUpscaler(1, 2, 1), critic, L1Loss(), game)


def test_the_relativistic_kinds_ask_for_real_scores() -> None:
    assert {kind for kind in ("hinge", "relativistic_average", "relativistic_paired") if GANLoss(kind).needs_real} == {  # type: ignore[arg-type]
        "relativistic_average",
        "relativistic_paired",
    }


def test_a_share_of_a_game_that_starts_late_starts_no_earlier(small_photos: Path, tmp_path: Path) -> None:
    game = Game("hinge", start=1, feature_matching=1.0)
    shares = {"l1": 1.0, "adversarial": 0.5, "feature_matching": 0.5}
    network = ResidualUpscaler(1, 2, 1)
    with pytest.raises(InputError, match="not before the game's, got 0 and 1"):
        Adversarial(network, PatchCritic(2, 1), L1Loss(), game, balance=Balancing(shares))
    balance = Balancing(shares, start={"adversarial": 1, "feature_matching": 1})
    task, watch = Adversarial(network, PatchCritic(2, 1), L1Loss(), game, balance=balance), Watch()
    run(task, small_photos, tmp_path, 2, watch)
    assert watch.logged[0]["Weight/adversarial"] == 0
    assert watch.logged[1]["Weight/adversarial"] > 0
    assert watch.logged[1]["Weight/feature_matching"] > 0


def test_a_compiled_critic_is_not_refused() -> None:
    critic: Any = torch.compile(PatchCritic(2, 1, "none"), backend="eager")
    check_critic(critic, Game("hinge", feature_matching=1.0))
