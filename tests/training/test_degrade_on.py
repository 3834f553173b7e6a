"""Degraded in the loader or on the device: the same batches, the same training, whoever trains."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import lightning as L
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from perceptualloss.data import inputs
from perceptualloss.data.damage import Blur, InTurn, Jpeg, Noise, OldPhoto
from perceptualloss.data.degrade import Degradation, Unchanged
from perceptualloss.data.inputs import Clean, CleanCrops, Inputs, joined
from perceptualloss.data.module import PhotoData, TrainingData
from perceptualloss.data.shards.pack import Packing, pack
from perceptualloss.data.shards.training import ShardData
from perceptualloss.errors import InputError
from perceptualloss.losses.pixel import MSELoss
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.pictures.images import write_image
from perceptualloss.training.adversarial import Adversarial
from perceptualloss.training.game import Game
from perceptualloss.training.recipe_settings import build_recipe
from perceptualloss.training.run import Budget, fit
from perceptualloss.training.style import StyleTransfer
from perceptualloss.training.supervised import Supervised

pytestmark = [
    pytest.mark.filterwarnings("ignore::lightning.pytorch.utilities.warnings.PossibleUserWarning"),
    pytest.mark.filterwarnings("ignore:.*treespec"),
    pytest.mark.filterwarnings("ignore:.*not resumable"),
    pytest.mark.filterwarnings("ignore:You have overridden"),
    pytest.mark.filterwarnings("ignore:You passed in a `val_dataloader`"),
]
QUIET: dict[str, Any] = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False, "limit_val_batches": 0}
QUIET |= {"enable_progress_bar": False, "enable_model_summary": False}


def damages() -> Degradation:
    return InTurn([Blur(), Noise(), Jpeg()], 0.7)


def photo_data(photos: Path, degrade_on: str, degradation: Degradation | None = None, **options: Any) -> PhotoData:
    usual = {"validation": 1, "crop": 16, "batch_size": 4, "seed": 5, "degrade_on": degrade_on}
    return PhotoData(degradation or damages(), photos, **{**usual, **options})


class Small(TransformationNetwork):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.body(x))


class Watch(L.LightningModule):
    """A task of one's own that keeps its batches."""

    def __init__(self) -> None:
        super().__init__()
        self.mix, self.batches = nn.Conv2d(3, 3, 1), list[tuple[Tensor, ...]]()

    def training_step(self, batch: tuple[Tensor, ...], batch_index: int) -> Tensor:
        self.batches.append(tuple(part.clone() for part in batch))
        return (self.mix(batch[0]) - batch[1]).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def batches_of(data: TrainingData, task: Watch | None = None, **options: Any) -> list[tuple[Tensor, ...]]:
    watch = task or Watch()
    L.Trainer(max_steps=3, **QUIET, **options).fit(watch, data)
    return watch.batches


def same(one: list[tuple[Tensor, ...]], other: list[tuple[Tensor, ...]]) -> bool:
    pairs = [pair for batches in zip(one, other, strict=True) for pair in zip(*batches, strict=True)]
    return all(x.dtype == y.dtype and torch.equal(x, y) for x, y in pairs)


@pytest.mark.parametrize("degradation", [Unchanged(), damages(), OldPhoto()], ids=lambda part: type(part).__name__)
def test_a_task_of_ones_own_sees_the_same_batches(degradation: Degradation, small_photos: Path) -> None:
    loader, device, auto = (
        batches_of(photo_data(small_photos, where, degradation)) for where in ("loader", "device", "auto")
    )
    assert len(loader) == 3
    assert all(len(batch) == 2 and batch[0].shape == (4, 3, 16, 16) for batch in loader)
    assert same(loader, device)
    assert same(loader, auto)


def test_and_the_samples_of_the_crops(small_photos: Path) -> None:
    data = photo_data(small_photos, "device")
    steps = [[data.crops[n] for n in range(4 * step, 4 * step + 4)] for step in range(3)]
    found = [tuple(torch.stack(part) for part in zip(*samples, strict=True)) for samples in steps]
    assert same(batches_of(data), found)


def test_masks_go_along(tmp_path: Path) -> None:
    for name in "abc":
        write_image(torch.rand(1, 3, 24, 24), tmp_path / f"{name}.png", alpha=torch.rand(1, 1, 24, 24))
    loader, device = (batches_of(photo_data(tmp_path, where, masks="alpha")) for where in ("loader", "device"))
    assert all(batch[2].shape == (4, 1, 16, 16) for batch in device)
    assert same(loader, device)


def test_workers_hand_on_clean_crops(small_photos: Path) -> None:
    data = photo_data(small_photos, "device")
    there = pickle.loads(pickle.dumps(DataLoader(CleanCrops(data.crops), 4, sampler=range(12), collate_fn=joined)))
    assert all(clean.photos.dtype == torch.uint8 and len(clean.numbers) == 4 for clean in there)
    assert same([data.crops.inputs(clean) for clean in there], batches_of(data))


def test_large_batches_are_degraded_in_parts(small_photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crops = photo_data(small_photos, "device").crops
    batch = joined([crops.clean(n) for n in range(7)])
    whole = crops.inputs(batch)
    monkeypatch.setattr(inputs, "PIXELS", 3 * 16 * 16)
    assert same([whole], [crops.inputs(batch)])


def test_ranks_have_their_part_of_the_same_batch(small_photos: Path) -> None:
    crops, made = photo_data(small_photos, "device").crops, Inputs(damages(), 5)

    def batch(numbers: range) -> Clean:
        return joined([crops.clean(n) for n in numbers])

    whole, first, second = (made(batch(numbers)) for numbers in (range(8), range(4), range(4, 8)))
    assert same([whole], [tuple(torch.cat(parts) for parts in zip(first, second, strict=True))])
    other = Inputs(damages(), 6)(batch(range(8)))
    assert torch.equal(other[1], whole[1])
    assert not torch.equal(other[0], whole[0])


TASKS: dict[str, Callable[[], Supervised]] = {
    "supervised": lambda: Supervised(Small(), MSELoss(), ema=0.9),
    "adversarial": lambda: Adversarial(Small(), nn.Conv2d(3, 1, 3), MSELoss(), Game(penalty=10)),
    "style": lambda: StyleTransfer(Small(), [MSELoss()], [torch.rand(1, 3, 16, 16)]),
}


@pytest.mark.parametrize("kind", TASKS)
def test_every_task_ends_in_the_same_weights_also_resumed(kind: str, small_photos: Path, tmp_path: Path) -> None:
    def trained(where: str, stop: int = 4, resume: Path | None = None) -> dict[str, Tensor]:
        torch.manual_seed(0)
        task, folder = TASKS[kind](), tmp_path / (where if resume is None else "resumed")
        budget = Budget(4, 4, stop, device="cpu", precision="fp32", seed=1)
        fit(task, photo_data(small_photos, where), folder, budget, resume=resume, progress=False)
        return task.state_dict()

    loader, device = trained("loader"), trained("device", stop=2)
    (half,) = (tmp_path / "device" / "checkpoints").glob("step-2-*.ckpt")
    resumed = trained("device", resume=half)
    for name, value in loader.items():
        assert torch.equal(value, device[name]), name
        assert torch.equal(value, resumed[name]), name


def test_auto_is_the_device_on_a_gpu_and_on_a_cpu_without_workers(small_photos: Path) -> None:
    def loads_clean(degrade_on: str, device: str | None, **options: Any) -> bool:
        data = photo_data(small_photos, degrade_on, **options)
        strategy = SimpleNamespace(root_device=SimpleNamespace(type=device))
        trainer = SimpleNamespace(strategy=strategy, world_size=1, global_rank=0, max_epochs=2, max_steps=-1)
        data.trainer = cast(Any, trainer) if device else None
        return data._degraded_on_device() is not None

    assert loads_clean("auto", "cuda", workers=2)
    assert loads_clean("auto", "cpu")
    assert not loads_clean("auto", "cpu", workers=2)
    assert not loads_clean("auto", None)  # a loader that nobody has a trainer for gives pairs
    assert loads_clean("device", "cpu", workers=2)
    assert not loads_clean("loader", "cuda")


class Plain(Degradation):
    def __call__(self, target: Tensor, random: np.random.Generator) -> Tensor:
        return target * float(random.random())


def test_one_that_takes_no_batch_stays_in_the_loader_which_is_said(
    small_photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        auto = batches_of(photo_data(small_photos, "auto", Plain()))
        assert "Plain" not in caplog.text
        assert same(auto, batches_of(photo_data(small_photos, "device", Plain())))
    assert "Plain takes no batch: the loader makes the inputs" in caplog.text


def test_the_hook_of_a_task_of_ones_own_comes_after(small_photos: Path) -> None:
    class Inverted(Watch):
        def on_after_batch_transfer(self, batch: tuple[Tensor, Tensor], dataloader_idx: int) -> tuple[Tensor, Tensor]:
            return 1 - batch[0], batch[1]

    for where in ("loader", "device"):
        plain, found = (batches_of(photo_data(small_photos, where), task) for task in (Watch(), Inverted()))
        assert same([(1 - low, high) for low, high in plain], found)


def test_inputs_have_the_trainers_precision(small_photos: Path) -> None:
    loader, device = (batches_of(photo_data(small_photos, at), precision="bf16-true") for at in ("loader", "device"))
    assert device[0][0].dtype == torch.bfloat16
    assert same(loader, device)


def test_a_recipe_says_where(small_photos: Path, tmp_path: Path) -> None:
    settings = {"network": "Upscale2x", "loss": "L1Loss", "degradation": "Downscale", "degrade_on": "loader"}
    assert build_recipe(settings).degrade_on == "loader"
    with pytest.raises(InputError, match="Did you mean 'device'"):
        photo_data(small_photos, "devise")
    paired = {"degradation": None, "inputs": str(tmp_path), "photos": str(tmp_path)}
    with pytest.raises(InputError, match="degrade_on together with degradation"):
        build_recipe(settings | paired)


def test_shards_have_it_too(small_photos: Path, tmp_path: Path) -> None:
    pack(small_photos, tmp_path / "packed", Packing())
    shards = [str(shard) for shard in (tmp_path / "packed").glob("*.tar")]
    options: dict[str, Any] = {"validation": 1, "crop": 16, "batch_size": 4, "folder": tmp_path / "copies"}
    loader, device = (
        batches_of(ShardData(damages(), shards, degrade_on=where, **options)) for where in ("loader", "device")
    )
    assert len(loader) == 3
    assert same(loader, device)
