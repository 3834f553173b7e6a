"""Optimisers within bounds against problems with a known minimum and against SciPy's."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from perceptualloss.apply.projected_descent import ProjectedAdam, ProjectedLBFGS


def clip(x: Tensor) -> Tensor:
    return x.clamp(0, 1)


def held(x: Tensor, gradient: Tensor) -> Tensor:
    return gradient.masked_fill(((x <= 0) & (gradient > 0)) | ((x >= 1) & (gradient < 0)), 0)


class Quadratic:
    """x^T A x / 2 - b x with a badly conditioned A; its minimum lies partly at the bounds."""

    def __init__(self, size: int = 30) -> None:
        generator = torch.Generator().manual_seed(0)
        turn, _ = torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64))
        self.a = turn @ torch.diag(torch.logspace(0, 3, size, dtype=torch.float64)) @ turn.T
        self.b = self.a @ (2 * torch.rand(size, generator=generator, dtype=torch.float64) - 0.5)
        self.evaluations = 0

    def __call__(self, x: Tensor) -> tuple[float, Tensor]:
        self.evaluations += 1
        return float(x @ self.a @ x / 2 - self.b @ x), held(x, self.a @ x - self.b)

    def raw(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        a, b = self.a.numpy(), self.b.numpy()
        return float(x @ a @ x / 2 - b @ x), a @ x - b


def test_lbfgs_finds_the_bounded_minimum_of_scipy() -> None:
    problem = Quadratic()
    start = torch.full((30,), 0.5, dtype=torch.float64)
    reference = minimize(
        problem.raw, start.numpy(), jac=True, method="L-BFGS-B", bounds=[(0, 1)] * 30, options={"ftol": 1e-14}
    )
    optimizer = ProjectedLBFGS(problem, clip, start, 0.1)
    values = [optimizer.value]
    for _ in range(300):
        if not optimizer.step():
            break
        values.append(optimizer.value)
    assert optimizer.value == pytest.approx(reference.fun, rel=1e-4)
    assert ((optimizer.x == 0) | (optimizer.x == 1)).any()
    assert all(after <= before for before, after in pairwise(values))


def test_lbfgs_learns_the_curvature_where_the_slope_alone_does_not() -> None:
    def valley(x: Tensor) -> tuple[float, Tensor]:  # Rosenbrock's, with its minimum at (0.5, 0.25)
        x = x.detach().requires_grad_()
        value = (0.5 - x[0]).square() + 100 * (x[1] - x[0].square()).square()
        (gradient,) = torch.autograd.grad(value, x)
        return value.item(), gradient

    optimizer = ProjectedLBFGS(valley, clip, torch.tensor([0.0, 1.0], dtype=torch.float64), 0.1)
    for _ in range(60):
        if not optimizer.step():
            break
    assert torch.allclose(optimizer.x, torch.tensor([0.5, 0.25], dtype=torch.float64), atol=1e-3)


def test_lbfgs_says_when_no_step_helps() -> None:
    corner = ProjectedLBFGS(lambda x: (float(x.sum()), held(x, torch.ones(3))), clip, torch.zeros(3), 0.1)
    assert not corner.step()
    assert corner.value == 0
    assert torch.equal(corner.x, torch.zeros(3))


def test_lbfgs_needs_about_one_evaluation_a_step() -> None:
    problem = Quadratic()
    optimizer = ProjectedLBFGS(problem, clip, torch.full((30,), 0.5, dtype=torch.float64), 0.1)
    steps = sum(optimizer.step() for _ in range(30))
    assert steps == 30
    assert problem.evaluations < 1.6 * steps


def test_adam_stays_within_and_takes_one_evaluation_a_step() -> None:
    problem = Quadratic()
    start = torch.full((30,), 0.5, dtype=torch.float64)
    optimizer = ProjectedAdam(problem, clip, start, 0.02)
    before = optimizer.value
    for _ in range(20):
        assert optimizer.step()
        assert optimizer.x.min() >= 0
        assert optimizer.x.max() <= 1
    assert optimizer.value < before
    assert problem.evaluations == 21
    assert torch.equal(start, torch.full((30,), 0.5, dtype=torch.float64))
