"""What every transformation network promises."""

from __future__ import annotations

from torch import nn


class TransformationNetwork(nn.Module):
    """Takes pictures (N, 3, H, W) in [0, 1] and gives them at ``scale`` times the size, about [0, 1].

    The constructor's arguments are kept as attributes of the same names, so that a saved network can be
    built anew.
    """

    scale: int = 1
