"""A critic: scores how real a picture looks."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from perceptualloss.errors import InputError, check_image_batch


class Critic(nn.Module):
    """Scores pictures of any size: the higher, the more real. 17,470,017 parameters.

    Six convolutions of stride 2, 3-32 (9 x 9) and 32-64-128-256-512-1024 (5 x 5), each with LeakyReLU; the
    mean over all places (4 x 4 of them at 256 x 256 pixels); a linear layer to one number. No normalisation: a
    gradient penalty wants scores in which pictures of a batch do not depend on each other.

    Args:
        width: channels of the first convolution; each of the next five has twice as many.
        slope: LeakyReLU's slope below zero.

    Raises:
        InputError: for a width below 1; when called, for something that is no batch of pictures.

    Source: after the course "Adversarial Loss", whose text asks for a score on an open scale in place of a class, high
    for real pictures, and names no layer of its critic: all layers here are this project's reconstruction.

    >>> import torch
    >>> Critic(width=2)(torch.rand(4, 3, 50, 70)).shape
    torch.Size([4, 1])
    """

    def __init__(self, width: int = 32, slope: float = 0.2) -> None:
        super().__init__()
        if width < 1:
            raise InputError("width from 1", str(width))
        self.width, self.slope = width, slope
        widths = [3, *(width * 2**layer for layer in range(6))]
        layers: list[nn.Module] = []
        for (a, b), kernel in zip(pairwise(widths), [9, 5, 5, 5, 5, 5], strict=True):
            layers += [nn.Conv2d(a, b, kernel, stride=2, padding=kernel // 2), nn.LeakyReLU(slope)]
        self.features = nn.Sequential(*layers)
        self.score = nn.Linear(widths[-1], 1)

    def forward(self, images: Tensor) -> Tensor:
        """Score pictures (N, 3, H, W) in [0, 1]; returns (N, 1), unbounded."""
        check_image_batch("images", images)
        score: Tensor = self.score(self.features(images - 0.5).mean(dim=(2, 3)))
        return score
