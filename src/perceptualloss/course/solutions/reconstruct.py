"""Chapter 9: what a layer keeps."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def reconstruct(
    network: Callable[[Tensor], Tensor], photo: Tensor, steps: int = 200, learning_rate: float = 0.05
) -> Tensor:
    """Return a picture with the photo's features, found from noise; photo and result have shape (1, 3, H, W).

    network(pictures) gives the features of one layer. In each step the picture moves, so that the mean squared
    difference of the features shrinks.
    """
    with torch.no_grad():
        wanted = network(photo)
    picture = torch.rand(photo.shape, requires_grad=True)
    optimizer = torch.optim.Adam([picture], lr=learning_rate)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.mse_loss(network(picture), wanted)
        loss.backward()
        optimizer.step()
    return picture.detach()
