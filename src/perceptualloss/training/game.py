"""The game of generator and critic: its rules, who is winning, and when it is over."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from perceptualloss.errors import InputError, check_idle
from perceptualloss.losses.adversarial import GANLoss, Kind, Scores, mean_scores

WINDOW = 100  # steps that the averages look back over, and before which nothing is judged
AHEAD, BEHIND, RUNAWAY = 0.99, 0.25, 100.0


@dataclass(frozen=True)
class Game:
    r"""The rules of the adversarial training.

    Args:
        kind: the losses of critic and generator (see :class:`GANLoss`): "wasserstein", "hinge", "non_saturating",
            "least_squares", "relativistic_average", "relativistic_average_hinge" or "relativistic_paired".
        weight: the weight of the adversarial loss beside the recipe's other losses.
        start: at which step after the warm-up the game begins; before, the critic rests, and the generator is trained
            with the recipe's other losses.
        ramp_steps: steps from there over which the weight, and that of feature matching, rise from zero in a line.
        feature_matching: the weight of feature matching: how far generated pictures are from real ones in the
            critic's own layers, from the pass that scores them.
        n_critic: the critic's updates a step, on the step's batch.
        generator_every: the generator is updated at every so many of the steps.
        fresh_fakes: whether the generator makes its pictures anew for each of the critic's updates and for its own, as
            the course prints it, in place of once a step. Weights and batch are the same meanwhile, so only what is
            drawn at random (dropout) differs, and the averages of batch norm move n_critic + 1 times a step.
        clip: the critic's weights are clamped to +- this after each of its updates (0.01 in the paper).
        penalty: weight of the gradient penalty (10 in the paper).
        r1: weight of the penalty R1, over real pictures (see :func:`r1_penalty`).
        r2: weight of the penalty R2, over generated pictures (see :func:`r2_penalty`).
        penalty_every: penalty, r1 and r2 are computed at every so many of the critic's updates, and weigh as many times
            more.
        lecam: weight of LeCam, for small sets of photos (see :class:`LeCam`).
        learning_rate: the learning rate of the critic; its schedule is the generator's.
        betas: Adam's two decays for the critic. (0, 0.99) is RMSprop, which goes with clipping.

    Source: Arjovsky et al., "Wasserstein GAN", 2017; Gulrajani et al., "Improved Training of Wasserstein GANs",
    2017; of the start, Esser et al., "Taming Transformers", 2021; else as the functions say.
    """

    kind: Kind = "wasserstein"
    weight: float = 1e-3
    ramp_steps: int = 0
    n_critic: int = 1
    generator_every: int = 1
    fresh_fakes: bool = False
    clip: float | None = None
    penalty: float | None = None
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.0, 0.9)
    start: int = 0
    feature_matching: float = 0.0
    r1: float | None = None
    r2: float | None = None
    penalty_every: int = 1
    lecam: float | None = None

    def check(self) -> None:
        """Raise InputError for "wasserstein" without a bound, ``clip`` and ``penalty`` at once, or impossible numbers.

        Not when it is built: the command line would bury the message in those of its parser.
        """
        GANLoss(self.kind)
        if self.clip is not None and self.penalty is not None:
            raise InputError("clip or penalty", f"clip={self.clip} and penalty={self.penalty}", "Set one to null.")
        penalised = any(weight is not None for weight in self.penalties.values())
        if self.kind == "wasserstein" and self.clip is None and not penalised:
            remedy = "Such as penalty: 10 or clip: 0.01."
            raise InputError("a critic of bounded slope for the Wasserstein loss", "neither clip nor penalty", remedy)
        if self.clip is not None and not self.clip > 0:
            raise InputError("clip to be a positive number", repr(self.clip), "The paper's is 0.01.")
        if min(self.n_critic, self.generator_every) < 1 or min(self.ramp_steps, self.start) < 0:
            got = f"{self.n_critic}, {self.generator_every}, {self.ramp_steps} and {self.start}"
            raise InputError("n_critic and generator_every from 1, and ramp_steps and start from 0", got)
        for name, weight in {**self.penalties, "lecam": self.lecam}.items():
            if weight is not None and not weight > 0:
                raise InputError(f"{name} to be a positive number", repr(weight), "null leaves it out.")
        if not self.feature_matching >= 0 or self.penalty_every < 1:
            got = f"{self.feature_matching} and {self.penalty_every}"
            raise InputError("feature_matching from 0, and penalty_every from 1", got)
        if not penalised:
            check_idle({"penalty_every": self.penalty_every}, {"penalty_every": 1}, "without penalty, r1 and r2")

    @property
    def penalties(self) -> dict[str, float | None]:
        """The weights of the penalties of the critic's slope, by name; None of those that there are not."""
        return {"penalty": self.penalty, "r1": self.r1, "r2": self.r2}

    def share_at(self, step: int) -> float:
        """Return what share of its weight the critic's part of the generator's loss has, at a step after the warm-up.

        >>> print(*(Game(penalty=10, start=3, ramp_steps=4).share_at(step) for step in (2, 5, 9)))
        0.0 0.5 1.0
        """
        played = step - self.start
        return float(played >= 0) if not self.ramp_steps else min(1.0, max(0.0, played / self.ramp_steps))


def ranked_right(real: Scores, fake: Scores) -> Tensor:
    """Return for what share of the pairs the critic scores the real picture above the generated one, in [0, 1].

    Args:
        real: scores of real pictures, (N, ...); a map of scores counts with its mean, several with the mean of these.
        fake: scores of the pictures generated in their place.

    >>> ranked_right(torch.tensor([[3.0], [1.0]]), torch.tensor([[2.0], [2.0]]))
    tensor(0.5000)
    """
    return (mean_scores(real) > mean_scores(fake)).float().mean()


def verdict(ranked: float, norms: tuple[float, float], first: tuple[float, float], *, ahead_is_well: bool) -> str:
    """Say who has won, in a sentence, or nothing.

    - The critic has won when it ranks more than 99% of the pairs right: its loss hardly changes with what the
      generator does. A Wasserstein critic should be that far ahead (``ahead_is_well``), for its gradient stays.
    - The generator has won when the critic ranks less than 25% right: it prefers what is generated.
    - Nobody wins when the gradient of one of them has grown to 100 times its first average: it runs away.

    Args:
        ranked: the moving average of :func:`ranked_right`.
        norms: moving averages of the norms of the critic's and the generator's gradient.
        first: the same after the first 100 steps.
        ahead_is_well: whether the critic may rank all right.

    >>> verdict(0.1, (1, 1), (1, 1), ahead_is_well=False)[:21]
    'the generator has won'
    """
    for name, norm, before in zip(("critic", "generator"), norms, first, strict=True):
        if not norm <= RUNAWAY * max(before, 1e-12):  # also NaN
            return f"the {name}'s gradient runs away ({before:.2g} at first, {norm:.2g} now): lower its learning rate"
    if ranked > AHEAD and not ahead_is_well:
        return (
            "the critic has won (it ranks 99% of the pairs right): lower its learning rate or the number of its steps"
        )
    if ranked < BEHIND:
        return "the generator has won (the critic prefers its pictures): lower the adversarial weight or raise n_critic"
    return ""


class Standing(nn.Module):
    """How the game stands: moving averages over about 100 steps of the critic's ranking and of both gradients' norms.

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
        (ranked, *norms), (_, *first) = self.averages.tolist(), self.first.tolist()
        why = verdict(ranked, (norms[0], norms[1]), (first[0], first[1]), ahead_is_well=ahead_is_well)
        kind = why.partition("(")[0]
        if kind == self.said:
            return ""
        self.said = kind
        return why
