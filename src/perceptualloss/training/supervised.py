"""Supervised training: bring a network's output close to the target, as a loss sees it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, cast, get_args

import lightning as L
import torch
from torch import Tensor

from perceptualloss.errors import InputError, check_choice
from perceptualloss.losses.balance import GradientBalance
from perceptualloss.losses.base import Loss
from perceptualloss.losses.distance import squared
from perceptualloss.losses.mask import Masking, Weights
from perceptualloss.losses.pixel import MSELoss
from perceptualloss.metrics.registry import curves
from perceptualloss.metrics.report import measure
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.training.average import AverageStatistics, moving_average
from perceptualloss.training.balance import Balancing
from perceptualloss.training.finite import WatchFinite, zero_not_finite
from perceptualloss.training.masks import mask_in, masked_terms, say_what_counts
from perceptualloss.training.parameters import adam, freeze_parts
from perceptualloss.training.processes import check_norms, check_strategy
from perceptualloss.training.schedule import Schedule, over_run


def check_reduced(loss: Loss) -> None:
    """Raise InputError for a loss that gives every picture's value, and no one number to minimise."""
    if loss.reduction == "none":
        raise InputError('a loss to train with that has the reduction "mean" or "sum"', '"none"', "Leave it out.")


class Supervised(L.LightningModule):
    r"""A Lightning task: train a network on pairs of input and target, by any loss, with Adam.

    It minimises :math:`\ell(f_W(x), y)` for inputs x and targets y. What the network itself adds to the loss, such as
    the term of an autoencoder's code, joins :math:`\ell` (:meth:`TransformationNetwork.with_terms`).

    It logs at each step "Loss" and its terms, and "Weight/" of those whose weights follow gradients. Over the
    validation photos it logs MSE, PSNR, SSIM, LPIPS (where its weights are at hand) and the embedded judge's distance.

    Args:
        network: the transformation network :math:`f_W`.
        loss: the loss :math:`\ell`.
        learning_rate: the learning rate of Adam, after a short rise times what ``schedule`` says.
        warm_up_steps: the first steps are trained with MSE. From random weights, a perceptual loss finds its way to
            sharp detail much later than from a network that already interpolates well. After the warm-up Adam forgets
            its moments and the learning rate rises anew over 20 steps, because the new loss has gradients of another
            size.
        betas: the two decays of Adam.
        schedule: how the learning rate changes; by default it falls to zero along half a cosine.
        gradient_clip: the largest norm of the whole gradient, which is shortened to it; 0 allows any.
        ema: decay of a moving average of the weights (see :func:`moving_average`); 0 for none. The average is then what
            is validated, and the result. Its batch norms have statistics of their own.
        freeze: names of the network's submodules that are not trained. Their batch norms keep their statistics.
        balance: shares of the gradient's norm that weigh the terms of the loss, after the warm-up.
        masking: what the masks in batches (input, target, mask) mean, "area" or "exact" (see :class:`Loss`). Loss and
            validation are then those under the mask. A picture of which nothing counts gives no gradient.

    Attributes:
        result: the network that the training made: the average, where there is one.

    Raises:
        InputError: for a loss that is not reduced, an unknown submodule, a negative gradient_clip, an impossible ema,
            or a balance of a layer that is not there or not trained.
    """

    def __init__(
        self,
        network: TransformationNetwork,
        loss: Loss,
        *,
        learning_rate: float = 1e-3,
        warm_up_steps: int = 0,
        betas: tuple[float, float] = (0.9, 0.999),
        schedule: Schedule | None = None,
        gradient_clip: float = 0.0,
        ema: float = 0.0,
        freeze: Sequence[str] = (),
        balance: Balancing | None = None,
        masking: Masking = "area",
    ) -> None:
        super().__init__()
        if not gradient_clip >= 0:
            raise InputError("gradient_clip from 0", repr(gradient_clip), "0 leaves gradients as they are.")
        check_reduced(loss)
        check_choice("masking", masking, get_args(Masking))
        self.masking: Masking = masking
        freeze_parts(network, freeze)
        self.network = network.to(memory_format=torch.channels_last)
        self.loss, self.pixel_loss = loss, MSELoss()
        self.average = moving_average(self.network, ema) if ema else None
        self.statistics = AverageStatistics()
        self.balancing, self.gradient_balance = balance, None if balance is None else balance.build()
        if balance is not None:
            balance.check_layer(network)
        self.learning_rate, self.warm_up_steps, self.betas = learning_rate, warm_up_steps, betas
        self.schedule, self.gradient_clip = schedule or Schedule(), gradient_clip
        self.history: dict[str, list[tuple[int, float]]] = {}
        self.seconds = 0.0
        self._started = 0.0

    @property
    def result(self) -> TransformationNetwork:
        """The network that the training made."""
        return self.network if self.average is None else cast(TransformationNetwork, self.average.module)

    def forward(self, low: Tensor) -> Tensor:
        """Transform pictures (N, 3, H, W) in [0, 1]; in evaluation with the average, where there is one."""
        network = self.network if self.training else self.result
        output: Tensor = network(low.to(memory_format=torch.channels_last))
        return output

    def outputs(self, batch: tuple[Tensor, Tensor], step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the network's pictures of a step's batch, in evaluation the average's, and its own terms."""
        network = self.network if self.training else self.result
        return network.with_terms(batch[0].to(memory_format=torch.channels_last))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor | None:
        """Return the loss of one batch, for the trainer to minimise."""
        target, mask = batch[1], mask_in(batch)
        output, own = self.outputs(batch, self.global_step)
        if self.global_step == 0:
            self.check_shares(output, target, own)
            say_what_counts(self.loss, output, target, mask, self.masking)
        warming = self.global_step < self.warm_up_steps
        loss = self.pixel_loss if warming else self.loss
        terms = {**masked_terms(loss, output, target, mask, self.masking), **own}
        if not warming:
            terms = self.balanced(terms, output, self.global_step - self.warm_up_steps)
        return self.total(terms, output, target, mask)

    def check_shares(self, output: Tensor, target: Tensor, others: Iterable[str]) -> None:
        """Raise InputError for a share of a term that there is not, whenever it starts."""
        if self.gradient_balance is not None:
            with torch.no_grad():
                terms = self.loss.terms(output.detach(), target)
            self.gradient_balance.check_terms([*terms, *others])

    def balanced(self, terms: dict[str, Tensor], output: Tensor, step: int) -> dict[str, Tensor]:
        """Return the terms of a step after the warm-up with their weights, and log those that follow gradients."""
        balances = [module for module in self.loss.modules() if isinstance(module, GradientBalance)]
        if self.balancing is not None and self.gradient_balance is not None:
            scaler = getattr(self.trainer.precision_plugin, "scaler", None)
            wrt = self.balancing.measured(self.network, output)
            terms = self.gradient_balance.terms(terms, wrt, step=step, scaler=scaler)
            balances.append(self.gradient_balance)
        for balance in balances:
            self.log_dict({f"Weight/{part}": weight for part, weight in balance.weights.items()})
        return terms

    def total(self, terms: dict[str, Tensor], output: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the sum of the terms of the loss, and log it, them and the PSNR, under a mask if there is one."""
        error = squared(output.detach(), target, None if mask is None else Weights.of(mask))
        total = self.sum_of(terms)
        self.log("train PSNR", (-10 * error.log10()).mean(), prog_bar=True)
        return total

    def sum_of(self, terms: dict[str, Tensor]) -> Tensor:
        """Return the sum of the terms of the loss, and log it and them."""
        total: Tensor = torch.stack(list(terms.values())).sum()
        self.log("Loss", total.detach(), prog_bar=True)
        if len(terms) > 1:
            self.log_dict({f"Loss/{name}": value.detach() for name, value in terms.items()})
        return total

    def pictures(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Return the pictures of a row for TensorBoard."""
        low, target = batch[:2]
        return {"input": low, "output": self(low), "target": target}

    def configure_callbacks(self) -> list[L.Callback]:
        """Return what stops a training that is not finite, for a trainer without it."""
        callbacks: list[L.Callback] = self.trainer.callbacks  # type: ignore[attr-defined]
        return [] if any(isinstance(callback, WatchFinite) for callback in callbacks) else [WatchFinite()]

    def configure_gradient_clipping(self, optimizer: torch.optim.Optimizer, *_: Any, **__: Any) -> None:
        """Shorten a gradient that is too long."""
        if self.gradient_clip:
            self.clip_gradients(optimizer, self.gradient_clip, "norm")

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Count what of a gradient is not finite as zero, before it is clipped."""
        zero_not_finite(parameter for group in optimizer.param_groups for parameter in group["params"])

    def optimizer_step(self, *arguments: Any, **named: Any) -> None:
        """Do the step, and let the average follow before a checkpoint can be written."""
        super().optimizer_step(*arguments, **named)
        self.follow()

    def follow(self) -> None:
        """Let the average follow the weights by one step."""
        if self.average is not None:
            self.average.update_parameters(self.network)

    def renew_statistics(self) -> None:
        """Give the average's batch norms statistics of their own, where there are any and the average has changed."""
        self.statistics.renew(self.trainer, self, self.outputs)

    def on_validation_start(self) -> None:
        """Validate the average as it is used."""
        if not self.trainer.sanity_checking:
            self.renew_statistics()

    def on_train_end(self) -> None:
        """Leave the average as it is used."""
        self.renew_statistics()

    def on_fit_end(self) -> None:
        """Do so after a run that was finished when it was resumed, too."""
        self.renew_statistics()

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> None:
        """Measure one validation photo."""
        low, target = batch[:2]
        tags, mask = curves(), mask_in(batch)
        for name, value in measure(self(low), target, mask, "area" if mask is None else self.masking).items():
            self.log(tags[name], value.mean(), batch_size=1, sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        """Keep the curves for whoever runs the training."""
        if self.trainer.sanity_checking:  # of a Trainer of one's own, on a few photos
            return
        for name, tag in curves().items():
            if tag in self.trainer.callback_metrics:
                value = float(self.trainer.callback_metrics[tag])
                self.history.setdefault(name, []).append((self.global_step, value))

    def on_fit_start(self) -> None:
        """Refuse what several processes do not train right; find the norms of the average."""
        check_strategy(self.trainer.strategy)
        check_norms(self.network, self.trainer.world_size)
        self.statistics.begin(self.network, self.average)

    def on_train_start(self) -> None:
        """Start the clock; go on with this run's learning rate and decays, of which a checkpoint may have others."""
        self._started = time.perf_counter() - self.seconds
        for config in self.trainer.lr_scheduler_configs:
            scheduler = cast(torch.optim.lr_scheduler.LambdaLR, config.scheduler)
            scheduler.base_lrs = [self.learning_rate for _ in scheduler.base_lrs]
            rate = self.learning_rate * scheduler.lr_lambdas[0](scheduler.last_epoch)
            for group in scheduler.optimizer.param_groups:
                group |= {"initial_lr": self.learning_rate, "lr": rate, "betas": self.betas}

    def on_train_batch_start(self, *_: Any) -> None:
        """Let Adam forget the size of MSE's gradients at the end of the warm-up; the average is about to change."""
        self.statistics.on_step()
        if 0 < self.warm_up_steps == self.global_step:
            for optimizer in self.trainer.optimizers:
                optimizer.state.clear()

    def on_train_batch_end(self, *_: Any) -> None:
        """Read the clock."""
        self.seconds = time.perf_counter() - self._started

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep curves and time with the weights, and the average as it is used."""
        self.renew_statistics()  # in place, so that the checkpoint has them
        checkpoint["statistics"] = self.statistics.fresh
        checkpoint["history"] = self.history
        checkpoint["seconds"] = self.seconds

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the curves and the time of the run."""
        self.statistics.fresh = checkpoint.get("statistics", False)
        self.history = checkpoint["history"]
        self.seconds = checkpoint["seconds"]

    def configure_optimizers(self) -> Any:
        """Return Adam and its schedule over the trainer's steps."""
        optimizer = adam(self.network, self.learning_rate, self.betas)
        factor = over_run(self.schedule, self.trainer, self.warm_up_steps)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
