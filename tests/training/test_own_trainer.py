"""All tasks in a Trainer of one's own, by epochs and by steps: learning rates, samples, and whether weights move."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from perceptualloss.data.classes import ClassPictures, CropBatches
from perceptualloss.data.degrade import Unchanged
from perceptualloss.data.module import PhotoData
from perceptualloss.data.strengths import OrderedBatches
from perceptualloss.errors import InputError
from perceptualloss.features.base import LossNetwork
from perceptualloss.losses.pixel import MSELoss
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.studies.loss_network.classification import Classifier, CropData
from perceptualloss.studies.loss_network.distillation import Distillation
from perceptualloss.studies.loss_network.ordering import OrderedData, Ordering
from perceptualloss.training.adversarial import Adversarial
from perceptualloss.training.game import Game
from perceptualloss.training.schedule import Schedule
from perceptualloss.training.style import StyleTransfer
from perceptualloss.training.supervised import Supervised


class Tiny(TransformationNetwork):
    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.mix(x).sigmoid())  # in [0, 1]


class Watch(L.Callback):
    """Keeps what each step trained on, and the learning rates that it had."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.batches: list[Tensor] = []

    def on_train_batch_start(self, trainer: L.Trainer, task: Any, batch: Any, index: int) -> None:
        self.batches.append(batch.crops if hasattr(batch, "crops") else batch[0])
        if task.automatic_optimization:
            self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_batch_end(self, trainer: L.Trainer, task: Any, *_: Any) -> None:
        if not task.automatic_optimization:
            self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])


def trained(
    task: L.LightningModule, data: Any, resume: Any = None, more: Any = (), **options: Any
) -> tuple[Watch, L.Trainer]:
    watch = Watch()
    usual = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = L.Trainer(**usual, enable_model_summary=False, callbacks=[watch, *more], limit_val_batches=0, **options)
    before = {name: value.clone() for name, value in task.named_parameters() if value.requires_grad}
    trainer.fit(task, data, ckpt_path=resume, weights_only=True)
    assert all(not torch.equal(value, before[name]) for name, value in task.named_parameters() if name in before)
    return watch, trainer


def photo_data(photos: Path, **options: Any) -> PhotoData:
    return PhotoData(Unchanged(), photos, validation=1, crop=16, batch_size=2, **options)


def style() -> StyleTransfer:
    return StyleTransfer(Tiny(), [MSELoss()], [torch.rand(1, 3, 16, 16)])


TASKS = {
    "supervised": lambda: Supervised(Tiny(), MSELoss()),
    "adversarial": lambda: Adversarial(Tiny(), nn.Conv2d(3, 1, 3, bias=False), MSELoss(), Game(penalty=10)),
    "style": style,
}
BY_STEPS, BY_EPOCHS = {"max_steps": 6}, {"max_epochs": 2}


def _resumed(_: int, photos: Path, folder: Path, workers: int) -> None:
    def data() -> PhotoData:
        return photo_data(photos, epoch_samples=6, workers=workers)

    class Save(L.Callback):  # in the middle of the second epoch
        def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
            if trainer.global_step == 4:
                trainer.save_checkpoint(folder / "half.ckpt")

    watch, _ = trained(Supervised(Tiny(), MSELoss()), data(), more=[Save()], max_epochs=2)
    rest, _ = trained(Supervised(Tiny(), MSELoss()), data(), folder / "half.ckpt", max_epochs=2)
    assert torch.equal(torch.cat(rest.batches), torch.cat(watch.batches[4:]))
    assert rest.rates == pytest.approx(watch.rates[4:])


@pytest.mark.filterwarnings("ignore::lightning.pytorch.utilities.warnings.PossibleUserWarning")
@pytest.mark.filterwarnings("ignore:.*treespec")
@pytest.mark.filterwarnings("ignore:.*not resumable")
@pytest.mark.filterwarnings("ignore:The number of training batches")
class TestPlainTrainer:
    @pytest.mark.parametrize("kind", TASKS)
    @pytest.mark.parametrize("told", [BY_STEPS, BY_EPOCHS], ids=["steps", "epochs"])
    def test_rates_and_samples(self, kind: str, told: dict[str, int], small_photos: Path) -> None:
        data = photo_data(small_photos, epoch_samples=6 if told is BY_EPOCHS else None)
        watch, _ = trained(TASKS[kind](), data, **told)
        by_hand = [1e-3 * (n + 1) / 20 * (1 + math.cos(math.pi * n / 6)) / 2 for n in range(6)]
        assert watch.rates == pytest.approx(by_hand)
        wanted = torch.stack([data.crops[n][0] for n in range(12)])  # epoch 2 goes on where epoch 1 ended
        assert torch.equal(torch.cat(watch.batches), wanted)

    @pytest.mark.parametrize("kind", TASKS)
    def test_a_loader_of_ones_own(self, kind: str) -> None:
        pictures = torch.rand(6, 3, 16, 16)
        watch, _ = trained(TASKS[kind](), DataLoader(TensorDataset(pictures, pictures.flip(0)), 2), max_epochs=2)
        assert watch.rates == pytest.approx(
            [1e-3 * (n + 1) / 20 * (1 + math.cos(math.pi * n / 6)) / 2 for n in range(6)]
        )

    def test_an_epoch_is_one_crop_for_each_photo_and_at_least_a_batch(self, small_photos: Path) -> None:
        assert len(trained(TASKS["supervised"](), photo_data(small_photos), max_epochs=1)[0].batches) == 2
        with pytest.raises(InputError, match="epoch_samples from 1"):
            photo_data(small_photos, epoch_samples=0)

    def test_a_resumed_run_by_epochs_goes_on_with_new_samples(self, small_photos: Path, tmp_path: Path) -> None:
        _resumed(0, small_photos, tmp_path, workers=0)

    def test_so_it_does_where_workers_load_them(
        self, small_photos: Path, tmp_path: Path, in_processes: Callable[..., None]
    ) -> None:
        in_processes(_resumed, small_photos, tmp_path, 1)

    def test_accumulated_batches_are_all_new(self, small_photos: Path) -> None:
        data = photo_data(small_photos, epoch_samples=8)
        watch, _ = trained(TASKS["supervised"](), data, max_epochs=2, accumulate_grad_batches=2)
        assert torch.equal(torch.cat(watch.batches), torch.stack([data.crops[n][0] for n in range(16)]))

    def test_by_time_alone_the_rate_stays(self, small_photos: Path) -> None:
        class Stop(L.Callback):
            def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
                trainer.should_stop = trainer.global_step == 25

        task = TASKS["supervised"]()
        trainer = L.Trainer(max_time={"hours": 1}, callbacks=[Stop(), watch := Watch()], accelerator="cpu", **QUIET)
        trainer.fit(task, photo_data(small_photos))
        assert watch.rates[19:] == [1e-3] * 6
        endless = L.Trainer(max_time={"hours": 1}, accelerator="cpu", **QUIET)
        with pytest.raises(InputError, match="max_steps"):
            endless.fit(*classifier())

    @pytest.mark.parametrize("told", [BY_STEPS, BY_EPOCHS], ids=["steps", "epochs"])
    def test_classifier(self, told: dict[str, int]) -> None:
        task, data = classifier()
        watch, _ = trained(task, data, **told)
        assert torch.equal(torch.cat(watch.batches), torch.cat([data.batches[n][0] for n in range(6)]))
        assert len(set(watch.rates)) == 6
        assert 2.5e-3 < max(watch.rates) <= 3e-3  # the peak is between two of six steps
        assert set(task.figures) == {"top1", "loss"}

    @pytest.mark.parametrize("told", [BY_STEPS, {"max_epochs": 6}], ids=["steps", "epochs"])
    def test_ordering(self, told: dict[str, int]) -> None:
        batches = OrderedBatches([torch.randint(256, (3, 40, 40), dtype=torch.uint8)] * 4, 6, 32)
        features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        task = Ordering(features, ["relu1_1"], 1e-3)
        watch, _ = trained(task, OrderedData(batches), **told)
        assert watch.rates == pytest.approx(
            [1e-3 * (n + 1) / 20 * (1 + math.cos(math.pi * n / 6)) / 2 for n in range(6)]
        )
        assert torch.equal(torch.cat(watch.batches), torch.cat([batches[n].crops for n in range(6)]))
        assert set(task.figures) == {"loss", "ordered"}

    @pytest.mark.parametrize("told", [BY_STEPS, BY_EPOCHS], ids=["steps", "epochs"])
    def test_distillation(self, told: dict[str, int], small_photos: Path) -> None:
        student, teacher = (nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()) for _ in range(2))
        task = Distillation(student, LossNetwork(teacher, ["relu1_1"]))
        watch, _ = trained(task, photo_data(small_photos, epoch_samples=6 if told is BY_EPOCHS else None), **told)
        assert watch.rates == pytest.approx(
            [5e-4 * (n + 1) / 20 * (1 + math.cos(math.pi * n / 6)) / 2 for n in range(6)]
        )


QUIET: dict[str, Any] = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "limit_val_batches": 0,
}


def classifier() -> tuple[Classifier, CropData]:
    pictures = ClassPictures(torch.randint(256, (6, 3, 24, 24), dtype=torch.uint8), torch.arange(6) % 2, 2)
    task = Classifier(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()), 2, pictures)
    return task, CropData(CropBatches(pictures, 2, 16))


def test_an_infinite_run_keeps_the_cosine_at_its_start() -> None:
    assert Schedule().at_step(10**6, math.inf) == 1
