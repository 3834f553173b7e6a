"""Norms of the gradients of several parts of a loss, on one process or several, in 16 bits or more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, distributed, nn

from perceptualloss.errors import InputError
from perceptualloss.numerics import wide


def gradient_norms(values: Mapping[str, Tensor], wrt: Tensor, scaler: Any = None) -> Tensor:
    r"""Return :math:`\|\partial \ell_i / \partial z\|_2` of every part of a loss, (P,), in 32 bits or more.

    Args:
        values: the parts by name, scalars; a constant's norm is 0. Their graphs are kept.
        wrt: z, a tensor that they were computed from.
        scaler: a ``torch.amp.GradScaler``, whose factor keeps gradients in 16 bits from vanishing on their way to z.

    On several processes it is the norm of the joined batch's gradient (see :func:`joined_norms`).

    Raises:
        InputError: for a part that does not depend on z.

    >>> z = torch.tensor([3.0, 4.0], requires_grad=True)
    >>> gradient_norms({"squares": z.square().sum(), "sum": 5 * z.sum()}, z)
    tensor([10.0000,  7.0711])
    """
    gradients = []
    for name, value in values.items():
        if not value.requires_grad:
            gradients.append(wide(torch.zeros_like(wrt)))
            continue
        scaled = value if scaler is None else scaler.scale(value)
        (gradient,) = torch.autograd.grad(scaled, wrt, retain_graph=True, allow_unused=True)
        if gradient is None:
            remedy = "Give the very tensor that the terms were computed from, or leave the part out."
            raise InputError(f"{name} to depend on wrt", "no path from one to the other", remedy)
        gradients.append(wide(gradient.detach()))
    norms = joined_norms(gradients, shared=isinstance(wrt, nn.Parameter))
    return norms if scaler is None else norms / scaler.scale(torch.ones_like(norms))


@torch.no_grad()
def joined_norms(gradients: Sequence[Tensor], *, shared: bool) -> Tensor:
    """Return the norms, (P,), of P gradients of the joined batch's loss, from those of every process's own.

    On R processes each one's loss is the mean over its part of the batch. A parameter (``shared``) is all processes':
    the joined batch's gradient is the mean of theirs. An output is a process's own part of the batch: the joined
    gradient is there 1 / R of what it finds, and its norm the root of the sum of all their squares.
    """
    processes = distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1
    if processes > 1 and shared:
        means = torch.stack(list(gradients))
        distributed.all_reduce(means)
        gradients = (means / processes).unbind()
    norms = torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients])
    if processes > 1 and not shared:
        squares = norms.square()
        distributed.all_reduce(squares)
        norms = squares.sqrt() / processes
    return norms
