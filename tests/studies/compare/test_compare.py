import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from perceptualloss.errors import InputError, TrainingInterrupted
from perceptualloss.losses.base import Loss
from perceptualloss.losses.feature import VGG16PerceptualLoss
from perceptualloss.losses.registry import build_loss
from perceptualloss.metrics.registry import list_metrics
from perceptualloss.networks.named import load_network
from perceptualloss.studies.compare.compare import compare, verdict
from perceptualloss.studies.compare.results import Comparison, Run
from perceptualloss.studies.compare.settings import Settings, read_settings
from perceptualloss.training.supervised import Supervised


def settings(photos: Path, **options: Any) -> Settings:
    small = {"steps": 3, "warm_up_steps": 2, "crop": 16, "batch_size": 2, "validation": 1, "device": "cpu"}
    return Settings(photos=photos, **(small | options))


@pytest.fixture(scope="module")
def done(small_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Comparison]:
    folder = tmp_path_factory.mktemp("compare")
    return folder, compare(settings(small_photos), folder)


def test_writes_everything_that_was_promised(done: tuple[Path, Comparison]) -> None:
    folder, comparison = done
    assert [run.name for run in comparison.runs] == ["bilinear", "mse", "perceptual"]
    numbers = json.loads((folder / "metrics.json").read_text())
    assert numbers["runs"][1]["scores"]["psnr"] > 0
    assert (folder / "report.html").stat().st_size > 10_000
    assert {file.stem for file in (folder / "curves").iterdir()} >= {"psnr", "ssim", "perceptual_distance"}
    assert len(list((folder / "panels").iterdir())) == 1
    for name in ("mse", "perceptual"):
        assert load_network(folder / "networks" / f"{name}.safetensors").scale == 2


def test_the_scores_are_those_of_the_saved_networks(done: tuple[Path, Comparison]) -> None:
    folder, comparison = done
    first, second = (load_network(folder / "networks" / f"{n}.safetensors") for n in ("mse", "perceptual"))
    x = torch.rand(1, 3, 8, 8)
    assert not torch.equal(first(x), second(x))  # the last step was trained with another loss
    assert comparison.runs[1].scores["psnr"] != comparison.runs[2].scores["psnr"]


def test_the_curves_share_the_whole_warm_up(done: tuple[Path, Comparison]) -> None:
    _, first, second = done[1].runs
    assert [step for step, _ in first.history["psnr"]] == [step for step, _ in second.history["psnr"]] == [1, 2, 3]
    assert first.history["psnr"][:2] == second.history["psnr"][:2]
    assert first.history["psnr"][2] != second.history["psnr"][2]


def test_beside_the_courses_loss_no_step_is_trained_with_another(
    small_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []
    terms = Loss.terms

    def watched(self: Loss, *arguments: Any, **options: Any) -> dict[str, torch.Tensor]:
        trained.append(type(self).__name__)
        return terms(self, *arguments, **options)

    def small(name: str, _: str | None) -> Loss:  # whose weights need no download
        return VGG16PerceptualLoss((32, 32), None) if name == "course" else build_loss(name)

    monkeypatch.setattr(Loss, "terms", watched)
    monkeypatch.setattr("perceptualloss.studies.compare.compare.build_loss", small)
    said: list[str] = []
    given = settings(small_photos, losses=("mse", "course"), warm_up_steps=None)
    compare(given, tmp_path, say=said.append)
    assert trained == ["MSELoss"] * 3 + ["VGG16PerceptualLoss"] * 3
    assert not (tmp_path / "warm-up").exists()
    assert any("No warm-up with MSE" in line for line in said)
    assert "own loss from the first step" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert read_settings(tmp_path) == given


@pytest.mark.parametrize(
    ("losses", "asked", "shared"),
    [
        (("mse", "perceptual"), None, 1000),
        (("mse", "course"), None, 0),
        (("mse", "VGG16PerceptualLoss"), None, 0),
        (("mse", "perceptual", "course"), None, 0),
        (("mse", "course"), 500, 500),  # who asks for it gets it
        (("mse", "perceptual"), 0, 0),
    ],
)
def test_how_many_steps_are_shared(losses: tuple[str, ...], asked: int | None, shared: int) -> None:
    assert Settings(losses=losses, warm_up_steps=asked).shared_steps == shared


def test_missing_lpips_is_explained(done: tuple[Path, Comparison]) -> None:
    _, comparison = done
    if comparison.missing:
        assert "vgg16" in comparison.missing["lpips-vgg"]
    else:
        assert "lpips-vgg" in comparison.runs[1].scores


def test_yardsticks_from_outside_are_measured_at_the_end_alone(done: tuple[Path, Comparison]) -> None:
    folder, comparison = done
    keys = [metric.key for metric in comparison.metrics]
    assert [key for key in keys if key in list_metrics("yardsticks")] == list(list_metrics("yardsticks"))
    assert keys[-2:] == ["perceptual_distance", "seconds"]  # the package's own comes after those of others
    for run in comparison.runs:
        assert set(list_metrics("yardsticks")) <= set(run.scores)
        assert not set(list_metrics("yardsticks")) & set(run.history)
    assert not {f"{name}.png" for name in list_metrics("yardsticks")} & {
        file.name for file in (folder / "curves").iterdir()
    }
    assert "ST-LPIPS VGG" in comparison.verdict[0]


def test_an_interrupted_comparison_ends_the_same(
    done: tuple[Path, Comparison], small_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Supervised.training_step
    asked = []

    def interrupted(self: Supervised, batch: Any, index: int) -> Any:
        if self.global_step == 2 and not asked and not isinstance(self.loss, type(self.pixel_loss)):
            asked.append(True)
            answer = signal.getsignal(signal.SIGINT)  # the signal itself might end pytest
            assert callable(answer)
            answer(signal.SIGINT, None)
        return step(self, batch, index)

    monkeypatch.setattr(Supervised, "training_step", interrupted)
    with pytest.raises(TrainingInterrupted):
        compare(settings(small_photos), tmp_path)
    again = compare(read_settings(tmp_path), tmp_path)
    for run, expected in zip(again.runs, done[1].runs, strict=True):
        assert run.scores["psnr"] == expected.scores["psnr"]


def test_the_same_seed_gives_the_same_numbers_and_command(small_photos: Path) -> None:
    command = settings(small_photos, losses=("mse", "l1")).command()
    assert command.startswith("perceptualloss compare --photos ")
    assert "--losses mse l1" in command
    assert Settings().command() == "perceptualloss compare"


def test_the_verdict_says_what_happened_either_way() -> None:
    def run(name: str, psnr: float, distance: float) -> Run:
        return Run(name, name, "", 1, 1.0, {"psnr": psnr, "perceptual_distance": distance})

    (better,) = verdict([run("MSE", 30, 0.4), run("perceptual", 29.5, 0.3)])
    assert "25% lower (better)" in better
    assert "0.50 dB lower (worse)" in better
    (worse,) = verdict([run("MSE", 30, 0.4), run("odd", 30.5, 0.6)])
    assert "50% higher (worse)" in worse
    assert "0.50 dB higher (better)" in worse


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"losses": ("mse", "perceptial")}, "Did you mean 'perceptual'"),
        ({"losses": ("mse", "mse")}, "different losses"),
        ({"losses": ()}, "different losses"),
        ({"warm_up_steps": 3}, "Lower --warm-up"),
        ({"scale": 3}, "2 or 4"),
        ({"loss_network": "vgg11"}, "network to be one of"),
        ({"crop": 1000}, "crop"),
    ],
)
def test_bad_settings_are_refused_before_training(
    options: dict[str, Any], message: str, small_photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        compare(settings(small_photos, **options), tmp_path)


def test_a_folder_without_settings_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="interrupted comparison"):
        read_settings(tmp_path)
