"""Training of loss networks: folding, scaling, reproducible and resumable runs, and that something is learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from perceptualloss.errors import InputError
from perceptualloss.features.architectures import judge_features
from perceptualloss.features.modules import BlurPool2d
from perceptualloss.features.network import loss_network
from perceptualloss.pictures.images import write_image
from perceptualloss.studies.loss_network.classification import Classifier
from perceptualloss.studies.loss_network.folding import scale_activations, with_batch_norm, without_batch_norm
from perceptualloss.studies.loss_network.train import train_loss_network


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stripes that lie and stripes that stand, in random colours: nothing but their direction tells."""
    folder = tmp_path_factory.mktemp("classes")
    generator = torch.Generator().manual_seed(0)
    for name in ("lying", "standing"):
        (folder / name).mkdir()
        for i in range(40):
            low, high = torch.rand(2, 3, 1, 1, generator=generator)
            wave = (torch.arange(64) // (2 + i % 4) % 2).float().expand(64, 64)
            wave = wave.T if name == "lying" else wave
            write_image(low + (high - low) * wave, folder / name / f"{i:02}.png")
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for i in range(5):
        write_image(torch.rand(3, 40, 50, generator=torch.Generator().manual_seed(i)), folder / f"{i}.png")
    return folder


def small() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, padding_mode="replicate"),
        nn.ReLU(),
        BlurPool2d(),
        nn.Conv2d(8, 12, 3, padding=1, padding_mode="replicate"),
        nn.ReLU(),
    )


def test_folding_keeps_the_outputs() -> None:
    trained = with_batch_norm(small())
    for _ in range(3):
        trained(torch.randn(8, 3, 12, 12) * 2 + 1)
    for module in trained:
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias)
    folded = without_batch_norm(trained)
    images = torch.randn(2, 3, 12, 12)
    assert trained.training
    assert torch.allclose(folded(images), trained.eval()(images), atol=1e-5)
    assert [type(m) for m in folded] == [type(m) for m in small()]
    assert folded.state_dict().keys() == small().state_dict().keys()


def test_scaling_brings_means_to_one_and_changes_nothing_else() -> None:
    features, images = small(), torch.randn(4, 3, 16, 16)
    before = features(images)
    scale_activations(features, images)
    after = features(images)
    assert features[:2](images).mean().item() == pytest.approx(1, abs=1e-4)
    assert after.mean().item() == pytest.approx(1, abs=1e-4)
    assert torch.allclose(after, before / before.mean(), atol=1e-4)


def test_scaling_refuses_a_dead_network() -> None:
    features = small()
    nn.init.constant_(features[0].bias, -1e6)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="react to photos"):
        scale_activations(features, torch.zeros(1, 3, 8, 8))


def test_learns_classes(classes: Path, tmp_path: Path) -> None:
    figures = train_loss_network(
        "judge",
        tmp_path / "judge.safetensors",
        classes=classes,
        steps=60,
        batch_size=16,
        crop=32,
        folder=tmp_path,
        precision="fp32",
    )
    assert figures["top1"] == 1.0
    network = loss_network("judge", ["relu1_1", "relu3_2"], weights=tmp_path / "judge.safetensors")
    features = network(torch.rand(1, 3, 32, 32))
    assert all(0.05 < maps.mean() < 20 for maps in features.values())


def run(photos: Path, folder: Path, **settings: Any) -> dict[str, torch.Tensor]:
    out = folder / "judge.safetensors"
    sizes: dict[str, Any] = {"steps": 4, "batch_size": 4, "crop": 16, "crops_per_photo": 3}
    train_loss_network("judge", out, photos=photos, folder=folder, precision="fp32", **sizes, **settings)
    return load_file(out)


def test_killed_and_resumed_is_the_same_as_never_stopped(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(photos, tmp_path / "whole", check_every=3)
    step = Classifier.training_step

    def power_cut(task: Classifier, batch: Any, index: int) -> torch.Tensor:
        if task.global_step == 3:
            raise ConnectionError("power cut")
        return step(task, batch, index)

    monkeypatch.setattr(Classifier, "training_step", power_cut)
    with pytest.raises(ConnectionError):
        run(photos, tmp_path / "cut", check_every=2)
    monkeypatch.setattr(Classifier, "training_step", step)
    resumed = run(photos, tmp_path / "cut", check_every=2, resume=True)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.parametrize("given", [{}, {"classes": Path("a"), "photos": Path("b")}])
def test_wants_one_source(given: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="either classes"):
        train_loss_network("judge", tmp_path / "x.safetensors", **given)


def test_names_what_is_wrong(classes: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.safetensors"
    with pytest.raises(InputError, match="Did you mean 'compact'"):
        train_loss_network("compct", out, classes=classes)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="crop from 8 to 64"):
        train_loss_network("judge", out, classes=classes, crop=96)
    with pytest.raises(InputError, match="the folder of an interrupted run"):
        train_loss_network("judge", out, classes=classes, folder=tmp_path, resume=True)


def test_features_are_the_run_time_layers() -> None:
    assert without_batch_norm(with_batch_norm(judge_features())).state_dict().keys() == (
        judge_features().state_dict().keys()
    )
