"""What the rules of a game add to the critic's loss: penalties of its slope and of its scores."""

from __future__ import annotations

import inspect

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from perceptualloss.errors import InputError
from perceptualloss.losses.adversarial import Scores
from perceptualloss.losses.critic_penalties import gradient_penalty, r1_penalty, r2_penalty
from perceptualloss.losses.lecam import LeCam
from perceptualloss.training.game import Game


class Regularisers(nn.Module):
    """The terms of the critic's loss beside that of the game.

    Its state is that of LeCam's averages. What the gradient penalty draws follows from seed, update and sample alone.

    Args:
        game: the rules.
        critic: that they are for.
        seed: of the places of the gradient penalty.

    Raises:
        InputError: for penalties of a critic with batch norm, or feature matching of one that gives no features.
    """

    def __init__(self, game: Game, critic: nn.Module, seed: int) -> None:
        super().__init__()
        check_critic(critic, game)
        self.game, self.seed = game, seed
        self.lecam = None if game.lecam is None else LeCam(game.lecam, maps=getattr(critic, "maps", 1))

    def terms(
        self, critic: nn.Module, real: Tensor, fake: Tensor, scores: tuple[Scores, Scores], update: int, rank: int
    ) -> dict[str, Tensor]:
        """Return the terms of one of the critic's updates by name, each a scalar, weighted.

        Args:
            critic: scores pictures.
            real: this process's real pictures.
            fake: its generated ones.
            scores: those of the real and of the generated pictures of all processes.
            update: the number of the update.
            rank: the number of the process.
        """
        game, found = self.game, dict[str, Tensor]()
        if self.lecam is not None:
            found["lecam"] = self.lecam(*scores)
        if update % game.penalty_every:
            return found
        if game.penalty is not None:
            places = self._places(update, len(real), rank)
            found["penalty"] = gradient_penalty(critic, real, fake, game.penalty_every * game.penalty, places)
        if game.r1 is not None:
            found["r1"] = r1_penalty(critic, real, game.penalty_every * game.r1)
        if game.r2 is not None:
            found["r2"] = r2_penalty(critic, fake, game.penalty_every * game.r2)
        return found

    def _places(self, update: int, count: int, rank: int) -> torch.Generator:
        """Return the generator of the penalty's places: of seed, update and sample alone, so that resuming is exact."""
        generator = torch.Generator().manual_seed(((self.seed << 40) + update) % 2**63)
        torch.rand(rank * count, generator=generator)  # those of the processes before this one
        return generator


def check_critic(critic: nn.Module, game: Game) -> None:
    """Raise InputError for a critic with which the rules do not work."""
    penalties = [name for name, weight in game.penalties.items() if weight is not None]
    if penalties and any(isinstance(module, _BatchNorm) for module in critic.modules()):
        expected = f"a critic that scores every picture by itself, for {' and '.join(penalties)}"
        raise InputError(expected, "batch norm", "Take another norm, such as instance.")
    if game.feature_matching and not _gives_features(critic):
        remedy = "Those of this package do, such as PatchCritic."
        raise InputError(
            "a critic that gives its features, critic(images, features=True)", type(critic).__name__, remedy
        )
    if game.feature_matching and getattr(critic, "augment", False):
        remedy = "Build it with augment=False."
        raise InputError("a critic that sees pictures as they are, for feature_matching", "augment=True", remedy)


def _gives_features(critic: nn.Module) -> bool:
    """Return whether a critic takes ``features=True``, as far as its signature says; one that is wrapped takes all."""
    parameters = inspect.signature(critic.forward).parameters
    return "features" in parameters or any(each.kind is each.VAR_KEYWORD for each in parameters.values())
