"""The colours of one picture under the light and shade of another."""

from __future__ import annotations

from torch import Tensor

from perceptualloss.errors import check_same_shape
from perceptualloss.pictures.images import luminance

_STUDIO = 255 / 219  # images.luminance runs from 16 to 235 of 255


def keep_colors(picture: Tensor, content: Tensor) -> Tensor:
    """Return the luminance of ``picture`` with the chrominance of ``content``, (N, 3, H, W) in [0, 1].

    The same amount is added to red, green and blue, which changes Y of YIQ alone; what leaves [0, 1] is clipped.

    Raises:
        InputError: for pictures of different shape.

    Source: Gatys et al., "Preserving Color in Neural Artistic Style Transfer", 2016 (luminance-only transfer).

    >>> import torch
    >>> grey, red = torch.full((1, 3, 1, 1), 0.5), torch.tensor([0.8, 0.2, 0.2]).view(1, 3, 1, 1)
    >>> keep_colors(grey, red).flatten()
    tensor([0.9206, 0.3206, 0.3206])
    """
    check_same_shape("picture", picture, "content", content)
    return (content + _STUDIO * (luminance(picture) - luminance(content))).clamp(0, 1)


def luminance_like(picture: Tensor, content: Tensor) -> Tensor:
    """Return the luminance of ``picture`` in three equal channels, with the mean and spread of that of ``content``.

    So a dark painting does not darken the photo: Gatys et al. match them before the transfer.
    """
    own, wanted = ((_STUDIO * luminance(x) - 16 / 219) for x in (picture, content))
    spread = wanted.std(correction=0) / own.std(correction=0).clamp(min=1e-4)
    return ((own - own.mean()) * spread + wanted.mean()).clamp(0, 1).expand(-1, 3, -1, -1)
