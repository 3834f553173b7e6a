"""What the checks of several chapters ask of results."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from perceptualloss.course.answer import Mistake


def about(value: float, wanted: float, tolerance: float = 1e-3) -> bool:
    """Whether a value is another, but for rounding.

    >>> about(1.0001, 1.0), about(1.1, 1.0)
    (True, False)
    """
    return math.isclose(value, wanted, rel_tol=tolerance, abs_tol=1e-7)


def number_of(value: object, what: str, name: str) -> float:
    """Return a number, or the one of a tensor.

    Raises:
        Mistake: for anything else, or a value that is not finite.
    """
    if isinstance(value, Tensor) and value.dim() == 0:
        found = float(value.detach())
    elif isinstance(value, Tensor):
        raise Mistake("not_scalar", name=name, what=what, shape=shape_of(value))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        found = float(value)
    else:
        raise Mistake("returns", name=name, got=type(value).__name__)
    if not math.isfinite(found):
        raise Mistake("not_finite", name=name, got=found)
    return found


def plain_number(value: object, what: str, name: str) -> float:
    """Return a number that keeps no graph.

    Raises:
        Mistake: for a tensor with a graph, and as :func:`number_of`.
    """
    if isinstance(value, Tensor) and value.requires_grad:
        raise Mistake("graph", name=name)
    return number_of(value, what, name)


def shape_of(tensor: Tensor) -> str:
    """Return a shape in words."""
    return str(tuple(tensor.shape))


def flat(tensors: Sequence[Tensor | None]) -> Tensor:
    """Return all numbers of tensors in a row; of None, none."""
    return torch.cat([torch.zeros(0), *(tensor.detach().flatten() for tensor in tensors if tensor is not None)])


def same_direction(one: Tensor, other: Tensor) -> bool:
    """Whether two rows of numbers are each other times a positive factor."""
    if one.shape != other.shape or not one.any() or not other.any():
        return one.shape == other.shape and bool(one.any()) == bool(other.any())
    return bool(torch.cosine_similarity(one, other, dim=0) > 1 - 1e-4)
