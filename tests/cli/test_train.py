"""``perceptualloss train``: its folder repeats and resumes the run, and says what it needs to say once."""

from __future__ import annotations

import logging
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from perceptualloss import cli
from perceptualloss.cli.train import with_own_recipe
from perceptualloss.networks.named import load_network
from perceptualloss.training.checkpoints import checkpoint_files, step_of
from perceptualloss.training.run_folder import read_record
from perceptualloss.training.supervised import Supervised

RECIPE = """
network: {class_path: ResidualUpscaler, init_args: {scale: 1, width: 4, blocks: 1}}
loss: {PerceptualLoss: {network: compact, layers: {relu1_2: 1.0}, augment: geometric}, L1Loss: 0.5}
degradation: {class_path: InTurn, init_args: {parts: [{class_path: Noise, init_args: {sigma: [0.1, 0.2]}}]}}
schedule: {kind: steps, at: [2], factor: 0.5}
betas: [0.9, 0.99]
steps: 4
batch_size: 2
validation: 1
device: cpu
precision: fp32
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "mine.yaml"
    file.write_text(RECIPE, encoding="utf-8")
    return file


def run(*words: object) -> int:
    return cli.main([str(word) for word in words])


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_network(folder / "network.safetensors").state_dict()


def same(first: Path, second: Path) -> bool:
    other = weights(second)
    return all(torch.equal(value, other[name]) for name, value in weights(first).items())


def test_a_folders_configuration_repeats_the_run_in_any_place(
    recipe: Path, small_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(small_photos.parent)
    words = ["train", recipe, "--photos", small_photos.name, "--crop", 40, "--out", tmp_path, "--name", "first"]
    assert run(*words, "--loss.L1Loss", 0.25) == 0
    record = read_record(tmp_path / "first")
    assert record is not None
    assert record["command"].startswith(f"perceptualloss train {recipe} --photos {small_photos.name} --crop 40")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert run("train", tmp_path / "first" / "config.yaml") == 0
    assert same(tmp_path / "first", tmp_path / "elsewhere" / "runs" / "first")
    again = read_record(tmp_path / "elsewhere" / "runs" / "first")
    assert again is not None
    assert again["settings"] == {**record["settings"], "photos": str(small_photos.resolve())}


def test_resume_needs_the_folder_alone_and_takes_more_steps(
    recipe: Path,
    small_photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    words = ["train", recipe, "--photos", small_photos, "--crop", 40, "--out", tmp_path]
    assert run(*words, "--name", "whole") == 0
    step, asked = Supervised.training_step, []

    def interrupted(self: Supervised, batch: Any, index: int) -> Any:
        if self.global_step == 1 and not asked:
            asked.append(True)
            answer = signal.getsignal(signal.SIGTERM)  # the signal itself might end pytest
            assert callable(answer)
            answer(signal.SIGTERM, None)
        return step(self, batch, index)

    monkeypatch.setattr(Supervised, "training_step", interrupted)
    assert run(*words, "--name", "cut") == 130
    shown = " ".join(capsys.readouterr().err.split())
    assert f"Go on with: perceptualloss train --resume {tmp_path / 'cut'}" in shown
    assert "Traceback" not in shown
    assert [step_of(file) for file in checkpoint_files(tmp_path / "cut")] == [2]
    assert run("train", "--resume", tmp_path / "cut") == 0
    assert same(tmp_path / "whole", tmp_path / "cut")
    with caplog.at_level(logging.WARNING):
        assert run("train", "--resume", tmp_path / "cut", "--steps", 6) == 0
    assert [record.getMessage() for record in caplog.records] == ["steps was 4 before, and is 6 from here on"]
    assert step_of(checkpoint_files(tmp_path / "cut")[0]) == 6


def test_a_smoke_run_repeats_as_one(recipe: Path, small_photos: Path, tmp_path: Path) -> None:
    assert run("train", recipe, "--photos", small_photos, "--smoke", "--steps", 999, "--out", tmp_path) == 0
    folder = next(path.parent for path in tmp_path.rglob("config.yaml"))
    assert run("train", folder / "config.yaml", "--out", tmp_path / "again") == 0
    assert same(folder, next((tmp_path / "again").iterdir()))


def test_what_resume_stands_for(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").touch()
    own = ["--recipe", str(tmp_path / "config.yaml")]
    assert with_own_recipe(["--resume", str(tmp_path)]) == [*own, "--resume", str(tmp_path)]
    assert with_own_recipe([f"--resume={tmp_path}"]) == [*own, f"--resume={tmp_path}"]
    given = ["--recipe", "mine.yaml", "--resume", str(tmp_path)]
    assert with_own_recipe(given) == given


def test_bad_photos_leave_no_folder(recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert run("train", recipe, "--photos", tmp_path / "empty", "--out", tmp_path / "runs") == 1
    assert not list((tmp_path / "runs").iterdir())


@pytest.mark.parametrize(("rate", "ends"), [("1e30", 2), ("1000", 1)])  # refused as an option, and while it trains
def test_a_training_that_is_not_finite_ends_with_an_error(
    rate: str, ends: int, recipe: Path, small_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", recipe, "--photos", small_photos, "--crop", 40, "--out", tmp_path, "--name", "wild"]
    words += ["--network.blocks", 8, "--steps", 40, "--checkpoint-every", 1, "--schedule.at", "[39]"]
    code = run(*words, "--learning-rate", rate)
    said = " ".join(capsys.readouterr().err.split())
    assert code == ends, said
    assert ("expected learning_rate" if ends == 2 else "Lower the learning rate") in said
    assert not (tmp_path / "wild" / "network.safetensors").exists()


def test_a_run_starts_from_a_network_by_its_name(small_photos: Path, tmp_path: Path) -> None:
    words = ["train", "--network", "SubPixelUpscaler", "--network.scale", 2, "--network.expand", 0, "--loss", "L1Loss"]
    words += ["--degradation", "Downscale", "--photos", small_photos, "--validation", 1, "--crop", 8, "--batch-size", 1]
    words += [
        "--device",
        "cpu",
        "--steps",
        1,
        "--learning-rate",
        0,
        "--start-from",
        "subpixel2x-mse",
        "--out",
        tmp_path,
    ]
    assert run(*words) == 0
    trained, started = weights(tmp_path / "train"), load_network("subpixel2x-mse").state_dict()
    assert all(torch.equal(value, started[name]) for name, value in trained.items())
    assert "start_from: subpixel2x-mse\n" in (tmp_path / "train" / "config.yaml").read_text(encoding="utf-8")
