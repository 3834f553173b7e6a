"""Average, clipping, schedule and freezing, on a network of one parameter whose steps are done by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor, nn

from perceptualloss.data.degrade import Downscale
from perceptualloss.data.module import PhotoData
from perceptualloss.errors import InputError
from perceptualloss.losses.pixel import MSELoss
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.course import Upscale2x
from perceptualloss.training.checkpoints import newest_checkpoint
from perceptualloss.training.run import Budget, fit
from perceptualloss.training.supervised import Supervised


class Scale(TransformationNetwork):
    """Multiplies pictures with one number."""

    def __init__(self, value: float = 0.5) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(value))

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


class Watch(Callback):
    """Keeps the parameter after each step, and the gradient that the step took."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self.gradients: list[float] = []

    def on_before_zero_grad(self, trainer: Trainer, task: Any, optimizer: Any) -> None:
        if task.network.factor.grad is not None:
            self.gradients.append(task.network.factor.grad.item())

    def on_train_batch_end(self, trainer: Trainer, task: Any, *_: Any) -> None:
        self.values.append(task.network.factor.item())


def run(task: Supervised, photos: Path, folder: Path, steps: int, **options: Any) -> Watch:
    watch = Watch() if isinstance(task.network, Scale) else None
    data = PhotoData(Downscale(task.network.scale), photos, validation=1, crop=16, batch_size=2)
    budget = Budget(steps, validate_every=steps, device="cpu", precision="fp32")
    fit(task, data, folder, budget, progress=False, callbacks=[watch] if watch else [], **options)
    return watch or Watch()


def test_the_average_by_hand_and_it_is_the_result(small_photos: Path, tmp_path: Path) -> None:
    task = Supervised(Scale(), MSELoss(), ema=0.3)
    values = run(task, small_photos, tmp_path, 4).values
    expected = values[0]
    for n, value in enumerate(values[1:], start=1):
        kept = min(0.3, (1 + n) / (10 + n))
        expected = kept * expected + (1 - kept) * value
    assert isinstance(task.result, Scale)
    assert task.result.factor.item() == pytest.approx(expected, rel=1e-6)
    assert task.result.factor.item() != task.network.factor.item()
    picture = torch.rand(1, 3, 4, 4)
    assert torch.equal(task.eval()(picture), task.result(picture))
    assert torch.equal(task.train()(picture), task.network(picture))


def test_the_average_is_validated_and_resumed_exactly(small_photos: Path, tmp_path: Path) -> None:
    def fresh() -> Supervised:
        torch.manual_seed(0)
        return Supervised(Upscale2x(), MSELoss(), ema=0.9)

    whole, first, second = fresh(), fresh(), fresh()
    run(whole, small_photos, tmp_path / "whole", 4)
    data = PhotoData(Downscale(2), small_photos, validation=1, crop=16, batch_size=2)
    budget = Budget(4, validate_every=4, checkpoint_every=3, device="cpu", precision="fp32")

    class Stop(Callback):
        def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
            if trainer.global_step == 3:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fit(first, data, tmp_path / "cut", budget, progress=False, callbacks=[Stop()])
    run(second, small_photos, tmp_path / "cut", 4, resume=newest_checkpoint(tmp_path / "cut"))
    for name, value in whole.result.state_dict().items():
        assert torch.equal(value, second.result.state_dict()[name]), name
    assert whole.history["mse"] == second.history["mse"]
    low, high = next(iter(data.val_dataloader()))
    with torch.no_grad():
        error = (whole.result.eval()(low) - high).square().mean()
    assert whole.history["mse"][-1][1] == pytest.approx(float(error), rel=1e-4)


def test_a_gradient_that_is_too_long_is_shortened(small_photos: Path, tmp_path: Path) -> None:
    free = run(Supervised(Scale(), MSELoss()), small_photos, tmp_path / "free", 2).gradients
    clipped = run(Supervised(Scale(), MSELoss(), gradient_clip=1e-4), small_photos, tmp_path / "clipped", 2).gradients
    assert abs(free[0]) > 1e-3
    assert [abs(gradient) for gradient in clipped] == pytest.approx([1e-4] * len(clipped), rel=1e-2)


def test_frozen_parts_keep_weights_and_statistics(small_photos: Path, tmp_path: Path) -> None:
    task = Supervised(Upscale2x(), MSELoss(), freeze=["model.0"])
    before = {name: value.clone() for name, value in task.network.state_dict().items()}
    run(task, small_photos, tmp_path, 3)
    same = {name for name, value in task.network.state_dict().items() if torch.equal(value, before[name])}
    assert {name for name in before if name.startswith("model.0.")} <= same
    assert not same & {"model.1.conv1.weight", "model.1.norm1.running_mean"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"freeze": ["model.9"]}, "a submodule to freeze"),
        ({"gradient_clip": -1}, "gradient_clip"),
        ({"ema": 1.0}, "ema"),
    ],
)
def test_bad_settings_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Supervised(Upscale2x(), MSELoss(), **options)


def test_nothing_left_to_train_is_refused(small_photos: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least one parameter"):
        run(Supervised(Upscale2x(), MSELoss(), freeze=["model"]), small_photos, tmp_path, 1)


def test_a_gradient_that_is_not_finite_does_no_harm(small_photos: Path, tmp_path: Path) -> None:
    class Broken(MSELoss):
        calls = 0

        def _per_image(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
            Broken.calls += 1
            factor = float("nan") if Broken.calls == 2 else 1.0
            return {name: factor * value for name, value in super()._per_image(output, target).items()}

    values = run(Supervised(Scale(), Broken()), small_photos, tmp_path, 4).values
    assert all(math.isfinite(value) for value in values)
    assert values[3] != values[0]
