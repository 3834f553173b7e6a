"""LeCam regularisation: a critic's scores stay near the average of those that it gave the other side."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from perceptualloss.errors import InputError
from perceptualloss.losses.adversarial import Scores, pairs_of


class LeCam(nn.Module):
    r"""A penalty for the critic's loss that keeps it from learning a few pictures by heart.

    .. math:: \lambda\left(E(D(x) - \alpha_F)^2 + E(D(G(z)) - \alpha_R)^2\right)

    :math:`\alpha_R` and :math:`\alpha_F` are the moving averages of the mean score of real and of generated pictures,
    with this step's scores in them. After step t (from 1) :math:`\alpha \leftarrow d_t \alpha + (1 - d_t) E D` with
    :math:`d_t = \min(d, 1 - \frac{1}{t})`, so the first steps are plain means.

    - **Use**: with hinge or Wasserstein it keeps scores bounded. With a small training set it keeps the critic from
      winning.
    - **Several maps of scores**: each has its own averages, and the penalty is the mean over maps.
    - **State**: the averages are in ``state_dict()``. In evaluation they stay as they are.
    - **Several processes**: give it the scores of all, so that averages agree.
    - **Other code** counts only scores that lie on the right side of the other's average. The paper's formula counts
      all, and so does this.

    Args:
        weight: :math:`\lambda`.
        decay: :math:`d`, in [0, 1); 0.99 averages over about the last 100 steps.
        maps: how many maps of scores the critic gives (``critic.maps`` of this package's critics).

    Raises:
        InputError: for a weight that is not positive or a decay outside of [0, 1); when called, for another number of
            maps.

    Source: Tseng et al., "Regularizing Generative Adversarial Networks under Limited Data", CVPR 2021.

    >>> regularise = LeCam(weight=0.5)
    >>> regularise(torch.full((4, 1), 3.0), torch.full((4, 1), 1.0))  # 0.5 * (2^2 + 2^2)
    tensor(4.)
    """

    real: Tensor
    fake: Tensor
    steps: Tensor

    def __init__(self, weight: float = 0.1, decay: float = 0.99, maps: int = 1) -> None:
        super().__init__()
        if not weight > 0 or not 0 <= decay < 1 or maps < 1:
            got = f"{weight}, {decay} and {maps}"
            raise InputError("a positive weight, a decay from 0 to below 1 and maps from 1", got)
        self.weight, self.decay, self.maps = weight, decay, maps
        self.register_buffer("real", torch.zeros(maps))
        self.register_buffer("fake", torch.zeros(maps))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, real: Scores, fake: Scores) -> Tensor:
        """Let the averages follow, in training, and return the penalty, a scalar.

        Args:
            real: the critic's scores of real pictures.
            fake: those of generated ones.
        """
        pairs = pairs_of(real, fake)
        if len(pairs) != self.maps:
            raise InputError(f"{self.maps} maps of scores", str(len(pairs)), f"Build it with maps={len(pairs)}.")
        if self.training:
            self._follow(pairs)
        penalties = [
            (r - self.fake[n]).square().mean() + (f - self.real[n]).square().mean() for n, (r, f) in enumerate(pairs)
        ]
        return self.weight * torch.stack(penalties).mean()

    @torch.no_grad()
    def _follow(self, pairs: list[tuple[Tensor, Tensor]]) -> None:
        """Take the mean scores of a step; what is not finite does not count."""
        self.steps += 1
        rate = (1 / self.steps).clamp(min=1 - self.decay)
        for average, scores in zip((self.real, self.fake), zip(*pairs, strict=True), strict=True):
            means = torch.stack([one.mean() for one in scores]).to(average)
            followed = average.lerp(means, rate.to(average))
            average.copy_(torch.where(means.isfinite(), followed, average))

    def extra_repr(self) -> str:
        """Return the settings, for ``repr``."""
        return f"weight={self.weight}, decay={self.decay}, maps={self.maps}"
