"""Optimisers that keep to bounds, for pixels that stay in [0, 1]: L-BFGS, as Gatys et al. take it, and Adam."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

Evaluate = Callable[[Tensor], tuple[float, Tensor]]
Project = Callable[[Tensor], Tensor]

_HISTORY = 10  # earlier steps that the curvature is learned from; each holds two more pictures
_TRIALS = 20
_SUFFICIENT = 1e-4  # of the decrease that the slope promises


class ProjectedLBFGS:
    r"""L-BFGS that minimises a function f over a convex set, such as pictures in [0, 1].

    .. math:: x_{k+1} = P(x_k - t\, H_k\, \nabla f(x_k))

    - P brings x back into the set.
    - :math:`H_k` approximates the inverse Hessian from the last ten steps. It covers only elements that can move. An
      element that stands at a bound has the gradient 0, which ``evaluate`` sees to, and does not move.
    - t is the length of the step. It starts at 1 and shrinks until f falls (Armijo's rule, along the projected path).
      So no step raises f.

    If no t lowers f, the approximation is dropped, and the step goes along the gradient once.

    Args:
        evaluate: given x, returns f and its gradient, which is 0 for elements that a bound holds.
        project: brings x back into the set.
        start: x at the beginning, in the set.
        first: how far the largest element moves in a step along the gradient.

    Attributes:
        x: where it stands.
        value: f at x.
        gradient: of f at x.

    Source: Nocedal, Mathematics of Computation 1980; Bertsekas, SIAM J. Control 1982 (two-metric projection);
    Schmidt, Kim and Sra, "Projected Newton-type methods in machine learning", 2011.
    """

    def __init__(self, evaluate: Evaluate, project: Project, start: Tensor, first: float) -> None:
        self._evaluate, self._project, self._first = evaluate, project, first
        self.x = start
        self.value, self.gradient = evaluate(start)
        self._pairs: deque[tuple[Tensor, Tensor]] = deque(maxlen=_HISTORY)

    def step(self) -> bool:
        """Take one step and return True; if no step lowers f, stay and return False."""
        if self._search(self._direction()):
            return True
        if not self._pairs:
            return False
        self._pairs.clear()
        return self._search(self._direction())

    def _search(self, direction: Tensor) -> bool:
        length = 1.0
        for _ in range(_TRIALS):
            x = self._project(self.x + length * direction)
            moved = x - self.x
            slope = float((self.gradient * moved).sum())
            if slope >= 0:
                return False
            value, gradient = self._evaluate(x)
            if value <= self.value + _SUFFICIENT * slope:
                self._pairs.append((moved, gradient - self.gradient))
                self.x, self.value, self.gradient = x, value, gradient
                return True
            # The lowest point of the parabola through both values and the slope, but neither too near nor far.
            length *= min(0.5, max(0.1, -slope / (2 * (value - self.value - slope))))
        return False

    def _direction(self) -> Tensor:
        """Return minus the inverse Hessian times the gradient, by the two-loop recursion."""
        free = self.gradient != 0
        rest = self.gradient.clone()
        used: list[tuple[Tensor, Tensor, float, float]] = []
        scale = self._first / float(rest.abs().max().clamp(min=1e-30))
        for moved, change in reversed(self._pairs):
            moved, change = moved * free, change * free  # noqa: PLW2901
            curved = float((moved * change).sum())
            size = float(change.square().sum())
            if curved <= 1e-10 * size:
                continue
            if not used:
                scale = curved / size
            weight = float((moved * rest).sum()) / curved
            rest -= weight * change
            used.append((moved, change, curved, weight))
        rest *= scale
        for moved, change, curved, weight in reversed(used):
            rest += (weight - float((change * rest).sum()) / curved) * moved
        return -torch.where(free, rest, 0)


class ProjectedAdam:
    """Adam that brings x back into a set after each step. A step may raise f.

    Args:
        evaluate: given x, returns f and its gradient.
        project: brings x back into the set.
        start: x at the beginning, in the set.
        rate: the learning rate.

    Attributes:
        x: where it stands.
        value: f at x.
        gradient: of f at x.
    """

    def __init__(self, evaluate: Evaluate, project: Project, start: Tensor, rate: float) -> None:
        self._evaluate, self._project = evaluate, project
        self.x = start.clone()
        self._adam = torch.optim.Adam([self.x], rate)
        self.value, self.gradient = evaluate(self.x)

    def step(self) -> bool:
        """Take one step; return True."""
        self.x.grad = self.gradient
        self._adam.step()
        self.x.copy_(self._project(self.x))
        self.value, self.gradient = self._evaluate(self.x)
        return True
