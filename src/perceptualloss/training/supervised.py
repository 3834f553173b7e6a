"""Supervised training: bring a network's output close to the target, as a loss sees it."""

from __future__ import annotations

import math
import time
from typing import Any

import lightning as L
import torch
from torch import Tensor

from perceptualloss.losses.loss import Loss
from perceptualloss.losses.pixel import MSELoss
from perceptualloss.metrics.measures import measure
from perceptualloss.networks.network import TransformationNetwork

RISE = 20  # steps over which the learning rate rises, so that Adam's first, unscaled steps do no harm
# Names as the course's TensorBoard has them.
TAGS = {
    "mse": "MSE",
    "psnr": "PSNR",
    "ssim": "SSIM",
    "lpips": "LPIPS",
    "perceptual_distance": "perceptual distance",
}


class Supervised(L.LightningModule):
    r"""Minimise :math:`\ell(f_W(x), y)` over pairs of input and target with Adam.

    Args:
        network: the transformation network :math:`f_W`.
        loss: the loss :math:`\ell`.
        learning_rate: Adam's, falling to zero over the run along half a cosine after a short rise.
        warm_up_steps: the first steps are trained with MSE: from random weights, a perceptual loss finds
            its way to sharp detail much later than from a network that already interpolates well. Adam then
            forgets its moments and the learning rate rises anew over 20 steps, because the new loss has
            gradients of another size.

    Logs "Loss" and its terms at each step, and MSE, PSNR, SSIM, LPIPS (where its weights are at hand) and the
    perceptual distance over the validation photos.
    """

    def __init__(
        self,
        network: TransformationNetwork,
        loss: Loss,
        *,
        learning_rate: float = 1e-3,
        warm_up_steps: int = 0,
    ) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self.loss, self.pixel_loss = loss, MSELoss()
        self.learning_rate, self.warm_up_steps = learning_rate, warm_up_steps
        self.history: dict[str, list[tuple[int, float]]] = {}
        self.seconds = 0.0
        self._started = 0.0

    def forward(self, low: Tensor) -> Tensor:
        """Transform pictures (N, 3, H, W) in [0, 1]."""
        output: Tensor = self.network(low.to(memory_format=torch.channels_last))
        return output

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        """Return the loss of one batch."""
        low, target = batch
        output = self(low)
        loss = self.pixel_loss if self.global_step < self.warm_up_steps else self.loss
        terms = loss.terms(output, target)
        total: Tensor = torch.stack(list(terms.values())).sum()
        error = (output.detach().float() - target).square().mean(dim=(1, 2, 3))
        self.log("Loss", total.detach(), prog_bar=True)
        self.log("train PSNR", (-10 * error.log10()).mean(), prog_bar=True)
        if len(terms) > 1:
            self.log_dict({f"Loss/{name}": value.detach() for name, value in terms.items()})
        return total

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> None:
        """Measure one validation photo."""
        low, target = batch
        for name, value in measure(self(low), target).items():
            self.log(TAGS[name], value.mean(), batch_size=1, sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        """Keep the curves for whoever runs the training."""
        for name, tag in TAGS.items():
            if tag in self.trainer.callback_metrics:
                value = float(self.trainer.callback_metrics[tag])
                self.history.setdefault(name, []).append((self.global_step, value))

    def on_train_start(self) -> None:
        """Start the clock."""
        self._started = time.perf_counter() - self.seconds

    def on_train_batch_start(self, *_: Any) -> None:
        """Let Adam forget the size of MSE's gradients at the end of the warm-up."""
        if 0 < self.warm_up_steps == self.global_step:
            for optimizer in self.trainer.optimizers:
                optimizer.state.clear()

    def on_train_batch_end(self, *_: Any) -> None:
        """Read the clock."""
        self.seconds = time.perf_counter() - self._started

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep curves and time with the weights."""
        checkpoint["history"] = self.history
        checkpoint["seconds"] = self.seconds

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the curves and the time of the run."""
        self.history = checkpoint["history"]
        self.seconds = checkpoint["seconds"]

    def configure_optimizers(self) -> Any:
        """Return Adam and its cosine schedule over the trainer's steps."""
        optimizer = torch.optim.Adam(self.network.parameters(), lr=self.learning_rate)
        steps = max(1, self.trainer.max_steps)

        def factor(step: int) -> float:
            since = step - self.warm_up_steps if step >= self.warm_up_steps else step
            rise = min(1.0, (since + 1) / RISE)
            return rise * (1 + math.cos(math.pi * min(step / steps, 1))) / 2

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
