"""The moving average of a network's weights, which is steadier than the weights of any single step."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import PARAM_LIST, AveragedModel

from perceptualloss.errors import InputError
from perceptualloss.numerics import count_not_finite


def moving_average(network: nn.Module, decay: float) -> AveragedModel:
    r"""Return a copy of ``network`` whose :meth:`update_parameters` follows it.

    After update n (from 0), :math:`\bar W \leftarrow d_n \bar W + (1 - d_n) W` with
    :math:`d_n = \min(d, \frac{1 + n}{10 + n})`; the first one copies. So a short run forgets its first weights,
    too. Buffers, such as the statistics of batch norm, are copied. Weights that are not all
    finite are not followed: one NaN would stay for ever.

    Args:
        network: is copied, and left as it is.
        decay: :math:`d`, above 0 and below 1: 0.999 averages over about the last 1000 steps.

    Raises:
        InputError: for another decay.

    Source: Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992; the rising decay is
    TensorFlow's ``ExponentialMovingAverage``.

    >>> weight = nn.Linear(1, 1, bias=False)
    >>> average = moving_average(weight, 0.5)
    >>> for value in (1.0, 2.0):
    ...     _ = weight.weight.data.fill_(value)
    ...     average.update_parameters(weight)
    >>> round(average.module.weight.item(), 4)  # 2/11 of the first and 9/11 of the second
    1.8182
    """
    if not 0 < decay < 1:
        raise InputError("the decay of the average (ema) above 0 and below 1", repr(decay), "Such as 0.999.")

    @torch.no_grad()
    def follow(averages: PARAM_LIST, currents: PARAM_LIST, count: Tensor | int) -> None:
        kept = min(decay, (1 + int(count)) / (10 + int(count)))
        well = count_not_finite(currents) == 0  # stays on the device
        followed = [torch.where(well, current, average) for current, average in zip(currents, averages, strict=True)]
        torch._foreach_lerp_(averages, followed, 1 - kept)

    average = AveragedModel(network, multi_avg_fn=follow)
    return average.requires_grad_(False)
