"""Checkpoints: that a kill, a damaged file and a stop cost nothing but time, and what they hold is exact."""

from __future__ import annotations

import logging
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from perceptualloss.data.damage import Noise
from perceptualloss.data.module import PhotoData
from perceptualloss.errors import InputError
from perceptualloss.losses.base import Loss
from perceptualloss.losses.perceptual import PerceptualLoss
from perceptualloss.losses.sliced_wasserstein import SlicedWassersteinLoss
from perceptualloss.networks.course import Critic
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.training.adversarial import Adversarial
from perceptualloss.training.checkpoint_callbacks import SaveCheckpoint
from perceptualloss.training.checkpoints import KEPT, checkpoint_files, is_whole, newest_checkpoint, step_of
from perceptualloss.training.game import Game
from perceptualloss.training.run import Budget, fit
from perceptualloss.training.style import StyleTransfer
from perceptualloss.training.supervised import Supervised


class Killed(BaseException):
    """Nothing is saved on the way out."""


class KillAt(L.Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.global_step == self.step:
            raise Killed


class UsersOwn(Loss):
    """Draws from every generator that a user may draw from."""

    def _per_image(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        noise = torch.rand_like(output) + random.random() + float(np.random.rand())
        return {"own": ((output - target) * noise).square().mean(dim=(1, 2, 3))}


def supervised() -> Supervised:
    loss = PerceptualLoss("compact", {"relu1_2": 1.0}, augment="geometric") + UsersOwn()
    return Supervised(ResidualUpscaler(1, width=4, blocks=1), loss, warm_up_steps=2, ema=0.9)


def normed() -> Supervised:
    """Its average has batch norms, whose statistics are estimated anew."""
    return Supervised(StyleTransferNetwork(4, blocks=1, norm="batch"), UsersOwn(), ema=0.9)


def adversarial() -> Adversarial:
    game = Game(penalty=10, weight=0.1, n_critic=2)
    loss = PerceptualLoss("compact", {"relu1_2": 1.0}, augment="geometric")
    return Adversarial(ResidualUpscaler(1, width=4, blocks=1), Critic(width=2), loss, game)


def style() -> StyleTransfer:
    picture = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(1))
    loss = SlicedWassersteinLoss("compact", ["relu1_2", "relu2_2"], picture, positions=100)
    return StyleTransfer(StyleTransferNetwork(4, blocks=1), [loss], [picture], stability=0.1)


def run(build: Callable[[], L.LightningModule], photos: Path, folder: Path, *callbacks: Any, **options: Any) -> Any:
    resume = options.pop("resume", None)
    torch.manual_seed(0)
    task = build()
    torch.manual_seed(int(time.time_ns() % 2**31))  # whatever the caller did
    data = PhotoData(Noise((0.1, 0.1)), photos, validation=1, crop=40, batch_size=2, validation_size=40)
    usual: dict[str, Any] = {"validate_every": 2, "checkpoint_every": 1, "device": "cpu", "precision": "fp32"}
    budget = Budget(5, **(usual | options))
    fit(task, data, folder, budget, resume=resume, progress=False, callbacks=callbacks)
    return task


@pytest.mark.parametrize("build", [supervised, normed, adversarial, style])
def test_what_draws_at_random_resumes_to_the_same_bits(
    build: Callable[[], L.LightningModule], small_photos: Path, tmp_path: Path
) -> None:
    whole = run(build, small_photos, tmp_path / "whole")
    for step in (3, 4):  # 4: after a validation
        with pytest.raises(Killed):
            run(build, small_photos, tmp_path / f"{step}", KillAt(step), checkpoint_every=step)
        newest = newest_checkpoint(tmp_path / f"{step}")
        assert newest is not None
        assert step_of(newest) == step
        cut = run(build, small_photos, tmp_path / f"{step}", resume=newest)
        state = cut.state_dict()
        assert all(torch.equal(value, state[name]) for name, value in whole.state_dict().items())
        assert cut.history == whole.history


def test_a_step_leaves_the_users_generators_alone(small_photos: Path, tmp_path: Path) -> None:
    data = PhotoData(Noise((0.1, 0.1)), small_photos, validation=1, crop=40, batch_size=2)
    task = supervised()
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[union-attr]
    fit(task, data, tmp_path, Budget(1, device="cpu", precision="fp32"), progress=False)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.random.get_state()[1].tolist() == before[2]  # type: ignore[union-attr]


def test_another_seed_draws_something_else(small_photos: Path, tmp_path: Path) -> None:
    first, second = (run(supervised, small_photos, tmp_path / str(seed), seed=seed) for seed in (0, 1))
    state = second.state_dict()
    assert not all(torch.equal(value, state[name]) for name, value in first.state_dict().items())


def test_no_validation_is_lost_and_the_curves_keep_their_steps(small_photos: Path, tmp_path: Path) -> None:
    run(supervised, small_photos, tmp_path / "whole")
    for step in (1, 2, 3, 4):
        resume = newest_checkpoint(tmp_path / "cut")
        with pytest.raises(Killed):
            run(supervised, small_photos, tmp_path / "cut", KillAt(step), resume=resume)
    run(supervised, small_photos, tmp_path / "cut", resume=newest_checkpoint(tmp_path / "cut"))
    curves = [_scalars(tmp_path / name) for name in ("whole", "cut")]
    assert curves[0]["PSNR"] == curves[1]["PSNR"]
    assert [step for step, _ in curves[0]["PSNR"]] == [1, 3]


def _scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder)).Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_the_last_ones_are_kept_and_whole(small_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "there is no such folder"))
    run(supervised, small_photos, tmp_path)
    files = checkpoint_files(tmp_path)
    assert [step_of(file) for file in files] == [5, 4, 3][:KEPT]
    assert all(is_whole(file) for file in files)
    assert sorted((tmp_path / "checkpoints").iterdir()) == sorted(files)


def test_a_flipped_bit_falls_back_to_the_one_before(
    small_photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = run(supervised, small_photos, tmp_path / "whole")
    with pytest.raises(Killed):
        run(supervised, small_photos, tmp_path / "cut", KillAt(4))
    newest = checkpoint_files(tmp_path / "cut")[0]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        before = newest_checkpoint(tmp_path / "cut")
    assert before is not None
    assert step_of(before) == 3
    assert f"{newest} is damaged" in caplog.text
    cut = run(supervised, small_photos, tmp_path / "cut", resume=before)
    state = cut.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in whole.state_dict().items())
    assert not newest.exists()  # the same step was written anew
    assert newest_checkpoint(tmp_path / "cut") == checkpoint_files(tmp_path / "cut")[0]
    for file in checkpoint_files(tmp_path / "cut"):
        file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InputError, match="damaged ones only"):
        newest_checkpoint(tmp_path / "cut")


def test_the_clock_writes_too(small_photos: Path, tmp_path: Path) -> None:
    run(supervised, small_photos, tmp_path, checkpoint_every=1000, checkpoint_minutes=1e-6)
    assert [step_of(file) for file in checkpoint_files(tmp_path)] == [5, 4, 3]


def test_a_new_run_does_not_begin_among_anothers_checkpoints(small_photos: Path, tmp_path: Path) -> None:
    run(supervised, small_photos, tmp_path)
    with pytest.raises(InputError, match="Resume that run, or choose another folder"):
        run(supervised, small_photos, tmp_path)


def test_a_checkpoint_of_one_step(small_photos: Path, tmp_path: Path) -> None:
    run(supervised, small_photos, tmp_path / "run", SaveCheckpoint(tmp_path / "one", at=2))
    assert [step_of(file) for file in checkpoint_files(tmp_path / "one")] == [2]
    saved = torch.load(checkpoint_files(tmp_path / "one")[0], weights_only=True)
    assert [step for step, _ in saved["history"]["psnr"]] == [2]  # the validation of that step is in it


class Rates(L.Callback):
    def __init__(self) -> None:
        self.seen: list[tuple[float, Any]] = []

    def on_train_batch_start(self, trainer: L.Trainer, *_: Any) -> None:
        self.seen += [(group["lr"], group["betas"]) for o in trainer.optimizers for group in o.param_groups]


def test_another_learning_rate_at_a_resume_counts(small_photos: Path, tmp_path: Path) -> None:
    def task(rate: float) -> Supervised:
        return Supervised(ResidualUpscaler(1, width=4, blocks=1), UsersOwn(), learning_rate=rate, betas=(rate, 0.9))

    whole, cut = Rates(), Rates()
    run(lambda: task(0.01), small_photos, tmp_path / "whole", whole)
    with pytest.raises(Killed):
        run(lambda: task(0.5), small_photos, tmp_path / "cut", KillAt(3))
    run(lambda: task(0.01), small_photos, tmp_path / "cut", cut, resume=newest_checkpoint(tmp_path / "cut"))
    assert cut.seen == whole.seen[3:]
