"""Trainings that are not finite: counted, said, stopped, and nothing of them is written over what is good."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

from perceptualloss.data.damage import Noise
from perceptualloss.data.module import PhotoData
from perceptualloss.errors import InputError
from perceptualloss.losses.pixel import MSELoss
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.numerics import count_not_finite
from perceptualloss.studies.loss_network.folding import write_weights
from perceptualloss.training.average import moving_average
from perceptualloss.training.checkpoint_callbacks import SaveCheckpoint
from perceptualloss.training.checkpoints import checkpoint_files, newest_checkpoint, step_of
from perceptualloss.training.finite import NotFinite, WatchFinite, zero_not_finite
from perceptualloss.training.run import Budget, fit
from perceptualloss.training.style import StyleTransfer
from perceptualloss.training.supervised import Supervised


class Broken(MSELoss):
    """NaN at some steps (from 0), which it is told by the task."""

    task: list[Any]

    def __init__(self, *steps: int) -> None:
        super().__init__()
        self.steps, self.task = steps, [None]  # in a list, for it is no submodule

    def _per_image(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        bad = output.requires_grad and self.task[0].global_step in self.steps
        factor = math.nan if bad else 1.0
        return {name: factor * value for name, value in super()._per_image(output, target).items()}


ALWAYS = tuple(range(1000))


def build(*bad: int, **options: Any) -> Supervised:
    torch.manual_seed(0)
    loss: Any = Broken(*bad)
    task = Supervised(ResidualUpscaler(1, width=4, blocks=1), loss, **options)
    loss.task[0] = task
    return task


def run(
    task: L.LightningModule, photos: Path, folder: Path, steps: int, *callbacks: L.Callback, **options: Any
) -> None:
    data = PhotoData(Noise((0.1, 0.1)), photos, validation=1, crop=16, batch_size=2, validation_size=16)
    every = options.pop("every", steps)
    budget = Budget(steps, validate_every=steps, checkpoint_every=every, device="cpu", precision="fp32")
    fit(task, data, folder, budget, progress=False, callbacks=callbacks, **options)


def weights(task: Supervised) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in task.state_dict().items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, second[name]) for name, value in first.items())


@given(st.lists(st.sampled_from([0.0, -3e38, 1e-45, math.nan, math.inf, -math.inf]), max_size=9))
def test_counts_and_zeroes(values: list[float]) -> None:
    parameter = nn.Parameter(torch.zeros(len(values)))
    parameter.grad = torch.tensor(values, dtype=torch.float32)
    assert count_not_finite([parameter.grad, torch.tensor([1, 2])]) == sum(not math.isfinite(v) for v in values)
    zero_not_finite([parameter, nn.Parameter(torch.ones(1))])
    assert parameter.grad.tolist() == pytest.approx([v if math.isfinite(v) else 0 for v in values])


def test_a_loss_that_is_always_nan_stops(small_photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    task = build(*ALWAYS)
    with caplog.at_level(logging.WARNING), pytest.raises(InputError, match="20 steps in a row, up to step 20") as stop:
        run(task, small_photos, tmp_path, 100, every=1)
    assert "There is no checkpoint yet" in str(stop.value)
    assert "learning rate" in str(stop.value)
    assert "fp32" in str(stop.value)
    (said,) = [text for text in caplog.messages if "step 1:" in text]
    assert "the loss is not finite, and 90.7% of the entries" in said  # ReLU lets none of it through to the others
    assert not checkpoint_files(tmp_path)


def test_a_run_that_is_short_stops_at_its_end(small_photos: Path, tmp_path: Path) -> None:
    for steps in (1, 4):
        with pytest.raises(NotFinite, match=f"{steps} steps in a row"):
            run(build(*ALWAYS), small_photos, tmp_path / str(steps), steps)


def test_a_gradient_that_is_nan_under_a_finite_loss_stops_too(small_photos: Path, tmp_path: Path) -> None:
    class Root(MSELoss):
        def _per_image(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
            return {"root": (0 * output).square().mean(dim=(1, 2, 3)).sqrt()}

    task = Supervised(ResidualUpscaler(1, width=4, blocks=1), Root())
    with pytest.raises(NotFinite, match="20 steps in a row"):
        run(task, small_photos, tmp_path, 40)


def test_one_bad_step_is_said_and_resumed_exactly(
    small_photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Stop(L.Callback):
        def on_train_batch_start(self, trainer: L.Trainer, *_: Any) -> None:
            if trainer.global_step == 5:
                raise ZeroDivisionError

    whole, cut, resumed = build(2, ema=0.9), build(2, ema=0.9), build(2, ema=0.9)
    with caplog.at_level(logging.WARNING):
        run(whole, small_photos, tmp_path / "whole", 7)
    assert len([text for text in caplog.messages if "step 3: the loss is not finite" in text]) == 1
    assert all(value.isfinite().all() for value in weights(whole).values())
    with pytest.raises(ZeroDivisionError):
        run(cut, small_photos, tmp_path / "cut", 7, Stop(), every=3)
    # The checkpoint of the bad step 3 is written after step 4.
    assert [step_of(file) for file in checkpoint_files(tmp_path / "cut")] == [4]
    caplog.clear()
    run(resumed, small_photos, tmp_path / "cut", 7, resume=newest_checkpoint(tmp_path / "cut"))
    assert same(weights(whole), weights(resumed))
    assert not [text for text in caplog.messages if "not finite" in text]  # it was said
    counts = [scalar.value for scalar in _scalars(tmp_path / "whole", "steps not finite")]
    assert counts[-1] == 1


def _scalars(folder: Path, tag: str) -> list[Any]:
    return list(EventAccumulator(str(folder)).Reload().Scalars(tag))


def test_a_learning_rate_beyond_all_leaves_the_last_good_checkpoint(small_photos: Path, tmp_path: Path) -> None:
    run(build(), small_photos, tmp_path, 3)
    (good,) = checkpoint_files(tmp_path)
    with pytest.raises(InputError, match=r"where they are not|stay finite") as stop:
        run(build(learning_rate=1e30), small_photos, tmp_path, 60, resume=good, every=1)
    assert f"The last good checkpoint is {good}" in str(stop.value)
    assert checkpoint_files(tmp_path) == [good]


def test_weights_that_are_not_finite_are_in_no_checkpoint(small_photos: Path, tmp_path: Path) -> None:
    class Poison(L.Callback):
        def on_train_batch_end(self, trainer: L.Trainer, task: Any, *_: Any) -> None:
            if trainer.global_step == 3:
                with torch.no_grad():
                    next(task.network.parameters()).fill_(math.inf)

    warm = SaveCheckpoint(tmp_path / "warm", at=3)
    with pytest.raises(NotFinite, match="NaN or infinity in network"):
        run(build(ema=0.9), small_photos, tmp_path / "run", 8, Poison(), warm, every=1)
    assert [step_of(file) for file in checkpoint_files(tmp_path / "run")] == [2, 1]
    assert not checkpoint_files(tmp_path / "warm")


def test_adams_moments_that_overflow_stop(small_photos: Path, tmp_path: Path) -> None:
    class Steep(MSELoss):
        def _per_image(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
            return {name: 1e25 * value for name, value in super()._per_image(output, target).items()}

    task = Supervised(ResidualUpscaler(1, width=4, blocks=1), Steep())
    with pytest.raises(NotFinite, match="optimizer 0's exp_avg_sq"):
        run(task, small_photos, tmp_path, 12)


@pytest.mark.filterwarnings("ignore")  # Lightning's advice
def test_a_trainer_of_ones_own_stops_too(small_photos: Path, tmp_path: Path) -> None:
    data = PhotoData(Noise((0.1, 0.1)), small_photos, validation=1, crop=16, batch_size=2)
    options: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = L.Trainer(max_steps=50, accelerator="cpu", default_root_dir=tmp_path, **options)
    with pytest.raises(NotFinite, match="20 steps in a row"):
        trainer.fit(build(*ALWAYS), data)
    assert sum(isinstance(callback, WatchFinite) for callback in trainer.callbacks) == 1  # type: ignore[attr-defined]


def test_style_training_stops_too(small_photos: Path, tmp_path: Path) -> None:
    loss: Any = Broken(*ALWAYS)
    task = StyleTransfer(ResidualUpscaler(1, width=4, blocks=1), [loss], [torch.rand(1, 3, 16, 16)])
    loss.task[0] = task
    with pytest.raises(NotFinite, match="20 steps in a row"):
        run(task, small_photos, tmp_path, 40)


def test_any_task_is_watched(small_photos: Path, tmp_path: Path) -> None:
    class Own(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2))

        def training_step(self, batch: Any, batch_index: int) -> Tensor:
            return (self.weight * torch.tensor([1.0, math.nan])).sum()

        def validation_step(self, batch: Any, batch_index: int) -> None:
            pass

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 0.1)

    with pytest.raises(NotFinite, match="NaN or infinity in weight"):
        run(Own(), small_photos, tmp_path, 40)


def test_metrics_that_are_no_numbers_are_said(
    small_photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Measured(Supervised):
        def validation_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> None:
            self.log("MSE", torch.tensor(math.nan))

    task = Measured(ResidualUpscaler(1, width=4, blocks=1), MSELoss())
    with caplog.at_level(logging.WARNING):
        run(task, small_photos, tmp_path, 2)
    assert "step 2: not a number on the validation photos: MSE" in caplog.messages


def test_the_average_does_not_follow_nan() -> None:
    network = nn.Linear(1, 2, bias=False)
    average = moving_average(network, 0.5)
    seen = []
    for value in (1.0, math.nan, 2.0):
        with torch.no_grad():
            network.weight.fill_(1.0)[0] = value
        average.update_parameters(network)
        seen.append(average.module.weight.flatten().tolist())
    assert seen[0] == seen[1] == [1.0, 1.0]
    assert seen[2] == pytest.approx([1 + 9 / 12, 1.0])


def test_loss_network_weights_that_are_not_finite_are_not_written(tmp_path: Path) -> None:
    features = nn.Sequential(nn.Conv2d(3, 1, 1))
    nn.init.constant_(features[0].weight, 1e6)  # finite, but not in half precision
    with pytest.raises(InputError, match="finite in half precision"):
        write_weights(features, tmp_path / "weights.safetensors")
    assert not list(tmp_path.iterdir())
