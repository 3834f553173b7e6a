"""Which of a network's parameters are trained, and their optimiser."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from perceptualloss.errors import InputError, check_choice


def freeze_parts(network: nn.Module, names: Sequence[str]) -> None:
    """Leave the named submodules, and the statistics of their batch norms, as they are.

    Raises:
        InputError: for a name that the network has not.
    """
    parts = dict(network.named_modules())
    for name in names:
        parts[check_choice("a submodule to freeze", name, filter(None, parts))].requires_grad_(False).eval()


def adam(network: nn.Module, learning_rate: float, betas: tuple[float, float]) -> torch.optim.Adam:
    """Return Adam for the parameters that are trained.

    Raises:
        InputError: if all are frozen.
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if not trained:
        raise InputError("at least one parameter to train", f"a {type(network).__name__} frozen whole")
    return torch.optim.Adam(trained, lr=learning_rate, betas=betas)
