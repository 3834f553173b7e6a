"""Training of a distance: the stronger of two distortions of one kind is to be farther, on whatever photos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from perceptualloss.data.crops import Numbers
from perceptualloss.data.strengths import OrderedBatch, OrderedBatches
from perceptualloss.features.architectures import layer_names
from perceptualloss.losses.distance import unit_channels
from perceptualloss.pictures.ranges import normalised
from perceptualloss.studies.loss_network.folding import write_run_time_weights
from perceptualloss.training.finite import zero_not_finite
from perceptualloss.training.schedule import Schedule, over_run

SLOPE = 4.0  # of the loss, per factor e between two distances


class OrderedData(L.LightningDataModule):
    """Batches of distorted crops from the step at which the trainer is."""

    def __init__(self, batches: OrderedBatches) -> None:
        super().__init__()
        self.batches = batches

    def train_dataloader(self) -> DataLoader[OrderedBatch]:
        """Return the batches of an epoch (one crop for each photo), or of all steps of a run by steps alone."""
        epoch = max(1, round(len(self.batches.photos) / self.batches.batch_size))
        return DataLoader(self.batches, batch_size=None, sampler=Numbers(self.trainer, 1, epoch))


class Ordering(L.LightningModule):
    r"""Bring the distances in a network into the order of the distortions' strengths.

    With :math:`d_i = \sum_l \frac{1}{C_l H_l W_l} \|\hat f_l - \hat g_l\|_2^2` the distance between crop i and its
    distorted copy in unit-normalised channels, the loss is the mean of :math:`\log(1 + (d_i / d_j)^4)` over all pairs
    of one kind of distortion in which that of crop j is the stronger one. The crops are of different photos, so the
    distance must not depend on them. The mean over channels lets the narrow, shallow layers count most: where deep
    ones counted as much, they forgot what they had learned before (docs/loss-network-study.md).

    Args:
        features: convolutions, ReLUs and pooling in the shape that they run in; they are trained in place.
        layers: the layers that make the distance.
        learning_rate: Adam's highest, reached after 20 steps; then it falls to zero along half a cosine.
    """

    def __init__(self, features: nn.Sequential, layers: list[str], learning_rate: float) -> None:
        super().__init__()
        self.features = features.to(memory_format=torch.channels_last)
        for module in self.features:
            if isinstance(module, nn.ReLU):
                module.inplace = False
        self.names, self.layers, self.learning_rate = layer_names(features), layers, learning_rate
        self.figures: dict[str, float] = {}

    def forward(self, crops: Tensor, distorted: Tensor) -> Tensor:
        """Return the logarithm of the distance of each pair of [0, 1] images (N, 3, H, W), (N,)."""
        maps = normalised(torch.cat([crops, distorted])).to(memory_format=torch.channels_last)
        distances = []
        for name, module in zip(self.names, self.features, strict=True):
            maps = module(maps)
            if name in self.layers:
                first, second = unit_channels(maps).chunk(2)  # a gradient to both
                distances.append((first - second).square().mean(dim=(1, 2, 3)))
        return torch.stack(distances).sum(dim=0).clamp(min=1e-8).log()

    def training_step(self, batch: OrderedBatch, batch_index: int) -> Tensor:
        """Return the loss over the batch's pairs."""
        far = self(batch.crops, batch.distorted)
        ahead = far[:, None] - far[None]  # of i before j
        one_kind = batch.kinds[:, None] == batch.kinds[None]
        pairs = one_kind & (batch.strengths[:, None] < batch.strengths[None])
        loss = (F.softplus(SLOPE * ahead) * pairs).sum() / pairs.sum().clamp(min=1)
        right = ((ahead < 0) & pairs).sum() / pairs.sum().clamp(min=1)
        self.log("Loss", loss.detach(), prog_bar=True)
        self.log("ordered", right, prog_bar=True)
        return loss

    def on_train_end(self) -> None:
        """Keep the last step's figures for whoever runs the training."""
        metrics = self.trainer.callback_metrics
        self.figures = {"loss": float(metrics["Loss"]), "ordered": float(metrics["ordered"])}

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Count what of a gradient is not finite as zero."""
        zero_not_finite(self.parameters())

    def configure_optimizers(self) -> Any:
        """Return Adam and its schedule over the trainer's steps."""
        optimizer = torch.optim.Adam(self.parameters(), lr=self.learning_rate)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, over_run(Schedule(), self.trainer))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def export(self, crops: Tensor, out: Path) -> None:
        """Write the run-time weights at half precision, mean activations 1 over [0, 1] ``crops``."""
        write_run_time_weights(self.features, crops, out)
