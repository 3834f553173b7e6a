"""Adversarial losses: what a critic's scores mean for the critic and for the generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perceptualloss.errors import InputError, check_choice
from perceptualloss.numerics import wide

Kind = Literal[
    "wasserstein",
    "hinge",
    "non_saturating",
    "vanilla",
    "least_squares",
    "lsgan",
    "relativistic_average",
    "relativistic",
    "relativistic_average_hinge",
    "relativistic_hinge",
    "relativistic_paired",
]
Scores = Tensor | Sequence[Tensor]
"""What a critic gives: numbers (N, 1), a map (N, 1, h, w), or a list of maps, of several sizes or heads."""


def maps_of(scores: Scores) -> list[Tensor]:
    """Return a critic's maps of scores as a list, also if it gives one alone."""
    return [scores] if isinstance(scores, Tensor) else list(scores)


def mean_scores(scores: Scores) -> Tensor:
    """Return the mean score of each picture, (N,), in which all maps weigh the same.

    >>> mean_scores([torch.tensor([[1.0], [2.0]]), torch.full((2, 1, 4, 4), 3.0)])
    tensor([2.0000, 2.5000])
    """
    return torch.stack([wide(one).flatten(1).mean(dim=1) for one in maps_of(scores)]).mean(dim=0)


def pairs_of(real: Scores, fake: Scores) -> list[tuple[Tensor, Tensor]]:
    """Return the maps of real and generated pictures in pairs, in 32 bits or more.

    Raises:
        InputError: for a different number of maps.
    """
    reals, fakes = maps_of(real), maps_of(fake)
    if len(reals) != len(fakes) or not reals:
        raise InputError("as many maps of real as of generated pictures", f"{len(reals)} and {len(fakes)}")
    return [(wide(r), wide(f)) for r, f in zip(reals, fakes, strict=True)]


class _Game(NamedTuple):
    """The loss of the critic, and that of the generator, each a function of the scores (real, fake)."""

    critic: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Tensor], Tensor]


def _vanilla_critic(real: Tensor, fake: Tensor) -> Tensor:
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def _hinge_critic(real: Tensor, fake: Tensor) -> Tensor:
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def _relativistic(critic: Callable[[Tensor, Tensor], Tensor]) -> _Game:
    """Return the average kind of a game, of scores less the mean of the other side's; the generator's mirrors it."""

    def loss(real: Tensor, fake: Tensor) -> Tensor:
        return critic(real - fake.mean(), fake - real.mean())

    return _Game(loss, generator=lambda real, fake: loss(fake, real))


def _paired(real: Tensor, fake: Tensor) -> Tensor:
    if real.shape != fake.shape:
        raise InputError("a generated picture for each real one", f"{tuple(real.shape)} and {tuple(fake.shape)}")
    return F.softplus(fake - real).mean()


_LEAST_SQUARES = _Game(
    critic=lambda real, fake: ((real - 1).square().mean() + fake.square().mean()) / 2,
    generator=lambda real, fake: (fake - 1).square().mean() / 2,
)
_NON_SATURATING = _Game(_vanilla_critic, generator=lambda real, fake: F.softplus(-fake).mean())
_GAMES: dict[str, _Game] = {
    "wasserstein": _Game(
        critic=lambda real, fake: fake.mean() - real.mean(),
        generator=lambda real, fake: -fake.mean(),
    ),
    "hinge": _Game(
        critic=_hinge_critic,
        generator=lambda real, fake: -fake.mean(),
    ),
    "non_saturating": _NON_SATURATING,
    "vanilla": _NON_SATURATING,
    "least_squares": _LEAST_SQUARES,
    "lsgan": _LEAST_SQUARES,
    "relativistic_average": _relativistic(_vanilla_critic),
    "relativistic": _relativistic(_vanilla_critic),
    "relativistic_average_hinge": _relativistic(_hinge_critic),
    "relativistic_hinge": _relativistic(_hinge_critic),
    "relativistic_paired": _Game(_paired, generator=lambda real, fake: _paired(fake, real)),
}


class GANLoss(nn.Module):
    r"""The losses of a critic that tells real pictures from generated ones, and of the generator that fools it.

    ``critic_loss(real, fake)`` and ``generator_loss(fake)`` take the critic's raw scores, without a sigmoid: high is
    real. Scores have any shape: (N, 1), a map of patches, or a list of maps. Of a list the loss is the mean over maps
    (pix2pixHD takes the sum). Both losses are scalars and both are to be minimised. They are computed in 32 bits or
    more.

    Below, :math:`r` and :math:`f` are the scores of real and of generated ("fake") pictures, and :math:`\zeta(t) =
    \log(1 + e^t)`. E is the mean over batch and places.

    | kind | critic | generator |
    |---|---|---|
    | "non_saturating" | :math:`E\,\zeta(-r) + E\,\zeta(f)` | :math:`E\,\zeta(-f)` |
    | "least_squares" | :math:`\frac12 E(r - 1)^2 + \frac12 E f^2` | :math:`\frac12 E(f - 1)^2` |
    | "hinge" | :math:`E\max(0, 1 - r) + E\max(0, 1 + f)` | :math:`-E f` |
    | "relativistic_average" | :math:`E\,\zeta(E f - r) + E\,\zeta(f - E r)` | with r and f exchanged |
    | "relativistic_average_hinge" | :math:`E\max(0, 1 - r + E f) + E\max(0, 1 + f - E r)` | with r and f exchanged |
    | "relativistic_paired" | :math:`E\,\zeta(f - r)` | :math:`E\,\zeta(r - f)` |
    | "wasserstein" | :math:`E f - E r` | :math:`-E f` |

    - **Second names**: "vanilla" is "non_saturating", "lsgan" is "least_squares", "relativistic" is
      "relativistic_average", and "relativistic_hinge" is "relativistic_average_hinge".
    - "non_saturating": the critic of the first GAN, by binary cross-entropy. The generator's loss is the one that keeps
      a gradient where the critic is sure.
    - "relativistic_average", "relativistic_average_hinge": is a real picture more real than the generated ones on
      average? Code derived from BasicSR halves both losses of "relativistic_average", UEGAN's those of the hinge.
    - "relativistic_paired": is the n-th real picture more real than the n-th generated one? It wants R1 and R2
      (:func:`r1_penalty`, :func:`r2_penalty`).
    - "wasserstein": the critic's slope must be bounded, by :func:`gradient_penalty`, :func:`clip_weights` or spectral
      norm.

    Args:
        kind: one of the table, or a second name.

    Raises:
        InputError: for an unknown kind; when called, for lists of different lengths, or a generator's loss without the
            real scores that it needs.

    Source: Goodfellow et al. 2014; Mao et al., LSGAN, 2017; Lim and Ye 2017 and Miyato et al. 2018 (hinge);
    Jolicoeur-Martineau 2018 (relativistic ones); Huang et al., "The GAN is dead; long live the GAN!", 2024 (paired,
    with R1 and R2); Arjovsky et al., WGAN, 2017.

    >>> adversarial = GANLoss("wasserstein")
    >>> real, fake = torch.tensor([[3.0], [1.0]]), torch.tensor([[0.5], [0.5]])
    >>> adversarial.critic_loss(real, fake), adversarial.generator_loss(fake)
    (tensor(-1.5000), tensor(-0.5000))
    """

    def __init__(self, kind: Kind = "non_saturating") -> None:
        super().__init__()
        self.kind = check_choice("kind", kind, get_args(Kind))

    @property
    def needs_real(self) -> bool:
        """Whether the generator's loss needs the scores of real pictures, too."""
        return self.kind.startswith("relativistic")

    def critic_loss(self, real: Scores, fake: Scores) -> Tensor:
        """Return the critic's loss, a scalar.

        Args:
            real: its scores of real pictures.
            fake: its scores of generated pictures, made without a gradient to the generator
                (``critic(generated.detach())``).
        """
        return _mean(_GAMES[self.kind].critic, real, fake)

    def generator_loss(self, fake: Scores, real: Scores | None = None) -> Tensor:
        """Return the generator's loss, a scalar.

        Args:
            fake: the critic's scores of generated pictures.
            real: its scores of real pictures, which the relativistic kinds alone need.
        """
        if real is None:
            if self.needs_real:
                raise InputError(f"generator_loss(fake, real) for the {self.kind} loss", "no real scores")
            real = fake
        return _mean(_GAMES[self.kind].generator, real, fake)

    def extra_repr(self) -> str:
        """Return the kind, for ``repr``."""
        return repr(self.kind)


def _mean(loss: Callable[[Tensor, Tensor], Tensor], real: Scores, fake: Scores) -> Tensor:
    """Return the mean of a loss over all maps of scores."""
    return torch.stack([loss(r, f) for r, f in pairs_of(real, fake)]).mean()
