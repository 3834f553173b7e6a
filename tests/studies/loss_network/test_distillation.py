"""Training a network to see what VGG-16 sees, at a size that takes seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from perceptualloss.errors import InputError
from perceptualloss.features.architectures import compact_features, vgg16_features
from perceptualloss.features.network import loss_network
from perceptualloss.pictures.images import write_image
from perceptualloss.studies.loss_network import distil as distil_run
from perceptualloss.studies.loss_network.distil import vgg16_teacher
from perceptualloss.studies.loss_network.distillation import Distillation
from perceptualloss.studies.loss_network.train import train_loss_network


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("teacher") / "vgg16.pth"
    torch.save({f"features.{name}": value for name, value in vgg16_features().state_dict().items()}, file)
    return file


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for i in range(3):
        coarse = torch.rand(1, 3, 10, 10, generator=torch.Generator().manual_seed(i))
        write_image(F.interpolate(coarse, size=(40, 48), mode="bicubic").clamp(0, 1)[0], folder / f"{i}.png")
    return folder


def train(teacher: Path, photos: Path, folder: Path, **options: Any) -> dict[str, float]:
    settings: dict[str, Any] = {"steps": 2, "crop": 32, "batch_size": 2, "validation": 1, "check_every": 1}
    settings |= {"precision": "fp32", "device": "cpu", "photos": photos, "teacher": teacher, "folder": folder}
    return train_loss_network("compact", folder / "compact.safetensors", **settings | options)


RELUS = [name for name in loss_network("compact", ["relu4_3"]).names if name.startswith("relu")]


def test_a_run_writes_weights_that_load_and_tells_what_they_see(
    teacher: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distil_run, "FITTED_ON", 8)
    figures = train(teacher, photos, tmp_path)
    assert figures.keys() == {f"{what}/{layer}" for what in ("explained variance", "Gram error") for layer in RELUS}
    assert figures["explained variance/relu1_1"] > 0.9  # fitted layer by layer, before any step
    state = load_file(tmp_path / "compact.safetensors")
    assert {name: value.shape for name, value in state.items()} == {
        name: value.shape for name, value in compact_features().state_dict().items()
    }
    loss_network("compact", ["relu3_3"], weights=tmp_path / "compact.safetensors")
    again = train(teacher, photos, tmp_path / "again", start_from=str(tmp_path / "compact.safetensors"), steps=1)
    assert again["explained variance/relu1_1"] == pytest.approx(figures["explained variance/relu1_1"], abs=0.05)


def test_the_teacher_is_vgg_away_from_the_border(teacher: Path) -> None:
    pictures = torch.rand(1, 3, 64, 64)
    repeated = vgg16_teacher(teacher)(pictures)
    zeros = loss_network("vgg16", ["relu1_2", "relu2_2"], weights=teacher)(pictures)
    assert torch.allclose(repeated["relu1_2"][..., 2:-2, 2:-2], zeros["relu1_2"][..., 2:-2, 2:-2], atol=1e-5)
    assert torch.allclose(repeated["relu2_2"][..., 4:-4, 4:-4], zeros["relu2_2"][..., 4:-4, 4:-4], atol=1e-5)
    flat = vgg16_teacher(teacher)(torch.full((1, 3, 32, 32), 0.3))["relu4_3"]
    assert torch.allclose(flat, flat[..., :1, :1].expand_as(flat), atol=1e-5)


def test_a_layers_loss_is_its_formula(teacher: Path) -> None:
    task = Distillation(compact_features(), vgg16_teacher(teacher), change=0.3, gram=0.7)
    t = torch.rand(4, 5, 6, 6, generator=torch.Generator().manual_seed(0))
    s = t + 0.1 * torch.randn(t.shape, generator=torch.Generator().manual_seed(1))
    variance = t.double().var((0, 2, 3), correction=0).sum()
    error = (s - t).double()
    wanted = error.square().sum(1).mean() / variance
    for i in range(2):
        changed = (t[i] - t[i + 2]).double().square().sum(0).mean()
        wanted += 0.3 / 2 * (error[i] - error[i + 2]).square().sum(0).mean() / (changed + 0.05 * variance)
    for i in range(4):
        a, b = s[i].flatten(1).double(), t[i].flatten(1).double()
        wanted += 0.7 / 4 * ((a @ a.T - b @ b.T).norm() / (b @ b.T).norm()) ** 2
    assert task.layer_loss(s, t, 0, main=True).item() == pytest.approx(wanted.item(), rel=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": Path("x")}, "no classes with a teacher"),
        ({"strengths": True}, "no strengths with a teacher"),
        ({"crops_per_photo": 5}, "no crops_per_photo with a teacher"),
        ({"weight_decay": 0.1}, "no weight_decay with a teacher"),
        ({"photos": None}, "photos on which the teacher is imitated"),
        ({"teacher": None}, "compact with a teacher"),
    ],
)
def test_what_does_nothing_with_a_teacher_is_refused(
    options: dict[str, Any], message: str, teacher: Path, photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        train(**{"teacher": teacher, "photos": photos, "folder": tmp_path} | options)
