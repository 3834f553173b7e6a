"""Training of a loss network by telling classes apart: labelled pictures, or photos by their crops."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from perceptualloss.data.classes import ClassPictures, CropBatches
from perceptualloss.data.crops import Numbers
from perceptualloss.errors import InputError
from perceptualloss.pictures.ranges import normalised
from perceptualloss.studies.loss_network.folding import with_batch_norm, without_batch_norm, write_run_time_weights
from perceptualloss.training.finite import zero_not_finite
from perceptualloss.training.schedule import run_steps

KNOWN = "Give the Trainer max_steps, or max_epochs and data that have a length."


class CropData(L.LightningDataModule):
    """Batches of labelled crops from the step at which the trainer is."""

    def __init__(self, batches: CropBatches) -> None:
        super().__init__()
        self.batches = batches

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Return the batches of an epoch, or of all steps of a run by steps alone."""
        return DataLoader(self.batches, batch_size=None, sampler=Numbers(self.trainer, 1, self.batches.per_epoch))


class Classifier(L.LightningModule):
    """A loss network's layers with batch norm, averaged over the picture and given to one linear layer.

    Args:
        features: the layers in the shape that they run in; they are trained in place.
        classes: how many classes are to be told apart.
        held_out: pictures to check on; their "top1" is logged every ``check_every`` steps and after the last one.
        learning_rate: AdamW's highest, reached after 15% of the steps; then it falls to zero along a cosine.
        weight_decay: AdamW's, on filters alone.
        check_every: steps between two checks.
    """

    def __init__(
        self,
        features: nn.Sequential,
        classes: int,
        held_out: ClassPictures | None = None,
        *,
        learning_rate: float = 3e-3,
        weight_decay: float = 0.05,
        check_every: int = 500,
    ) -> None:
        super().__init__()
        self.features = with_batch_norm(features).to(memory_format=torch.channels_last)
        widths = [module.out_channels for module in features if isinstance(module, nn.Conv2d)]
        self.head = nn.Linear(widths[-1], classes)
        self.held_out, self.check_every = held_out, check_every
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.figures: dict[str, float] = {}
        self._checked_at = -1

    def forward(self, images: Tensor) -> Tensor:
        """Return the scores (N, classes) of [0, 1] images (N, 3, H, W)."""
        maps = self.features(normalised(images).to(memory_format=torch.channels_last))
        scores: Tensor = self.head(maps.mean((2, 3)))
        return scores

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        """Return the cross-entropy with a tenth of label smoothing."""
        crops, labels = batch
        scores = self(crops)
        loss = F.cross_entropy(scores.float(), labels, label_smoothing=0.1)
        self.log("Loss", loss.detach(), prog_bar=True)
        self.log("train top1", _right(scores, labels).mean(), prog_bar=True)
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Check on the held-out pictures now and then."""
        if self.global_step % self.check_every == 0 or self.global_step == run_steps(self.trainer):
            self._check()
            if "top1" in self.figures:
                self.log("top1", self.figures["top1"], prog_bar=True)

    def on_train_end(self) -> None:
        """Check after the last step, where only the trainer knew that it was the last."""
        if self._checked_at != self.global_step:
            self._check()

    def _check(self) -> None:
        if self.held_out is not None and len(self.held_out):
            self.figures["top1"] = self.accuracy(self.held_out)
        self.figures["loss"] = float(self.trainer.callback_metrics["Loss"])
        self._checked_at = self.global_step

    @torch.no_grad()
    def accuracy(self, pictures: ClassPictures) -> float:
        """Return the share of ``pictures``, taken whole, for which the highest score is the right one."""
        training = self.training
        self.eval()
        right = []
        for rows in torch.arange(len(pictures)).chunk(-(-len(pictures) // 250)):
            scores = self(pictures.pictures[rows].to(self.device).float() / 255)
            right.append(_right(scores.cpu(), pictures.labels[rows]))
        self.train(training)
        return torch.cat(right).mean().item()

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Count what of a gradient is not finite as zero."""
        zero_not_finite(self.parameters())

    def configure_optimizers(self) -> Any:
        """Return AdamW and its schedule over the trainer's steps.

        Raises:
            InputError: where their number cannot be known.
        """
        steps = run_steps(self.trainer)
        if not 0 < steps < math.inf:
            raise InputError("a number of steps, for a learning rate that rises and falls over them", str(steps), KNOWN)
        groups = [
            {"params": [p for p in self.parameters() if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in self.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.learning_rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.learning_rate, total_steps=int(steps) + 1, pct_start=0.15, cycle_momentum=False
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def export(self, crops: Tensor, out: Path) -> None:
        """Write the run-time weights at half precision: batch norm folded, mean activations 1 over [0, 1] ``crops``."""
        write_run_time_weights(without_batch_norm(self.features), crops, out)


def _right(scores: Tensor, labels: Tensor) -> Tensor:
    return (scores.argmax(1) == labels).float()
