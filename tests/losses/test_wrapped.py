"""A module with a loss in it under those who train it: several processes, Accelerate, Lightning, CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from perceptualloss.features.base import LossNetwork
from perceptualloss.losses.base import Loss
from perceptualloss.losses.feature import FeatureReconstructionLoss
from perceptualloss.losses.pixel import L1Loss
from perceptualloss.losses.style import StyleReconstructionLoss


class Model(nn.Module):
    """Somebody's module, with a loss in it."""

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.network = nn.Conv2d(3, 3, 3, padding=1)
        self.loss = loss

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        value: Tensor = self.loss(self.network(low).sigmoid(), high)
        return value


def normed_loss() -> Loss:
    """Return a loss whose network's output depends on whether it trains."""
    torch.manual_seed(2)
    features = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.GELU())
    return FeatureReconstructionLoss(LossNetwork(features, ["3"]), ["3"], "unit")


def pair() -> tuple[Tensor, Tensor]:
    output, target = torch.rand(2, 2, 3, 16, 16, generator=torch.Generator().manual_seed(3)).unbind(0)
    return output, target


class Task(L.LightningModule):
    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.model = Model(loss)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        value: Tensor = self.model(*batch)
        return value

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("loss", self.model(*batch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of torch, for what Lightning does
def test_lightning_trains_and_goes_on_from_a_checkpoint_without_the_losss_weights(tmp_path: Path) -> None:
    with torch.inference_mode():  # as in a validation before the training
        loss = normed_loss()
    task = Task(loss)
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*pair()), batch_size=1)
    options = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = L.Trainer(max_epochs=1, default_root_dir=tmp_path, enable_checkpointing=False, **options)
    before = task.model.network.weight.detach().clone()
    trainer.fit(task, data, data)
    assert not torch.equal(task.model.network.weight, before)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    other = Task.load_from_checkpoint(tmp_path / "last.ckpt", loss=L1Loss(), strict=True)
    assert torch.equal(other.model.network.weight, task.model.network.weight)


def test_accelerate_prepares_a_module_with_a_loss() -> None:
    model = Model(normed_loss())
    expected = model(*pair())
    accelerator = Accelerator(cpu=True)
    prepared, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), 0.1))
    value = prepared(*pair())
    accelerator.backward(value)
    optimizer.step()
    torch.testing.assert_close(value, expected)
    assert set(accelerator.get_state_dict(prepared)) == {"network.weight", "network.bias"}


def _one_of_two(rank: int, folder: str) -> None:
    """Take the gradients of one step in each of two processes, which stop after a minute without one another."""
    meet = f"file://{folder}/meet"
    distributed.init_process_group("gloo", init_method=meet, rank=rank, world_size=2, timeout=timedelta(seconds=60))
    mesh = init_device_mesh("cpu", (2,))
    torch.manual_seed(0)
    low, high, style = torch.rand(3, 2, 3, 16, 16).unbind(0)
    losses = [
        FeatureReconstructionLoss("compact", ["relu1_1"]) + L1Loss(),
        normed_loss(),
        StyleReconstructionLoss("compact", ["relu1_1"], style=style[:1]),
    ]
    for loss in losses:
        model = Model(loss).train()
        model(low, high).backward()  # of both pictures: the mean of their gradients
        expected = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        model.zero_grad()
        wrapped = DistributedDataParallel(model)
        wrapped(low[rank : rank + 1], high[rank : rank + 1]).backward()
        for found, whole in zip(model.parameters(), expected, strict=True):
            torch.testing.assert_close(found.grad, whole, rtol=1e-4, atol=1e-7)
        model.zero_grad()
        sharded: Any = fully_shard(model, mesh=mesh)
        sharded(low[rank : rank + 1], high[rank : rank + 1]).backward()
        for found, whole in zip(sharded.parameters(), expected, strict=True):
            torch.testing.assert_close(found.grad.full_tensor(), whole, rtol=1e-4, atol=1e-7)
        assert set(sharded.state_dict()) == {"network.weight", "network.bias"}
    distributed.destroy_process_group()


def test_ddp_and_fsdp2_have_the_mean_of_the_gradients_of_two_processes(
    tmp_path: Path, in_processes: Callable[..., None]
) -> None:
    in_processes(_one_of_two, str(tmp_path), processes=2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU, and there is none")
def test_a_step_is_captured_in_a_cuda_graph() -> None:
    loss, (output, target) = normed_loss().cuda(), (x.cuda() for x in pair())
    output.requires_grad_()
    expected = torch.autograd.grad(loss(output, target), output)[0]
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            torch.autograd.grad(loss(output, target), output)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = torch.autograd.grad(loss(output, target), output)[0]
    graph.replay()
    torch.testing.assert_close(found, expected)
