"""How much of a teacher's features a loss network sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from perceptualloss.losses.style import gram_matrix


@dataclass(frozen=True)
class Imitated:
    """What a network sees of its teacher in one layer.

    ``explained`` is the explained variance, at most 1; ``gram_error`` the mean relative error of the Gram matrices.
    """

    explained: float
    gram_error: float


class Imitation:
    r"""Compare features with a teacher's over many pictures.

    In a layer, the explained variance is :math:`1 - \frac{\sum (s - t)^2}{\sum (t - \bar t)^2}` over pictures, channels
    and positions, with :math:`\bar t` the mean of a channel; a picture's Gram error is
    :math:`\|G(s) - G(t)\|_F / \|G(t)\|_F`.
    """

    def __init__(self) -> None:
        self._sums: dict[str, list[Tensor]] = {}
        self._gram_errors: dict[str, list[Tensor]] = {}

    @torch.no_grad()
    def update(self, student: Mapping[str, Tensor], teacher: Mapping[str, Tensor]) -> None:
        """Take the features of a batch, ``{layer: (N, C, H, W)}``, in the teacher's space."""
        for layer, features in teacher.items():
            s, t = student[layer].float(), features.float()
            sums = [
                (s - t).square().sum().double(),
                t.sum((0, 2, 3)).double(),
                t.square().sum().double(),
                torch.tensor(float(t[:, 0].numel())),
            ]
            so_far = self._sums.setdefault(layer, [torch.zeros(()) for _ in sums])
            self._sums[layer] = [a.to(b) + b for a, b in zip(so_far, sums, strict=True)]
            self._gram_errors.setdefault(layer, []).append(gram_errors(s, t))

    def compute(self) -> dict[str, Imitated]:
        """Return what the student sees in each layer."""
        layers = {}
        for layer, (error, total, squares, count) in self._sums.items():
            variance = squares - total.square().sum() / count
            gram_error = torch.cat(self._gram_errors[layer]).mean()
            layers[layer] = Imitated((1 - error / variance).item(), gram_error.item())
        return layers


def gram_errors(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the relative error of each picture's Gram matrix, (N,), for features (N, C, H, W)."""
    s, t = gram_matrix(student), gram_matrix(teacher)
    errors: Tensor = (s - t).flatten(1).norm(dim=1) / t.flatten(1).norm(dim=1).clamp(min=1e-12)
    return errors
