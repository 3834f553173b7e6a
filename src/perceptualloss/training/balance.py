"""Who is winning, generator or critic: moving averages, and when they say that the game is over."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WINDOW = 100  # steps that the averages look back over, and before which nothing is judged
AHEAD, BEHIND, RUNAWAY = 0.99, 0.25, 100.0


def ranked_right(real: Tensor, fake: Tensor) -> Tensor:
    """Return for what share of the pairs the critic scores the real picture above the generated one, in [0, 1].

    Args:
        real: scores of real pictures, (N, ...); a map of scores counts with its mean.
        fake: scores of the pictures generated in their place.

    >>> ranked_right(torch.tensor([[3.0], [1.0]]), torch.tensor([[2.0], [2.0]]))
    tensor(0.5000)
    """
    return (real.flatten(1).mean(dim=1) > fake.flatten(1).mean(dim=1)).float().mean()


def verdict(balance: float, norms: tuple[float, float], first: tuple[float, float], *, ahead_is_well: bool) -> str:
    """Say who has won, in a sentence, or nothing.

    - The critic has won when it ranks more than 99% of the pairs right: its loss hardly changes with what the
      generator does. A Wasserstein critic should be that far ahead (``ahead_is_well``), for its gradient stays.
    - The generator has won when the critic ranks less than 25% right: it prefers what is generated.
    - Nobody wins when the gradient of one of them has grown to 100 times its first average: it runs away.

    Args:
        balance: the moving average of :func:`ranked_right`.
        norms: moving averages of the norms of the critic's and the generator's gradient.
        first: the same after the first 100 steps.
        ahead_is_well: whether the critic may rank all right.

    >>> verdict(0.1, (1, 1), (1, 1), ahead_is_well=False)[:21]
    'the generator has won'
    """
    for name, norm, before in zip(("critic", "generator"), norms, first, strict=True):
        if not norm <= RUNAWAY * max(before, 1e-12):  # also NaN
            return f"the {name}'s gradient runs away ({before:.2g} at first, {norm:.2g} now): lower its learning rate"
    if balance > AHEAD and not ahead_is_well:
        return (
            "the critic has won (it ranks 99% of the pairs right): lower its learning rate or the number of its steps"
        )
    if balance < BEHIND:
        return "the generator has won (the critic prefers its pictures): lower the adversarial weight or raise n_critic"
    return ""


class Balance(nn.Module):
    """Moving averages over about 100 steps of the critic's ranking and of both gradients' norms.

    They are buffers, so that a checkpoint has them.
    """

    averages: Tensor
    first: Tensor
    steps: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("averages", torch.zeros(3))
        self.register_buffer("first", torch.zeros(3))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.said = ""

    @torch.no_grad()
    def update(self, ranked: Tensor, critic_norm: Tensor, generator_norm: Tensor) -> Tensor:
        """Take one step's values, scalars, and return the ranking's average; what is not finite does not count."""
        self.steps += 1
        new = torch.stack([ranked.to(self.averages), critic_norm.to(self.averages), generator_norm.to(self.averages)])
        new = torch.where(new.isfinite(), new, self.averages)
        self.averages.lerp_(new, (1 / self.steps).clamp(min=1 / WINDOW).to(new))
        self.first.copy_(torch.where(self.steps <= WINDOW, self.averages, self.first))
        return self.averages[0]

    def warning(self, *, ahead_is_well: bool) -> str:
        """Return the verdict if it is a new one; reads the values, so that a GPU is waited for."""
        if int(self.steps) <= WINDOW:
            return ""
        (balance, *norms), (_, *first) = self.averages.tolist(), self.first.tolist()
        why = verdict(balance, (norms[0], norms[1]), (first[0], first[1]), ahead_is_well=ahead_is_well)
        kind = why.partition("(")[0]
        if kind == self.said:
            return ""
        self.said = kind
        return why
