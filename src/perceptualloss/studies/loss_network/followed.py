"""Pictures on their way down a student's own loss, which is where it is to be right and photos do not lead."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from perceptualloss.losses.style import gram_matrix

Features = Callable[[Tensor], Mapping[str, Tensor]]

STEPS = (0.003, 0.02)  # the least and the largest change of a step, root mean square, of [0, 1]


class FollowedPictures(nn.Module):
    r"""Photos that are given the style of other photos through a student, a few steps whenever they are asked for.

    A picture that was optimised through a network is one that deceives it, if any does: no noise or blur makes its
    like. Each of ``count`` pictures moves against the gradient :math:`g` of

    .. math:: \sum_l \frac{\|G_l(x) - G_l(y)\|_F^2}{\|G_l(y)\|_F^2}

    by :math:`\epsilon g / \sqrt{\overline{g^2}}`, with :math:`\epsilon` drawn anew in each step, its logarithm evenly.
    On average after ``life`` of its turns it is given up for a new photo. Pictures and goals are buffers, so that a
    checkpoint has them.

    Args:
        size: height and width of the pictures.
        count: how many there are.
        moves: steps a turn.
        life: turns, on average, with one photo; ``moves * life`` steps.

    Source: Ross, Gordon and Bagnell, "A Reduction of Imitation Learning and Structured Prediction to No-Regret Online
    Learning", AISTATS 2011 (DAgger: who imitates has to be taught where the imitation leads).
    """

    pictures: Tensor
    photos: Tensor
    styles: Tensor
    turn: Tensor

    def __init__(self, size: int, count: int = 8, moves: int = 2, life: int = 60) -> None:
        super().__init__()
        self.moves, self.life = moves, life
        for name in ("pictures", "photos", "styles"):
            self.register_buffer(name, torch.zeros(count, 3, size, size))
        self.register_buffer("turn", torch.tensor(0))

    def forward(self, student: Features, photos: Tensor) -> tuple[Tensor, Tensor]:
        """Move the next picture on, and return it and the photo that it was, each (1, 3, size, size).

        Args:
            student: gives the features of the layers whose Gram matrices are compared.
            photos: at least two, (N, 3, size, size); of the first and the second a new beginning is made.
        """
        number = int(self.turn) % len(self.pictures)
        if int(self.turn) < len(self.pictures) or torch.rand(()) * self.life < 1:
            self.pictures[number] = self.photos[number] = photos[0]
            self.styles[number] = photos[1]
        moved = self.pictures[number][None]
        with torch.no_grad():
            goals = {layer: gram_matrix(maps) for layer, maps in student(self.styles[number][None]).items()}
        for _ in range(self.moves):
            moved = _step(student, moved, goals)
        self.pictures[number] = moved[0]
        self.turn += 1
        return moved, self.photos[number][None]


def _step(student: Features, picture: Tensor, goals: Mapping[str, Tensor]) -> Tensor:
    """Return the picture one step nearer to the goals."""
    picture = picture.detach().requires_grad_()
    maps = student(picture)
    parts = [(gram_matrix(maps[layer]) - goal).square().sum() / goal.square().sum() for layer, goal in goals.items()]
    (gradient,) = torch.autograd.grad(torch.stack(parts).sum(), picture)
    low, high = STEPS
    step = low * (high / low) ** float(torch.rand(()))
    moved: Tensor = picture - step * gradient / gradient.square().mean().sqrt().clamp(min=1e-12)
    return moved.detach().clamp(0, 1)
