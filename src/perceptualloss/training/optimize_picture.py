"""A picture as the thing that is trained: its pixels are moved until a loss is low."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from perceptualloss.checks import InputError, check_choice, check_image_batch
from perceptualloss.training.picture_space import SPACES, Space

Method = Literal["lbfgs", "adam"]
Terms = Callable[[Tensor], Mapping[str, Tensor]]

LEARNING_RATES: Mapping[str, float] = {"lbfgs": 1.0, "adam": 0.02}
_HISTORY = 20  # earlier steps that L-BFGS learns the curvature from; each holds two more pictures


@dataclass(frozen=True)
class Step:
    """Where an optimisation stands.

    Attributes:
        number: how many steps were taken; 0 is the start.
        loss: the sum of the terms at this picture.
        terms: each of them.
        evaluations: how often the loss and its gradient were computed up to here.
        seconds: the time that took, without what the callback did.
        picture: (N, 3, H, W) in [0, 1]; a copy is the callback's own business.
    """

    number: int
    loss: float
    terms: Mapping[str, float]
    evaluations: int
    seconds: float
    picture: Tensor


@dataclass(frozen=True)
class Optimized:
    """A picture that was optimised, (N, 3, H, W) in [0, 1], and all steps on the way, the start first."""

    picture: Tensor
    losses: tuple[float, ...]
    terms: tuple[Mapping[str, float], ...]
    evaluations: tuple[int, ...]
    seconds: tuple[float, ...]


def optimize_picture(
    terms: Terms,
    start: Tensor,
    steps: int,
    method: Method = "lbfgs",
    learning_rate: float | None = None,
    space: Space = "pixels",
    progress: Callable[[Step], None] | None = None,
) -> Optimized:
    r"""Minimise :math:`\ell(\mathrm{clip}(x, 0, 1))` over the picture x, and put x back into [0, 1] after each step.

    A step is one iteration: with "adam" one evaluation of the loss and its gradient, with "lbfgs" as many as its
    line search (strong Wolfe) needs, usually one or two; ``evaluations`` counts them. Where a pixel stands at a
    bound and the loss pushes it beyond, its gradient is 0. L-BFGS stops early where no step lowers the loss.

    Args:
        terms: gives the named, weighted parts of the loss of a picture, each a scalar, such as ``loss.terms``.
        start: (N, 3, H, W), clipped to [0, 1] first.
        steps: at least 0.
        method: "lbfgs", as Gatys et al. and Johnson et al. do, or "adam".
        learning_rate: of Adam (default 0.02), or the first guess of L-BFGS's line search (default 1).
        space: what is moved, "pixels" or "frequencies" (see :mod:`perceptualloss.training.picture_space`).
        progress: called with each :class:`Step`, the start among them.

    Raises:
        InputError: for an unknown method or space, a number of steps or a learning rate out of range, a start
            that is no batch of pictures, or a loss that is not finite.

    Source: Gatys et al., CVPR 2016; Johnson et al., ECCV 2016, section 4.1 (L-BFGS with clipping at each step).

    >>> goal = torch.full((1, 3, 4, 4), 0.25)
    >>> found = optimize_picture(lambda x: {"mse": (x - goal).square().mean()}, torch.zeros(1, 3, 4, 4), steps=5)
    >>> bool((found.picture - goal).abs().max() < 1e-4)
    True
    """
    rate = _check(start, steps, method, learning_rate)
    check_choice("space", space, SPACES)
    to_picture, to_parameters = SPACES[space]
    parameters = to_parameters(start.detach().float().clamp(0, 1)).requires_grad_()
    size = (int(start.shape[-2]), int(start.shape[-1]))
    objective = _Objective(terms, parameters, lambda moved: to_picture(moved, size))
    optimizer = _optimizer(method, parameters, rate)
    losses: list[float] = []
    parts: list[Mapping[str, float]] = []
    evaluations: list[int] = []
    seconds: list[float] = []
    spent, begun = 0.0, time.perf_counter()
    for number in range(steps + 1):
        if number:
            begun = time.perf_counter()
            optimizer.step(objective)
            with torch.no_grad():
                parameters.copy_(to_parameters(to_picture(parameters, size).clamp(0, 1)))
        objective()
        spent += time.perf_counter() - begun
        losses.append(objective.loss)
        parts.append(objective.terms)
        evaluations.append(objective.evaluations)
        seconds.append(spent)
        if progress:
            progress(Step(number, objective.loss, objective.terms, objective.evaluations, spent, objective.picture))
    return Optimized(objective.picture, tuple(losses), tuple(parts), tuple(evaluations), tuple(seconds))


class _Objective:
    """The closure of an optimiser: computes loss and gradient, unless the parameters are where they were last."""

    def __init__(self, terms: Terms, parameters: Tensor, to_picture: Callable[[Tensor], Tensor]) -> None:
        self._terms, self._parameters, self._to_picture = terms, parameters, to_picture
        self._seen: Tensor | None = None
        self._gradient: Tensor | None = None
        self.evaluations = 0
        self.loss = 0.0
        self.terms: Mapping[str, float] = {}
        self.picture = parameters

    def __call__(self) -> float:
        if self._seen is None or not torch.equal(self._seen, self._parameters.detach()):
            self._evaluate()
        self._parameters.grad = self._gradient
        return self.loss

    def _evaluate(self) -> None:
        self._parameters.grad = None
        with torch.enable_grad():
            moved = self._to_picture(self._parameters)
            shown: Tensor = _Bounded.apply(moved)
            terms = self._terms(shown)
            total = torch.stack([value.float() for value in terms.values()]).sum()
            total.backward()
        self.evaluations += 1
        self.loss = float(total.detach())
        if not torch.isfinite(total):
            raise InputError("a loss with finite values", f"{self.loss}", "Lower its weights or the learning rate.")
        self.terms = {name: float(value.detach()) for name, value in terms.items()}
        self.picture = shown.detach()
        self._seen = self._parameters.detach().clone()
        self._gradient = self._parameters.grad


class _Bounded(torch.autograd.Function):
    """Clipping to [0, 1] whose gradient is 0 beyond the bounds, and at them where descent would lead beyond."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, values: Tensor) -> Tensor:
        ctx.save_for_backward(values)
        return values.clamp(0, 1)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> Tensor:
        (values,) = ctx.saved_tensors  # type: ignore[attr-defined]
        (gradient,) = gradients
        outside = (values < 0) | (values > 1) | ((values == 0) & (gradient > 0)) | ((values == 1) & (gradient < 0))
        return gradient.masked_fill(outside, 0)


def _optimizer(method: Method, parameters: Tensor, rate: float) -> torch.optim.Optimizer:
    if method == "adam":
        return torch.optim.Adam([parameters], rate)
    return torch.optim.LBFGS(
        [parameters],
        lr=rate,
        max_iter=1,
        history_size=_HISTORY,
        line_search_fn="strong_wolfe",
        tolerance_grad=0.0,
        tolerance_change=0.0,
    )


def _check(start: Tensor, steps: int, method: str, learning_rate: float | None) -> float:
    check_image_batch("start", start)
    check_choice("method", method, get_args(Method))
    if steps < 0:
        raise InputError("steps to be at least 0", str(steps))
    rate = LEARNING_RATES[method] if learning_rate is None else learning_rate
    if not rate > 0:
        raise InputError("a learning rate above 0", f"{rate:g}")
    return rate
