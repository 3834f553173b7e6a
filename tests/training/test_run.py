"""The training loop: what it writes, how it stops, and that resuming changes nothing."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

from perceptualloss.data.degrade import Downscale
from perceptualloss.data.module import PhotoData
from perceptualloss.errors import InputError, TrainingInterrupted
from perceptualloss.losses.base import Loss
from perceptualloss.losses.feature import FeatureReconstructionLoss
from perceptualloss.losses.pixel import L1Loss, MSELoss
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.training import precision, run
from perceptualloss.training.checkpoint_callbacks import SaveCheckpoint
from perceptualloss.training.checkpoints import checkpoint_files, newest_checkpoint, step_of
from perceptualloss.training.precision import best_precision
from perceptualloss.training.run import Budget, fit
from perceptualloss.training.supervised import Supervised


class Small(TransformationNetwork):
    """An upscaler with batch norm, whose statistics belong to a run, too."""

    scale = 2

    def __init__(self) -> None:
        super().__init__()
        up = nn.Upsample(scale_factor=2)
        self.body = nn.Sequential(up, nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.body(x))


def task(loss: Loss | None = None, **options: Any) -> Supervised:
    torch.manual_seed(0)
    return Supervised(Small(), loss or MSELoss(), **options)


def data(photos: Path, seed: int = 0) -> PhotoData:
    return PhotoData(Downscale(2), photos, validation=1, crop=16, batch_size=2, seed=seed)


def budget(steps: int, **options: Any) -> Budget:
    return Budget(steps, validate_every=steps, device="cpu", precision="fp32", **options)


class After(L.Callback):
    """Do something after a step."""

    def __init__(self, step: int, action: Any) -> None:
        self.step, self.action = step, action

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.global_step == self.step:
            self.action()


def interrupt() -> None:
    """Do what Ctrl-C would do here: where a signal itself comes too late, it ends pytest instead."""
    answer = signal.getsignal(signal.SIGINT)
    assert callable(answer)
    answer(signal.SIGINT, None)


def test_writes_what_tensorboard_shows(small_photos: Path, tmp_path: Path) -> None:
    loss = FeatureReconstructionLoss("compact", {"relu1_2": 1.0, "relu2_2": 1.0}) + L1Loss()
    run = task(loss)
    fit(run, data(small_photos), tmp_path, budget(2), progress=False)
    events = EventAccumulator(str(tmp_path)).Reload()
    tags = events.Tags()
    assert {"Loss", "Loss/l1", "PSNR", "MSE", "SSIM", "embedded judge"} <= set(tags["scalars"])
    assert any(tag.startswith("input | output | target") for tag in tags["images"])
    assert [step for step, _ in run.history["psnr"]] == [2]
    saved = torch.load(checkpoint_files(tmp_path)[0], weights_only=True)
    assert saved["global_step"] == 2
    assert all(key.startswith("network.") for key in saved["state_dict"])  # no loss network in it


def test_resuming_changes_nothing(small_photos: Path, tmp_path: Path) -> None:
    whole = task(warm_up_steps=2, loss=L1Loss())
    fit(whole, data(small_photos), tmp_path / "whole", budget(4), progress=False)
    stopped = task(warm_up_steps=2, loss=L1Loss())
    ask = After(3, interrupt)
    before = signal.getsignal(signal.SIGINT)  # a shell starts what runs in the background with it ignored
    with pytest.raises(TrainingInterrupted) as stop:
        fit(stopped, data(small_photos), tmp_path / "cut", budget(4), progress=False, callbacks=[ask])
    assert stop.value.folder == tmp_path / "cut"
    assert signal.getsignal(signal.SIGINT) is before
    resumed = task(warm_up_steps=2, loss=L1Loss())
    fit(
        resumed,
        data(small_photos),
        tmp_path / "cut",
        budget(4),
        resume=newest_checkpoint(tmp_path / "cut"),
        progress=False,
    )
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name
    assert resumed.history["psnr"] == whole.history["psnr"]


def _terminated(_: int, photos: Path, folder: Path, number: int) -> None:
    def terminate() -> None:
        workers = multiprocessing.active_children()
        assert workers
        for process in workers:
            os.kill(process.pid or 0, number)
        os.kill(os.getpid(), number)

    loaded = PhotoData(Downscale(2), photos, validation=1, crop=16, batch_size=2, workers=1)
    with pytest.raises(TrainingInterrupted):
        fit(task(), loaded, folder, budget(9), progress=False, callbacks=[After(2, terminate)])
    assert [step_of(file) for file in checkpoint_files(folder)] == [2]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_whole_group_leaves_a_checkpoint(
    number: int, small_photos: Path, tmp_path: Path, in_processes: Callable[..., None]
) -> None:
    in_processes(_terminated, small_photos, tmp_path, number)


def test_another_seed_sees_other_samples(small_photos: Path) -> None:
    first, second = (data(small_photos, seed).crops[0][1] for seed in (0, 1))
    assert first.shape != second.shape or not torch.equal(first, second)


def test_warm_up_steps_use_the_pixel_loss(small_photos: Path, tmp_path: Path) -> None:
    warm, pixel = task(L1Loss(), warm_up_steps=1), task(MSELoss())
    for name, trained in (("warm", warm), ("pixel", pixel)):
        save = SaveCheckpoint(tmp_path / f"{name} at 1", at=1)
        fit(trained, data(small_photos), tmp_path / name, budget(2), progress=False, callbacks=[save])
    saved = [checkpoint_files(tmp_path / f"{name} at 1")[0] for name in ("warm", "pixel")]
    first, second = (torch.load(file, weights_only=True)["state_dict"] for file in saved)
    assert all(torch.equal(first[key], second[key]) for key in first)
    last = [run.network.state_dict() for run in (warm, pixel)]
    assert not all(torch.equal(last[0][key], last[1][key]) for key in last[0])


def test_adam_starts_afresh_after_the_warm_up(small_photos: Path, tmp_path: Path) -> None:
    run, averaged = task(L1Loss(), warm_up_steps=2), []
    look = [After(step, lambda: averaged.append(_steps_averaged(run))) for step in (1, 2, 3)]
    fit(run, data(small_photos), tmp_path, budget(3), progress=False, callbacks=look)
    assert averaged == [1, 2, 1]


def _steps_averaged(run: Supervised) -> int:
    (optimizer,) = run.trainer.optimizers
    return int(next(iter(optimizer.state.values()))["step"])


def test_the_progress_bar_counts_the_whole_run(
    small_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(TrainingInterrupted):
        fit(task(), data(small_photos), tmp_path, budget(3), callbacks=[After(2, interrupt)])
    capsys.readouterr()
    fit(task(), data(small_photos), tmp_path, budget(3), resume=newest_checkpoint(tmp_path))
    shown = capsys.readouterr().out
    assert "3/3" in shown
    assert "Loss" in shown


def test_a_disk_that_cannot_be_written_is_one_clear_line(small_photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="to write into"):
        fit(task(), data(small_photos), tmp_path / "file" / "run", budget(1), progress=False)


def test_a_full_disk_says_so(small_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(L.Trainer, "save_checkpoint", full)
    with pytest.raises(InputError, match="The disk is full"):
        fit(task(), data(small_photos), tmp_path, budget(1), progress=False)


def test_a_checkpoint_that_is_none_is_refused(small_photos: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.ckpt").write_bytes(b"nothing")
    with pytest.raises(InputError, match="a checkpoint of this run"):
        fit(task(), data(small_photos), tmp_path, budget(1), resume=tmp_path / "bad.ckpt", progress=False)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_refused(small_photos: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a device and precision"):
        fit(task(), data(small_photos), tmp_path, Budget(1, device="cuda"), progress=False)


@pytest.mark.parametrize("wrong", [Budget(0), Budget(1, validate_every=0), Budget(1, checkpoint_every=0)])
def test_an_impossible_budget_is_refused(wrong: Budget, small_photos: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="from 1"):
        fit(task(), data(small_photos), tmp_path, wrong, progress=False)


@pytest.mark.parametrize(
    ("amx", "avx512", "faster", "processes", "best"),
    [
        (False, False, True, False, "fp32"),
        (True, True, False, False, "bf16"),
        (False, True, True, False, "bf16"),
        (False, True, False, False, "fp32"),
        (False, True, True, True, "fp32"),  # several processes must agree
    ],
)
def test_precision_follows_the_hardware(
    monkeypatch: pytest.MonkeyPatch, amx: bool, avx512: bool, faster: bool, processes: bool, best: str
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512, raising=False)
    monkeypatch.setattr(precision, "_bf16_is_faster", lambda: faster)
    assert best_precision("cpu", processes) == best


def test_the_probe_takes_what_is_clearly_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    for ratio, faster in ((0.5, True), (0.95, False), (1.7, False)):
        monkeypatch.setattr(
            precision, "_seconds", lambda pictures, kernel, r=ratio: r if pictures.dtype == torch.bfloat16 else 1.0
        )
        assert precision._bf16_is_faster.__wrapped__() is faster
    monkeypatch.undo()
    assert precision._seconds(torch.rand(1, 4, 8, 8), torch.rand(4, 4, 3, 3)) > 0


def test_a_resumed_run_keeps_its_precision(small_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    class See(L.Callback):
        def on_train_start(self, trainer: L.Trainer, *_: object) -> None:
            seen.append(precision.precision_word(trainer))

    for steps, best in ((1, "bf16"), (2, "fp32")):
        monkeypatch.setattr(run, "best_precision", lambda *_, best=best: best)
        budget = Budget(steps, validate_every=steps, device="cpu")
        resume = newest_checkpoint(tmp_path)
        fit(task(), data(small_photos), tmp_path, budget, resume=resume, progress=False, callbacks=[See()])
    assert seen == ["bf16", "bf16"]
    assert precision.precision_of(tmp_path / "none.ckpt") is None
