"""Codes of autoencoders: what stands between encoder and decoder, and how much it holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from perceptualloss.errors import InputError

_MARGIN = 1e-3  # by which the outermost levels can be overshot, so that they are reached
_HALVES = (torch.float16, torch.bfloat16)
_MOST_CODES = 2**62  # that indices of 64 bits count


@dataclass(frozen=True)
class Gaussian:
    """Independent normal distributions, one for each number of a code.

    Attributes:
        mean: (N, ...).
        log_variance: of the same shape.

    >>> Gaussian(torch.zeros(1, 4, 2, 2), torch.zeros(1, 4, 2, 2)).divergence()
    tensor([0.])
    """

    mean: Tensor
    log_variance: Tensor

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Return one draw, through which gradients reach mean and variance."""
        noise = torch.empty_like(self.mean).normal_(generator=generator)
        return self.mean + (0.5 * self.log_variance).exp() * noise

    def divergence(self) -> Tensor:
        r"""Return the Kullback-Leibler divergence from the standard normal distribution, (N,), in nats, in 32 bits.

        :math:`\frac{1}{2} \sum (\mu^2 + \sigma^2 - 1 - \ln \sigma^2)`. Divided by ln 2 it is how many bits a code
        costs on average (Kingma and Welling, "Auto-Encoding Variational Bayes", 2014).
        """
        mean, log_variance = (x.float() if x.dtype in _HALVES else x for x in (self.mean, self.log_variance))
        each = mean.square() + log_variance.exp() - 1 - log_variance
        return 0.5 * each.flatten(1).sum(dim=1)


class FiniteScalarQuantizer(nn.Module):
    r"""Rounds every channel to one of a few levels: (N, channels, H, W) to the same, in 32 bits.

    With L levels, :math:`z` becomes

    .. math:: \mathrm{round}\big(h \tanh(z + \mathrm{artanh}(o / h)) - o\big) / \lfloor L / 2 \rfloor

    with :math:`h = 1.001 (L - 1) / 2` and o = 1/2 for an even L, else 0. Levels are evenly spaced in [-1, 1], 0 among
    them. The gradient is that without rounding (straight through). There is no codebook to learn, and no loss for one.

    Args:
        levels: of each channel, from 2. Those of the paper: (8, 5, 5, 5) for about 2^10 codes, (8, 8, 8, 5, 5, 5)
            for about 2^16.

    Raises:
        InputError: for no channel, fewer than 2 levels, or more codes than 2^62.

    Source: Mentzer, Minnen, Agustsson and Tschannen, "Finite Scalar Quantization: VQ-VAE Made Simple", ICLR 2024.

    >>> quantizer = FiniteScalarQuantizer([3, 2])
    >>> code = quantizer(torch.tensor([[-4.0, 4.0]])[..., None, None])
    >>> code.flatten().tolist(), quantizer.indices(code).item()
    ([-1.0, 0.0], 3)
    """

    def __init__(self, levels: Sequence[int] = (8, 8, 8, 5, 5, 5)) -> None:
        super().__init__()
        if not levels or min(levels) < 2 or math.prod(levels) > _MOST_CODES:
            raise InputError("levels from 2, of at most 2^62 codes", str(list(levels)), "Such as 8, 5, 5, 5.")
        self.levels = tuple(levels)

    @property
    def size(self) -> int:
        """How many different codes a place can have."""
        return math.prod(self.levels)

    def forward(self, z: Tensor) -> Tensor:
        """Round; keeps the gradient of what is rounded."""
        self._check(z)
        z = z.float() if z.dtype in _HALVES else z
        return torch.stack([_rounded(one, levels) for one, levels in zip(z.unbind(1), self.levels, strict=True)], dim=1)

    def indices(self, code: Tensor) -> Tensor:
        """Return the number of each place's code, from 0 to ``size`` - 1: (N, channels, H, W) to (N, H, W).

        Args:
            code: rounded, as :meth:`forward` gives it.
        """
        self._check(code)
        index = torch.zeros_like(code[:, 0], dtype=torch.int64)
        for channel, levels in reversed(list(enumerate(self.levels))):
            half = levels // 2
            index = index * levels + (code[:, channel] * half).round().long() + half
        return index

    def codes(self, indices: Tensor) -> Tensor:
        """Return the codes of numbers: (N, H, W) to (N, channels, H, W), in 32 bits.

        Raises:
            InputError: for no whole numbers. Numbers beyond ``size`` - 1 are not looked for, as a GPU would wait.
        """
        if indices.is_floating_point() or indices.is_complex() or indices.dtype == torch.bool:
            raise InputError("whole numbers of codes", str(indices.dtype))
        channels, rest = [], indices.long()
        for levels in self.levels:
            channels.append((rest % levels - levels // 2).float() / (levels // 2))
            rest = rest // levels
        return torch.stack(channels, dim=1)

    def extra_repr(self) -> str:
        """Say the levels."""
        return f"levels={self.levels}"

    def _check(self, z: Tensor) -> None:
        if z.ndim < 2 or z.shape[1] != len(self.levels):
            raise InputError(f"(N, {len(self.levels)}, ...), a channel for each of the levels", str(tuple(z.shape)))


def _rounded(z: Tensor, levels: int) -> Tensor:
    half, offset = (1 + _MARGIN) * (levels - 1) / 2, 0.5 * (levels % 2 == 0)
    bounded = half * (z + math.atanh(offset / half)).tanh() - offset
    through = bounded - bounded.detach()  # 0, with the gradient
    return (bounded.detach().round() + through) / (levels // 2)
