"""Adversarial training: generator and critic in turn, each with the other one frozen."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from perceptualloss.errors import InputError
from perceptualloss.losses.adversarial import GANLoss
from perceptualloss.losses.base import Loss
from perceptualloss.losses.critic_penalties import clip_weights, gradient_penalty
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.training.balance import ADVERSARIAL, check_game
from perceptualloss.training.game import WINDOW, Balance, Game, ranked_right
from perceptualloss.training.processes import (
    average_gradients,
    average_over_processes,
    check_norms,
    joined,
)
from perceptualloss.training.schedule import run_steps
from perceptualloss.training.supervised import Supervised, adam

log = logging.getLogger(__name__)
GENERATOR, CRITIC = 0, 1  # the order of the optimisers


class Adversarial(Supervised):
    r"""Train a network against a critic, which learns to tell its pictures from real ones.

    A step takes one batch of inputs and real pictures (source: the course "Adversarial Loss"):

    1. the generator makes pictures of the inputs;
    2. ``n_critic`` times: the critic, with the generator frozen, minimises :math:`E\,C(fake) - E\,C(real)` (or
       its loss of another kind), with the penalty of its slope, or with its weights clipped after it;
    3. at every ``generator_every``-th step: the generator, with the critic frozen, minimises
       :math:`\lambda_w(-E\,C(fake)) + \ell(fake, real)`, with :math:`\ell` any sum of losses: perceptual, total
       variation, pixels.

    The course makes generated pictures anew for each of the critic's updates and for the generator's; ``fresh_fakes``
    does so. By default one set of them serves all, because generator and batch are the same meanwhile, and so are the
    pictures; only the averages that a batch norm keeps of its statistics move once instead of n_critic + 1 times.

    During ``warm_up_steps`` the generator alone is trained, with MSE. Steps count batches.

    Args:
        network: the generator.
        critic: scores pictures (N, 3, H, W) in [0, 1]; high is real.
        loss: :math:`\ell`.
        game: the rules.
        seed: of the places of the gradient penalty.
        options: as :class:`Supervised`; ``gradient_clip`` is the generator's.

    Raises:
        InputError: for rules that do not go together (:meth:`Game.check`), or a weight of the game where a balance
            gives the adversarial loss its share; when run, in fp16, or on several processes with batch norm that knows
            its own part of the batch alone.

    On several processes, gradients are those of one process with the joined batch: each update's are averaged, the
    scores of all are the adversarial loss's, and the penalty's places are those of the joined batch.

    Logs, beside what :class:`Supervised` does: "Loss/adversarial" (weighted), "generator/gradient norm", and
    "critic/" loss, penalty, gap (mean score of real minus generated pictures), balance (see
    :func:`ranked_right`, averaged over about 100 steps) and gradient norm. Warns when one side has won, as
    :func:`verdict` defines it.
    """

    def __init__(
        self,
        network: TransformationNetwork,
        critic: nn.Module,
        loss: Loss,
        game: Game,
        *,
        seed: int = 0,
        **options: Any,
    ) -> None:
        game.check()
        super().__init__(network, loss, **options)
        self._balances_critic = self.balancing is not None and check_game(self.balancing, game)
        self.automatic_optimization = False
        self.critic = critic.to(memory_format=torch.channels_last)
        self.game, self.adversarial_loss, self.seed = game, GANLoss(game.kind), seed
        self.balance = Balance()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> None:
        """Update the critic, then the generator."""
        _, target = batch
        step, warm = self.global_step, self.global_step < self.warm_up_steps
        self._set_learning_rates(step)
        plays = warm or (step + 1) % self.game.generator_every == 0

        def generate(*, gradient: bool) -> tuple[Tensor, dict[str, Tensor]]:
            with torch.set_grad_enabled(gradient):
                return self.outputs(batch, step)

        if warm:
            self._update_generator(*generate(gradient=True), target, None)
            return
        shared = None if self.game.fresh_fakes else generate(gradient=plays)

        def fakes() -> Tensor:
            return (generate(gradient=False) if shared is None else shared)[0].detach()

        norm, ranked = self._update_critic(target, fakes, step)
        own = self.balance.averages[2]
        if plays:
            generated = generate(gradient=True) if shared is None else shared
            own = self._update_generator(*generated, target, step - self.warm_up_steps)
        self.log("critic/balance", self.balance.update(average_over_processes(ranked), norm, own))
        if (
            step % WINDOW == 0
            and self.trainer.is_global_zero
            and (said := self.balance.warning(ahead_is_well=self.game.kind == "wasserstein"))
        ):
            log.warning("step %d: %s", step, said)

    def _update_critic(self, real: Tensor, fakes: Callable[[], Tensor], step: int) -> tuple[Tensor, Tensor]:
        """Do the critic's updates; return the last gradient's norm, and the share of pairs ranked right before it.

        Each asks ``fakes`` for the generated pictures.
        """
        real = real.contiguous(memory_format=torch.channels_last)
        for repeat in range(self.game.n_critic):
            fake = fakes()
            scores, scores_fake = self.critic(real), self.critic(fake)
            loss = self.adversarial_loss.critic_loss(joined(scores), joined(scores_fake))
            parts = {"loss": loss, "gap": scores.float().mean() - scores_fake.float().mean()}
            if self.game.penalty is not None:
                places = self._places(step * self.game.n_critic + repeat, len(real))
                parts["penalty"] = gradient_penalty(self.critic, real, fake, self.game.penalty, places)
                loss = loss + parts["penalty"]
            # The last update is the one that counts as the trainer's step.
            norm = self._update(CRITIC, loss, counts=repeat + 1 == self.game.n_critic)
            if self.game.clip is not None:
                clip_weights(self.critic, self.game.clip)
        self.log_dict({f"critic/{name}": value.detach() for name, value in parts.items()})
        self.log("critic/gradient norm", norm)
        return norm, ranked_right(scores.detach(), scores_fake.detach())

    def _weight_at(self, step: int | None) -> float:
        """Return the adversarial loss's own weight at a step after the warm-up; in it, that is at None, none."""
        if step is None or not self._balances_critic or self.balancing is None:
            return 0.0 if step is None else self.game.weight_at(step)
        return float(step >= self.balancing.start_of(ADVERSARIAL))

    def _update_generator(self, output: Tensor, own: dict[str, Tensor], target: Tensor, step: int | None) -> Tensor:
        """Do the generator's update, with its own terms, through a frozen critic; return its gradient's norm.

        ``step`` is counted after the warm-up; in it, None.
        """
        terms = {**(self.pixel_loss if step is None else self.loss).terms(output, target), **own}
        if weight := self._weight_at(step):
            self.critic.requires_grad_(False)
            with torch.no_grad():
                real = self.critic(target) if self.adversarial_loss.needs_real else None
            score = self.critic(output)
            fooled = self.adversarial_loss.generator_loss(joined(score), None if real is None else joined(real))
            terms = {**terms, ADVERSARIAL: weight * fooled}
        if step is not None:
            terms = self.balanced(terms, output, step)
        norm = self._update(GENERATOR, self.total(terms, output, target), counts=step is None)
        self.critic.requires_grad_(True)
        self.log("generator/gradient norm", norm)
        self.follow()
        return norm

    def _update(self, which: int, loss: Tensor, *, counts: bool) -> Tensor:
        """Do one optimiser step; return the norm of the gradient before it is clipped."""
        wrapped: Any = self.optimizers()
        optimizer = wrapped[which]
        trained = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        callbacks: list[L.Callback] = self.trainer.callbacks  # type: ignore[attr-defined]
        for callback in callbacks:
            callback.on_before_backward(self.trainer, self, loss)
        # Not backward(): DistributedDataParallel would wait for gradients of the other network, and knows none twice.
        gradients = torch.autograd.grad(loss, trained, allow_unused=True)
        for parameter, gradient in zip(trained, gradients, strict=True):
            parameter.grad = torch.zeros_like(parameter) if gradient is None else gradient
        average_gradients(trained)
        for callback in callbacks:
            callback.on_after_backward(self.trainer, self)
        self.on_before_optimizer_step(optimizer.optimizer)  # a norm would spread what is not finite to all
        limit = self.gradient_clip if which == GENERATOR and self.gradient_clip else float("inf")
        norm = torch.nn.utils.clip_grad_norm_(trained, limit)
        if counts:
            optimizer.step()
        else:  # the trainer counts the steps of wrapped optimisers, and a step of ours is one batch
            optimizer.optimizer.step()
        return norm.detach()

    def _set_learning_rates(self, step: int) -> None:
        rates = (self.learning_rate, self.game.learning_rate)
        decays = (self.betas, self.game.betas)
        factor = self.schedule.at_step(step, run_steps(self.trainer), self.warm_up_steps)
        for optimizer, rate, betas in zip(self.trainer.optimizers, rates, decays, strict=True):
            for group in optimizer.param_groups:
                group |= {"lr": rate * factor, "betas": betas}  # of this run, whatever a checkpoint says

    def _places(self, number: int, count: int) -> torch.Generator:
        """Return the generator of the penalty's places: of seed, update and sample alone, so that resuming is exact."""
        generator = torch.Generator().manual_seed(((self.seed << 40) + number) % 2**63)
        torch.rand(self.global_rank * count, generator=generator)  # those of the processes before this one
        return generator

    def configure_optimizers(self) -> Any:
        """Return Adam for the generator and Adam for the critic; each step sets their learning rates."""
        return [
            adam(self.network, self.learning_rate, self.betas),
            adam(self.critic, self.game.learning_rate, self.game.betas),
        ]

    def on_fit_start(self) -> None:
        """Refuse what two optimisers in turn, or several processes, do not work with."""
        super().on_fit_start()
        check_norms(self.critic, self.trainer.world_size)
        if self.trainer.precision == "16-mixed":
            raise InputError("precision fp32 or bf16 for adversarial training", "fp16")
