"""The share of the time in which steps wait for their batches, with data and steps of known length."""

from __future__ import annotations

import logging
from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from perceptualloss.data.module import PhotoData
from perceptualloss.data.shards.training import ShardData
from perceptualloss.training import data_wait
from perceptualloss.training.data_wait import ClockGaps, CudaGaps, DataWait

STEPS = 22


class Clock:
    """Time that passes only where a test lets it."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


class Slow(Dataset[Tensor]):
    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock, self.seconds = clock, seconds

    def __len__(self) -> int:
        return STEPS

    def __getitem__(self, index: int) -> Tensor:
        self.clock.now += 100.0 if index == 0 else self.seconds
        return torch.ones(1)


class Step(L.LightningModule):
    def __init__(self, clock: Clock, seconds: float) -> None:
        super().__init__()
        self.clock, self.seconds, self.layer = clock, seconds, nn.Linear(1, 1)

    def training_step(self, batch: Tensor, _: int) -> Tensor:
        self.clock.now += self.seconds
        return self.layer(batch).sum()

    def validation_step(self, batch: Tensor, _: int) -> None:
        self.clock.now += 50.0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def trained(clock: Clock, folder: Path, reading: float, step: float) -> tuple[DataWait, L.Trainer]:
    wait = DataWait()
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=1,
        val_check_interval=7,
        num_sanity_val_steps=0,
        logger=CSVLogger(folder, name="", version=""),
        callbacks=[wait],
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    trainer.fit(Step(clock, step), DataLoader(Slow(clock, reading)), DataLoader(Slow(clock, 0.0)))
    return wait, trainer


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(data_wait, "time", clock)
    return clock


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("reading", "step"), [(3.0, 1.0), (1.0, 3.0), (0.0, 1.0), (0.1, 1.9)])
def test_the_share_is_that_of_reading(
    clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture, reading: float, step: float
) -> None:
    with caplog.at_level(logging.WARNING):
        wait, trainer = trained(clock, tmp_path, reading, step)
    share = reading / (reading + step)
    assert wait.share == pytest.approx(share)
    rows = (tmp_path / "metrics.csv").read_text().splitlines()
    assert rows[0].split(",").count("waiting for data") == 1
    column = rows[0].split(",").index("waiting for data")
    assert [float(row.split(",")[column]) for row in rows[1:]] == pytest.approx([share, share])
    loud = share >= 0.1
    assert ("waiting for data" in trainer.progress_bar_metrics) == loud
    assert (f"waited {share:.0%} of the time" in caplog.text) == loud


@pytest.mark.filterwarnings("ignore")
def test_a_short_training_says_nothing(clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    wait, _ = trained(clock, tmp_path, 0.3, 0.7)
    assert wait.share == pytest.approx(0.3)
    assert "waited" not in caplog.text


def test_the_line_says_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert DataWait().in_words(0) == "the network waited 0% of the time for pictures: raise workers, now 0"
    assert "raise workers, now 3" in DataWait().in_words(3)
    for workers in (4, None):
        assert "shrunk photos" in DataWait().in_words(workers)
        assert "memory_gib" in DataWait().in_words(workers, PhotoData.faster)
    assert "memory_gib" not in ShardData.faster  # which is refused with shards


def test_gaps_on_the_clock(clock: Clock) -> None:
    gaps = ClockGaps()
    for pause in (1.0, 2.0):
        clock.now += 10
        gaps.step_ended()
        clock.now += pause
        gaps.step_begins()
    assert gaps.seconds() == 3.0


class Event:
    """A mark that a GPU has passed, or not yet."""

    def __init__(self, at: float, passed: bool = True) -> None:
        self.at, self.passed = at, passed

    def query(self) -> bool:
        return self.passed

    def elapsed_time(self, later: Event) -> float:
        return 1000 * (later.at - self.at)


def test_gaps_of_a_gpu_count_once_it_has_passed_them(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [Event(0), Event(5), Event(5), Event(8), Event(9.5, passed=False)]
    monkeypatch.setattr(data_wait, "_now_on_the_gpu", iter(events).__next__)
    gaps = CudaGaps()
    gaps.step_ended()  # at 5, and at 5 the next step begins: it was busy
    gaps.step_begins()
    gaps.step_ended()
    gaps.step_begins()
    assert gaps.seconds() == 0.0
    events[-1].passed = True
    assert gaps.seconds() == 1.5
