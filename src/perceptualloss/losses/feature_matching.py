"""A critic's own layers as a loss network: generated pictures shall leave there what real ones leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from perceptualloss.errors import InputError, check_choice, check_same_shape
from perceptualloss.numerics import wide


def feature_matching(
    fake: Sequence[Tensor], real: Sequence[Tensor], reduction: Literal["mean", "sum"] = "mean"
) -> Tensor:
    r"""Return the distance between a critic's features of generated and of real pictures, a scalar.

    .. math:: \frac{1}{L}\sum_j \frac{1}{n_j}\|D_j(G(z)) - D_j(x)\|_1

    :math:`D_j` are the features of layer j, of L layers, with :math:`n_j` numbers. They come with the scores in one
    pass: ``scores, features = critic(images, features=True)``. Gradients reach ``fake`` alone. It is computed in 32
    bits or more.

    Args:
        fake: features of generated pictures, of all layers and scales.
        real: features of the real pictures that they stand for, pair by pair.
        reduction: "mean" over layers and scales, as in pix2pixHD, or "sum", as in HiFi-GAN.

    Raises:
        InputError: for no features, or those of other layers or of pictures of another size.

    Source: Wang et al., pix2pixHD, CVPR 2018 (weight 10); Kong et al., HiFi-GAN, 2020 (weight 2); first as a match of
    means: Salimans et al., "Improved Techniques for Training GANs", 2016.

    >>> ones = torch.ones(2, 4, 3, 3)
    >>> feature_matching([ones, 2 * ones], [ones, ones])
    tensor(0.5000)
    """
    check_choice("reduction", reduction, ("mean", "sum"))
    if len(fake) != len(real) or not fake:
        remedy = "Both come from critic(images, features=True)."
        raise InputError("the features of as many layers of both", f"{len(fake)} and {len(real)}", remedy)
    for one, other in zip(fake, real, strict=True):
        check_same_shape("features of generated", one, "of real pictures", other)
    distances = [(wide(one) - wide(other.detach())).abs().mean() for one, other in zip(fake, real, strict=True)]
    found = torch.stack(distances)
    return found.mean() if reduction == "mean" else found.sum()
