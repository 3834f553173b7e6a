"""Training on the order of strengths: the loss by hand, and that a network learns to order what it did not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from perceptualloss.data.strengths import OrderedBatch
from perceptualloss.errors import InputError
from perceptualloss.features.modules import BlurPool2d
from perceptualloss.features.network import loss_network
from perceptualloss.losses.distance import unit
from perceptualloss.metrics.embedded import LAYERS
from perceptualloss.pictures.images import write_image
from perceptualloss.studies.loss_network.ordering import Ordering
from perceptualloss.studies.loss_network.train import train_loss_network


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for i in range(4):
        write_image(torch.rand(3, 40, 50, generator=torch.Generator().manual_seed(i)), folder / f"{i}.png")
    return folder


def task() -> Ordering:
    torch.manual_seed(0)
    features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), BlurPool2d(), nn.Conv2d(4, 6, 3), nn.ReLU())
    return Ordering(features, ["relu1_1", "relu2_1"], learning_rate=1e-2)


def test_the_distance_is_the_sum_of_the_layers_means() -> None:
    first, second = torch.rand(2, 2, 3, 32, 32)
    judge = loss_network("judge", LAYERS)
    ordering = Ordering(nn.Sequential(*judge.body.modules), list(LAYERS), 1e-3)
    features, wanted = judge(first), judge(second)
    expected = sum(unit(features[layer], wanted[layer]) / features[layer].shape[1] for layer in LAYERS)
    torch.testing.assert_close(ordering(first, second), expected.log(), rtol=1e-4, atol=1e-5)


def test_the_loss_counts_pairs_of_one_kind_alone() -> None:
    ordering = task()
    ordering.log = lambda *_, **__: None  # type: ignore[method-assign]  # no trainer here
    crops, distorted = torch.rand(2, 4, 3, 16, 16)
    batch = OrderedBatch(crops, distorted, torch.tensor([0, 0, 1, 1]), torch.tensor([1, 3, 2, 2]))
    far = ordering(crops, distorted)
    torch.testing.assert_close(ordering.training_step(batch, 0), F.softplus(4 * (far[0] - far[1])))


def test_equal_pictures_give_a_finite_gradient() -> None:
    ordering = task()
    crops = torch.rand(2, 3, 16, 16)
    ordering(crops, crops.clone()).sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in ordering.parameters())


def test_it_learns_to_order() -> None:
    ordering = task()
    ordering.log = lambda *_, **__: None  # type: ignore[method-assign]
    generator = torch.Generator().manual_seed(0)
    crops = torch.rand(8, 3, 16, 16, generator=generator)
    strengths = torch.arange(8)
    # The strong ones change a little in red, the weak ones more in blue: the filters must learn what counts.
    change = torch.zeros(8, 3, 16, 16)
    change[:, 0] = strengths.view(-1, 1, 1) * 0.02
    change[:, 2] = (8 - strengths).view(-1, 1, 1) * 0.05
    batch = OrderedBatch(crops, crops + change, torch.zeros(8), strengths)
    optimizer = torch.optim.Adam(ordering.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        loss = ordering.training_step(batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_from_photos_to_a_file(photos: Path, tmp_path: Path) -> None:
    settings = {"photos": photos, "strengths": True, "start_from": "default", "steps": 2, "batch_size": 6, "crop": 32}
    figures = train_loss_network("judge", tmp_path / "judge.safetensors", folder=tmp_path, device="cpu", **settings)
    assert figures.keys() == {"loss", "ordered"}
    shipped = loss_network("judge", LAYERS).body.modules[0].weight
    trained = load_file(tmp_path / "judge.safetensors")["0.weight"].float()
    assert trained.shape == shipped.shape
    again = tmp_path / "again.safetensors"
    train_loss_network(
        "judge",
        again,
        folder=tmp_path / "2",
        device="cpu",
        **settings | {"start_from": str(tmp_path / "judge.safetensors")},
    )
    assert again.is_file()


@pytest.mark.parametrize("settings", [{"strengths": True}, {"start_from": "default"}])
def test_strengths_need_photos_and_start_from_needs_strengths(settings: dict, photos: Path, tmp_path: Path) -> None:
    source = {"photos": photos} if "start_from" in settings else {}
    with pytest.raises(InputError):
        train_loss_network("judge", tmp_path / "judge.safetensors", folder=tmp_path, crop=32, **source, **settings)
