"""The average's batch norms have the statistics of its own features, and of samples that follow from the seed."""

from __future__ import annotations

import copy
import logging
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, SubsetRandomSampler, TensorDataset

from perceptualloss.data.degrade import Unchanged
from perceptualloss.data.module import PhotoData
from perceptualloss.losses.pixel import MSELoss
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.training.adversarial import Adversarial
from perceptualloss.training.average import BATCHES
from perceptualloss.training.checkpoints import newest_checkpoint
from perceptualloss.training.game import Game
from perceptualloss.training.run import Budget, fit
from perceptualloss.training.style import StyleTransfer, styles_of
from perceptualloss.training.supervised import Supervised

QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
pytestmark = [
    pytest.mark.filterwarnings("ignore::lightning.pytorch.utilities.warnings.PossibleUserWarning"),
    pytest.mark.filterwarnings("ignore:.*treespec"),
    pytest.mark.filterwarnings("ignore:.*not resumable"),
]


class Normed(TransformationNetwork):
    """Two batch norms, a dropout that would disturb them, and an output in [0, 1]."""

    def __init__(self) -> None:
        super().__init__()
        first = [nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5)]
        self.layers = nn.Sequential(*first, nn.Conv2d(4, 3, 3, padding=1), nn.BatchNorm2d(3), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.layers(x))


class ByHand(nn.Module):
    """A batch norm that keeps each batch's mean and unbiased variance."""

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.norm = norm
        self.means: list[Tensor] = []
        self.variances: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        mean, n = x.mean((0, 2, 3), keepdim=True), x.numel() // x.shape[1]
        squares = (x - mean).square().sum((0, 2, 3), keepdim=True)
        self.means.append(mean.flatten())
        self.variances.append(squares.flatten() / (n - 1))
        y = (x - mean) / (squares / n + self.norm.eps).sqrt()
        if self.norm.affine:
            y = y * self.norm.weight[:, None, None] + self.norm.bias[:, None, None]
        return y


def by_hand(network: nn.Module, calls: Iterable[tuple[Any, ...]]) -> dict[str, Tensor]:
    """Return what the statistics should be by name, from the inputs of each batch."""
    network, hands = copy.deepcopy(network).eval(), {}
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            parent, _, child = name.rpartition(".")
            hands[name] = ByHand(module)
            setattr(network.get_submodule(parent), child, hands[name])
    with torch.no_grad():
        for inputs in calls:
            network(*inputs)
    found = {f"{name}.running_mean": torch.stack(hand.means).mean(0) for name, hand in hands.items()}
    return found | {f"{name}.running_var": torch.stack(hand.variances).mean(0) for name, hand in hands.items()}


def check(average: nn.Module, expected: dict[str, Tensor], live: nn.Module | None = None) -> None:
    assert expected
    state = average.state_dict()
    for name, value in expected.items():
        torch.testing.assert_close(state[name], value, rtol=1e-4, atol=1e-6)
        if live is not None:
            assert not torch.allclose(live.state_dict()[name], value, rtol=1e-2), name


def photo_data(photos: Path) -> PhotoData:
    return PhotoData(Unchanged(), photos, validation=1, crop=32, batch_size=2, validation_size=32)


def crop_batches(crops: Any, size: int = 2) -> Iterator[tuple[Tensor]]:
    for n in range(BATCHES):
        yield (torch.stack([crops[i][0] for i in range(n * size, (n + 1) * size)]),)


def train(task: Supervised, photos: Path, folder: Path, steps: int = 3, **options: Any) -> PhotoData:
    data = photo_data(photos)
    usual: dict[str, Any] = {"validate_every": 2, "device": "cpu", "precision": "fp32"}
    resume = options.pop("resume", None)
    fit(task, data, folder, Budget(steps, **(usual | options)), resume=resume, progress=False)
    return data


def supervised() -> Supervised:
    return Supervised(Normed(), MSELoss(), ema=0.9, learning_rate=0.05)


def adversarial() -> Supervised:
    critic = nn.Conv2d(3, 1, 3, bias=False)
    return Adversarial(Normed(), critic, MSELoss(), Game(penalty=10), ema=0.9, learning_rate=0.05)


@pytest.mark.parametrize("build", [supervised, adversarial])
def test_statistics_are_those_of_the_averages_own_features(build: Any, small_photos: Path, tmp_path: Path) -> None:
    task = build()
    data = train(task, small_photos, tmp_path)
    check(task.result, by_hand(task.result, crop_batches(data.crops)), task.network)
    norm = task.result.layers[1]
    assert norm.momentum == 0.1
    assert not any(parameter.requires_grad for parameter in task.result.parameters())


def test_of_styles_every_batch_has_those_of_its_step(small_photos: Path, tmp_path: Path) -> None:
    pictures = [torch.rand(1, 3, 32, 32) for _ in range(3)]
    network = StyleTransferNetwork(4, blocks=1, styles=3, norm="batch")
    task = StyleTransfer(network, [MSELoss()] * 3, pictures, seed=4, ema=0.9, learning_rate=0.05)
    data = train(task, small_photos, tmp_path)
    styles = [torch.tensor(styles_of(4, 2 * n, 2, 3)) for n in range(BATCHES)]
    calls = [(*batch, style) for batch, style in zip(crop_batches(data.crops), styles, strict=True)]
    check(task.result, by_hand(task.result, calls), task.network)


def test_what_is_validated_and_kept_has_them(small_photos: Path, tmp_path: Path) -> None:
    task, seen = supervised(), {}

    class Look(L.Callback):
        def on_validation_batch_end(self, trainer: L.Trainer, module: Any, *_: Any) -> None:
            seen[trainer.global_step] = copy.deepcopy(module.result)

    data = photo_data(small_photos)
    budget = Budget(4, validate_every=2, checkpoint_every=3, device="cpu", precision="fp32")
    fit(task, data, tmp_path, budget, progress=False, callbacks=[Look()])
    assert sorted(seen) == [2, 4]
    for network in seen.values():
        check(network, by_hand(network, crop_batches(data.crops)))
    for file in (tmp_path / "checkpoints").iterdir():  # of step 3, after which nothing is validated, and of 4
        loaded = supervised()
        loaded.load_state_dict(torch.load(file, weights_only=True)["state_dict"])
        check(loaded.result, by_hand(loaded.result, crop_batches(data.crops)), loaded.network)


@pytest.mark.parametrize("marked", [True, False])
def test_a_finished_run_that_is_resumed_has_them(marked: bool, small_photos: Path, tmp_path: Path) -> None:
    whole = supervised()
    train(whole, small_photos, tmp_path / "run")
    newest = newest_checkpoint(tmp_path / "run")
    assert newest is not None
    checkpoint = torch.load(newest, weights_only=True)
    state = checkpoint["state_dict"]
    if not marked:  # as it was written before statistics were estimated anew
        del checkpoint["statistics"]
        for name in list(state):
            if name.startswith("network.") and "running" in name:
                state[name.replace("network.", "average.module.")] = state[name].clone()
    torch.save(checkpoint, tmp_path / "old.ckpt")
    again = supervised()
    train(again, small_photos, tmp_path / "again", resume=tmp_path / "old.ckpt")
    plain = supervised()  # writes no checkpoint at the end
    trainer = L.Trainer(**QUIET, max_steps=3, limit_val_batches=0)
    trainer.fit(plain, photo_data(small_photos), ckpt_path=tmp_path / "old.ckpt", weights_only=True)
    for name, value in whole.result.state_dict().items():
        assert torch.equal(value, again.result.state_dict()[name])
        assert torch.equal(value, plain.result.state_dict()[name])


def test_they_are_there_before_the_network_leaves_its_device() -> None:
    class Look(L.Callback):
        def on_fit_end(self, trainer: L.Trainer, module: Any) -> None:  # before the task's own
            seen.append(module.statistics.fresh)

    seen: list[Any] = []
    pictures = torch.rand(4, 3, 8, 8)
    fit_plain(supervised(), DataLoader(TensorDataset(pictures, pictures), 2), Look())
    assert seen == [True]


def test_norms_that_are_not_trained_keep_theirs(small_photos: Path, tmp_path: Path) -> None:
    task = Supervised(Normed(), MSELoss(), ema=0.9, freeze=["layers.1"])
    task.network.layers[1].running_mean.fill_(0.25)
    train(task, small_photos, tmp_path)
    frozen, trained = task.result.layers[1], task.result.layers[5]
    assert torch.equal(frozen.running_mean, torch.full((4,), 0.25))
    assert int(trained.num_batches_tracked) == BATCHES
    assert not torch.equal(trained.running_mean, task.network.layers[5].running_mean)


class Counting(Dataset[Any]):
    def __init__(self, crops: Any) -> None:
        self.crops, self.asked = crops, []  # type: ignore[var-annotated]

    def __len__(self) -> int:
        return len(self.crops)

    def __getitem__(self, index: int) -> Any:
        self.asked.append(index)
        return self.crops[index]


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_network_without_batch_norm_costs_nothing(ema: float, small_photos: Path, tmp_path: Path) -> None:
    network = ResidualUpscaler(1, width=4, blocks=1)
    task, data = Supervised(network, MSELoss(), ema=ema), photo_data(small_photos)
    data.crops = counting = Counting(data.crops)
    fit(task, data, tmp_path, Budget(3, validate_every=1, device="cpu", precision="fp32"), progress=False)
    assert counting.asked[:6] == list(range(6))
    assert max(counting.asked) < 2 * 4  # the loader itself reads one batch ahead


class Drawing(Dataset[tuple[Tensor, Tensor]]):
    """Draws its samples from the generators that everybody uses."""

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        picture = torch.full((3, 8, 8), index / 24) + torch.rand(3, 8, 8) / 2 * float(np.random.rand())
        return picture * random.random(), picture


def fit_plain(task: L.LightningModule, loader: Any, *callbacks: L.Callback, **options: Any) -> L.Trainer:
    usual: dict[str, Any] = {"max_epochs": 2, "limit_val_batches": 0}
    trainer = L.Trainer(**QUIET, callbacks=list(callbacks), **(usual | options))
    trainer.fit(task, loader)
    return trainer


@pytest.mark.parametrize("accumulated", [1, 2])
def test_a_loader_of_ones_own(accumulated: int) -> None:
    pictures = torch.rand(10, 3, 8, 8)
    pictures[6:] += 5  # not in the sampler's reach
    data = TensorDataset(pictures, pictures.clamp(0, 1))
    loader = DataLoader(data, 2, sampler=SubsetRandomSampler(range(6)))
    task = supervised()
    fit_plain(task, loader, accumulate_grad_batches=accumulated)
    check(task.result, by_hand(task.result, _as_seeded(data, 6, 2)), task.network)


def _as_seeded(data: Any, count: int, size: int) -> Iterator[tuple[Tensor]]:
    """Return the batches of a random order of the first ``count`` samples after torch.manual_seed(0)."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        order = torch.randperm(count).tolist()
    for first in range(0, count, size):
        yield (torch.stack([data[n][0] for n in order[first : first + size]]),)


def test_other_loaders() -> None:
    pictures = torch.rand(7, 2, 3, 8, 8)
    whole_batches = DataLoader(TensorDataset(pictures, pictures), batch_size=None)
    task = supervised()
    fit_plain(task, whole_batches)
    check(task.result, by_hand(task.result, [(batch,) for batch in pictures]), task.network)
    task, flat = supervised(), TensorDataset(pictures.flatten(0, 1), pictures.flatten(0, 1))
    fit_plain(task, DataLoader(Subset(flat, range(4)), batch_sampler=[[0, 1], [3, 2]]))
    check(task.result, by_hand(task.result, [(pictures[0],), (pictures[1].flip(0),)]), task.network)


def test_no_generator_is_touched_and_the_result_is_the_same_again() -> None:
    task, own = supervised(), torch.Generator().manual_seed(3)
    trainer = fit_plain(task, DataLoader(Drawing(), 3, shuffle=True, generator=own))
    first = copy.deepcopy(task.result.state_dict())
    torch.manual_seed(5)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist(), own.get_state()  # type: ignore[union-attr]
    modes = [module.training for module in task.modules()]
    task.statistics.fresh = False
    task.result.layers[1].running_mean.fill_(9)
    task.statistics.renew(trainer, task, task.outputs)
    assert all(torch.equal(value, first[name]) for name, value in task.result.state_dict().items())
    assert [module.training for module in task.modules()] == modes
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.random.get_state()[1].tolist() == before[2]  # type: ignore[union-attr]
    assert torch.equal(own.get_state(), before[3])


class Stream(IterableDataset[tuple[Tensor, Tensor]]):
    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(4):
            yield torch.rand(3, 8, 8), torch.rand(3, 8, 8)


def test_a_stream_is_said_to_leave_them_as_they_were(caplog: pytest.LogCaptureFixture) -> None:
    task = supervised()
    with caplog.at_level(logging.WARNING):
        fit_plain(task, DataLoader(Stream(), 2))
    live = task.network.state_dict()
    assert all(torch.equal(v, live[name]) for name, v in task.result.state_dict().items() if "running" in name)
    said = [record.message for record in caplog.records if "batch norm statistics" in record.message]
    assert said == [
        "the average keeps the batch norm statistics of the network in training: "
        "the training data are no DataLoader over numbered samples"
    ]


def test_what_is_not_finite_is_said_and_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    pictures = torch.rand(4, 3, 8, 8)
    pictures[3] = torch.inf
    task = supervised()
    data = TensorDataset(pictures, pictures.clamp(0, 1))
    with caplog.at_level(logging.WARNING):
        fit_plain(task, DataLoader(data, 2), limit_train_batches=1)  # the second batch is never trained on
    assert "those of the average are not finite" in caplog.text
    live = task.network.state_dict()
    assert all(torch.equal(v, live[name]) for name, v in task.result.state_dict().items() if "running" in name)


def test_a_norm_that_is_trained_from_later_on_is_found() -> None:
    class Thaw(L.Callback):
        def on_train_epoch_start(self, trainer: L.Trainer, module: Any) -> None:
            module.network.layers[1].train(trainer.current_epoch == 1)

    pictures = torch.rand(4, 3, 8, 8)
    task = supervised()
    fit_plain(task, DataLoader(TensorDataset(pictures, pictures), 2), Thaw())
    check(task.result, by_hand(task.result, [(pictures[:2],), (pictures[2:],)]), task.network)
