"""Adversarial losses: what a critic's scores mean for the critic and for the generator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perceptualloss.errors import InputError, check_choice, check_same_shape
from perceptualloss.numerics import wide

Kind = Literal["vanilla", "least_squares", "lsgan", "hinge", "relativistic", "relativistic_hinge", "wasserstein"]


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


_LEAST_SQUARES = _Game(
    critic=lambda real, fake: ((real - 1).square().mean() + fake.square().mean()) / 2,
    generator=lambda real, fake: (fake - 1).square().mean() / 2,
)
_GAMES: dict[str, _Game] = {
    "vanilla": _Game(_vanilla_critic, generator=lambda real, fake: F.softplus(-fake).mean()),
    "least_squares": _LEAST_SQUARES,
    "lsgan": _LEAST_SQUARES,
    "hinge": _Game(
        critic=_hinge_critic,
        generator=lambda real, fake: -fake.mean(),
    ),
    "relativistic": _relativistic(_vanilla_critic),
    "relativistic_hinge": _relativistic(_hinge_critic),
    "wasserstein": _Game(
        critic=lambda real, fake: fake.mean() - real.mean(),
        generator=lambda real, fake: -fake.mean(),
    ),
}


class GANLoss(nn.Module):
    r"""The losses of a critic that tells real pictures from generated ones, and of the generator that fools it.

    Scores are the critic's raw output of any shape, (N, 1) or a map of patches, without a sigmoid: high is
    real. With :math:`r` and :math:`f` the scores of real and generated ("fake") pictures, :math:`\zeta(t) =
    \log(1 + e^t)` and means over the batch, both are to be minimised:

    | kind | critic | generator |
    |---|---|---|
    | "vanilla" | :math:`E\,\zeta(-r) + E\,\zeta(f)` | :math:`E\,\zeta(-f)` |
    | "least_squares", "lsgan" | :math:`\frac12 E(r - 1)^2 + \frac12 E f^2` | :math:`\frac12 E(f - 1)^2` |
    | "hinge" | :math:`E\max(0, 1 - r) + E\max(0, 1 + f)` | :math:`-E f` |
    | "relativistic" | :math:`E\,\zeta(E f - r) + E\,\zeta(f - E r)` | the same with r and f exchanged |
    | "relativistic_hinge" | :math:`E\max(0, 1 - r + E f) + E\max(0, 1 + f - E r)` | with r and f exchanged |
    | "wasserstein" | :math:`E f - E r` | :math:`-E f` |

    "vanilla" is the binary cross-entropy, with the generator's loss that does not saturate. "relativistic" and
    "relativistic_hinge" are the average kinds: is a real picture more real than the generated ones on average?
    Code derived from BasicSR halves both losses of the first, and UEGAN's those of the second. "wasserstein"
    needs a critic of bounded slope: :func:`gradient_penalty` or :func:`clip_weights`. All are computed in 32 bits
    or more.

    Args:
        kind: one of the above.

    Raises:
        InputError: for an unknown kind, or a generator's loss without the real scores that it needs.

    Source: Goodfellow et al. 2014; Mao et al., LSGAN, 2017; Lim and Ye 2017 and Miyato et al. 2018 (hinge);
    Jolicoeur-Martineau 2018 (both relativistic ones); Arjovsky et al., WGAN, 2017.

    >>> adversarial = GANLoss("wasserstein")
    >>> real, fake = torch.tensor([[3.0], [1.0]]), torch.tensor([[0.5], [0.5]])
    >>> adversarial.critic_loss(real, fake), adversarial.generator_loss(fake)
    (tensor(-1.5000), tensor(-0.5000))
    """

    def __init__(self, kind: Kind = "vanilla") -> None:
        super().__init__()
        self.kind = check_choice("kind", kind, get_args(Kind))

    @property
    def needs_real(self) -> bool:
        """Whether the generator's loss needs the scores of real pictures, too."""
        return self.kind.startswith("relativistic")

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the critic's loss, a scalar.

        Args:
            real: its scores of real pictures.
            fake: its scores of generated pictures, made without a gradient to the generator
                (``critic(generated.detach())``).
        """
        return _GAMES[self.kind].critic(wide(real), wide(fake))

    def generator_loss(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Return the generator's loss, a scalar.

        Args:
            fake: the critic's scores of generated pictures.
            real: its scores of real pictures, which the relativistic kinds alone need.
        """
        if real is None:
            if self.needs_real:
                raise InputError(f"generator_loss(fake, real) for the {self.kind} loss", "no real scores")
            real = fake
        return _GAMES[self.kind].generator(wide(real), wide(fake))

    def extra_repr(self) -> str:
        """Return the kind, for ``repr``."""
        return repr(self.kind)


def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    weight: float = 10.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Return WGAN-GP's penalty, :math:`\lambda\,E(\|\nabla_x D(x)\|_2 - 1)^2`, a scalar to add to the critic's loss.

    Each x lies at a random place on the line between a real and a generated picture of the batch. The slope of
    the critic's score, summed over its patches if it gives a map, is pulled to 1. The critic must treat every
    picture by itself, so no batch norm in it. Computed with autocast off, in 32 bits or more but for the critic
    itself: a module is given pictures in the type of its weights, and with 16 bits its slope has their accuracy.

    Args:
        critic: gives scores for pictures; its gradient is differentiated again. A function is given 32 bits.
        real: (N, ...), real pictures.
        fake: as ``real``, generated ones; neither gets a gradient.
        weight: :math:`\lambda`.
        generator: draws the places; without it, the device's default one.

    Raises:
        InputError: for batches of different shapes.

    Source: Gulrajani et al., "Improved Training of Wasserstein GANs", 2017, equation 3.

    >>> images = torch.rand(2, 2, 3, 4, 4)
    >>> float(gradient_penalty(lambda x: x.sum(dim=(1, 2, 3)) / 48**0.5, *images)) < 1e-9  # its slope is 1
    True
    """
    check_same_shape("real", real, "fake", fake)
    real, fake = wide(real.detach()), wide(fake.detach())
    device = real.device if generator is None else generator.device
    share = torch.rand(len(real), *[1] * (real.ndim - 1), generator=generator, device=device, dtype=real.dtype)
    between = torch.lerp(fake, real, share.to(real.device)).requires_grad_()
    with torch.autocast(real.device.type, enabled=False):
        scores = wide(critic(between.to(_dtype_of(critic, between.dtype))))
        (slope,) = torch.autograd.grad(scores.sum(), between, create_graph=True)
    # The constant keeps the root's own slope finite where the critic is flat.
    norm = (wide(slope).flatten(start_dim=1).square().sum(dim=1) + 1e-12).sqrt()
    penalty: Tensor = weight * (norm - 1).square().mean()
    return penalty


def _dtype_of(critic: Callable[[Tensor], Tensor], otherwise: torch.dtype) -> torch.dtype:
    """Return the type of a module's weights; that of a function's is not to be seen."""
    parameters = critic.parameters() if isinstance(critic, nn.Module) else ()
    return next((p.dtype for p in parameters if p.is_floating_point()), otherwise)


@torch.no_grad()
def clip_weights(critic: nn.Module, limit: float = 0.01) -> None:
    """Clamp the critic's parameters to [-limit, limit] after each of its steps, which bounds its slope.

    Args:
        critic: changed in place.
        limit: a positive number.

    Raises:
        InputError: for a limit that is not positive.

    Source: Arjovsky et al., "Wasserstein GAN", 2017.

    >>> critic = nn.Linear(4, 1)
    >>> clip_weights(critic)
    >>> bool(critic.weight.abs().max() <= 0.01)
    True
    """
    if not limit > 0:
        raise InputError("limit to be a positive number", repr(limit), "The paper's is 0.01.")
    for parameter in critic.parameters():
        parameter.clamp_(-limit, limit)
