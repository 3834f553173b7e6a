"""Adversarial training: generator and critic in turn, each with the other one frozen."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from perceptualloss.errors import InputError
from perceptualloss.losses.adversarial import GANLoss, Scores, mean_scores
from perceptualloss.losses.base import Loss
from perceptualloss.losses.critic_penalties import clip_weights
from perceptualloss.losses.feature_matching import feature_matching
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.training.balance import ADVERSARIAL, MATCHING, check_game
from perceptualloss.training.game import WINDOW, Game, Standing, ranked_right
from perceptualloss.training.masks import check_no_masking, without_mask
from perceptualloss.training.parameters import adam
from perceptualloss.training.processes import (
    average_gradients,
    average_over_processes,
    check_norms,
    joined_scores,
)
from perceptualloss.training.regularisers import Regularisers
from perceptualloss.training.schedule import run_steps
from perceptualloss.training.supervised import Supervised

log = logging.getLogger(__name__)
GENERATOR, CRITIC = 0, 1  # the order of the optimisers


class Adversarial(Supervised):
    r"""A Lightning task: train a network against a critic, which learns to tell its pictures from real ones.

    A step takes one batch of inputs and real pictures (source: the course "Adversarial Loss"):

    1. The generator makes pictures of the inputs.
    2. ``n_critic`` times: the critic, with the generator frozen, minimises :math:`E\,C(fake) - E\,C(real)` (or its loss
       of another kind), with penalties of its slope and scores, or with its weights clipped after it.
    3. At every ``generator_every``-th step: the generator, with the critic frozen, minimises
       :math:`\lambda_w(-E\,C(fake)) + \ell(fake, real)`, with :math:`\ell` any sum of losses: perceptual, total
       variation, pixels; and with ``feature_matching`` the distance in the critic's layers.

    - **Warm-up**: during ``warm_up_steps`` the generator alone is trained, with MSE; until ``start`` steps after, with
      :math:`\ell`. Steps count batches.
    - **Fresh pictures**: the course makes generated pictures anew for each of the critic's updates and for the
      generator's; ``fresh_fakes`` does so. By default one set of them serves all. Generator and batch are the same
      meanwhile, and so are the pictures; only the averages that a batch norm keeps of its statistics move once instead
      of n_critic + 1 times.
    - **Several processes**: gradients are those of one process with the joined batch. Each update's are averaged, the
      scores of all are the adversarial loss's and LeCam's, and the penalty's places are those of the joined batch.
    - **Logs**, beside what :class:`Supervised` does: "Loss/adversarial" and "Loss/feature_matching" (weighted),
      "generator/gradient norm", and "critic/" loss, penalty, r1, r2, lecam, gap (mean score of real minus generated
      pictures), ranked right (averaged over about 100 steps) and gradient norm.
    - **A warning** comes when one side has won, as :func:`verdict` defines it.

    Args:
        network: the generator.
        critic: scores pictures (N, 3, H, W) in [0, 1], high is real: numbers, a map, or a list of maps, of which it
            says with ``maps`` how many.
        loss: :math:`\ell`.
        game: the rules (see :class:`Game`).
        seed: the seed of the places of the gradient penalty.
        options: as :class:`Supervised`; ``gradient_clip`` is the generator's.

    Raises:
        InputError: for rules that do not go together (:meth:`Game.check`), or a weight of the game where a balance
            gives the adversarial loss its share; when run, in fp16, or on several processes with batch norm that knows
            its own part of the batch alone; for masks.
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
        check_no_masking(options, "a critic")
        super().__init__(network, loss, **options)
        self._balances_critic = self.balancing is not None and check_game(self.balancing, game)
        self.automatic_optimization = False
        self.critic = critic.to(memory_format=torch.channels_last)
        self.game, self.adversarial_loss = game, GANLoss(game.kind)
        self.regularisers, self.standing = Regularisers(game, critic, seed), Standing()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> None:
        """Update the critic, then the generator."""
        _, target = without_mask(batch, self)
        step = self.global_step
        played = step - self.warm_up_steps - self.game.start
        self._set_learning_rates(step)
        plays = played < 0 or (step + 1) % self.game.generator_every == 0

        def generate(*, gradient: bool) -> tuple[Tensor, dict[str, Tensor]]:
            with torch.set_grad_enabled(gradient):
                return self.outputs(batch, step)

        if played < 0:
            self._update_generator(*generate(gradient=True), target, step)
            return
        shared = None if self.game.fresh_fakes else generate(gradient=plays)

        def fakes() -> Tensor:
            return (generate(gradient=False) if shared is None else shared)[0].detach()

        norm, ranked = self._update_critic(target, fakes, step)
        own = self.standing.averages[2]
        if plays:
            generated = generate(gradient=True) if shared is None else shared
            own = self._update_generator(*generated, target, step)
        self.log("critic/ranked right", self.standing.update(average_over_processes(ranked), norm, own))
        if (
            step % WINDOW == 0
            and self.trainer.is_global_zero
            and (said := self.standing.warning(ahead_is_well=self.game.kind == "wasserstein"))
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
            everywhere = joined_scores(scores), joined_scores(scores_fake)
            own = self.adversarial_loss.critic_loss(*everywhere)
            number = step * self.game.n_critic + repeat
            added = self.regularisers.terms(self.critic, real, fake, everywhere, number, self.global_rank)
            loss = torch.stack([own, *added.values()]).sum()
            # The last update is the one that counts as the trainer's step.
            norm = self._update(CRITIC, loss, counts=repeat + 1 == self.game.n_critic)
            if self.game.clip is not None:
                clip_weights(self.critic, self.game.clip)
        gap = mean_scores(scores).mean() - mean_scores(scores_fake).mean()
        parts = {"loss": own, "gap": gap, **added}
        self.log_dict({f"critic/{name}": value.detach() for name, value in parts.items()})
        self.log("critic/gradient norm", norm)
        return norm, ranked_right(scores, scores_fake).detach()

    def _share_at(self, step: int) -> float:
        """Return what share of its weight the critic's part of the loss has at a step after the warm-up."""
        if self._balances_critic and self.balancing is not None:
            return float(step >= max(self.game.start, self.balancing.start_of(ADVERSARIAL)))
        return self.game.share_at(step)

    def _update_generator(self, output: Tensor, own: dict[str, Tensor], target: Tensor, step: int) -> Tensor:
        """Do the generator's update, with its own terms, through a frozen critic; return its gradient's norm."""
        after = step - self.warm_up_steps
        if step < self.game.generator_every:  # the first time
            matched = [MATCHING] if self.game.feature_matching else []
            self.check_shares(output, target, [*own, ADVERSARIAL, *matched])
        if after < 0:
            terms = {**self.pixel_loss.terms(output, target), **own}
        else:
            terms = {**self.loss.terms(output, target), **own, **self._judged(output, target, self._share_at(after))}
            terms = self.balanced(terms, output, after)
        # Until the game begins, this update is the one that counts as the trainer's step.
        norm = self._update(GENERATOR, self.total(terms, output, target), counts=after < self.game.start)
        self.critic.requires_grad_(True)
        self.log("generator/gradient norm", norm)
        self.follow()
        return norm

    def _judged(self, output: Tensor, target: Tensor, share: float) -> dict[str, Tensor]:
        """Return the critic's terms of the generator's loss, in one pass of the output and one of the target."""
        weight = 1.0 if self._balances_critic else self.game.weight
        matched = self.game.feature_matching
        if not share or not (weight or matched):
            return {}
        self.critic.requires_grad_(False)
        real: Scores | None = None
        real_seen: list[Tensor] = []
        with torch.no_grad():
            if matched or self.adversarial_loss.needs_real:
                real, real_seen = self._look(target)
        scores, seen = self._look(output)
        terms: dict[str, Tensor] = {}
        if weight:
            others = None if real is None else joined_scores(real)
            fooled = self.adversarial_loss.generator_loss(joined_scores(scores), others)
            terms[ADVERSARIAL] = share * weight * fooled
        if matched:
            terms[MATCHING] = share * matched * feature_matching(seen, real_seen)
        return terms

    def _look(self, images: Tensor) -> tuple[Scores, list[Tensor]]:
        """Return the critic's scores, and its features where they are matched."""
        if not self.game.feature_matching:
            return self.critic(images), []
        scores, features = self.critic(images, features=True)
        return scores, features

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

    def configure_optimizers(self) -> Any:
        """Return Adam for the generator and Adam for the critic; each step sets their learning rates."""
        return [
            adam(self.network, self.learning_rate, self.betas),
            adam(self.critic, self.game.learning_rate, self.game.betas),
        ]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on, also from a checkpoint in which the standing had the name that recipes give weights now."""
        state: dict[str, Tensor] = checkpoint["state_dict"]
        for name in [name for name in state if name.startswith("balance.")]:
            state[name.replace("balance.", "standing.", 1)] = state.pop(name)
        super().on_load_checkpoint(checkpoint)

    def on_fit_start(self) -> None:
        """Refuse what two optimisers in turn, or several processes, do not work with."""
        super().on_fit_start()
        check_norms(self.critic, self.trainer.world_size)
        if self.trainer.precision == "16-mixed":
            raise InputError("precision fp32 or bf16 for adversarial training", "fp16")
