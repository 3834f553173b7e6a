"""A picture by optimisation: not a network but the picture's own pixels are changed until a loss is low."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from perceptualloss.apply.projected_descent import ProjectedAdam, ProjectedLBFGS
from perceptualloss.errors import InputError, check_choice, check_image_batch
from perceptualloss.numerics import count_not_finite
from perceptualloss.pictures.ranges import check_values

Method = Literal["lbfgs", "adam"]
Terms = Callable[[Tensor], Mapping[str, Tensor]]

OPTIMIZERS: Mapping[str, type[ProjectedLBFGS] | type[ProjectedAdam]] = {"lbfgs": ProjectedLBFGS, "adam": ProjectedAdam}
_Figures = tuple[float, Mapping[str, float], int, float]
LEARNING_RATES: Mapping[str, float] = {"lbfgs": 0.1, "adam": 0.02}


@dataclass(frozen=True)
class Step:
    """Where an optimisation stands after a step.

    Attributes:
        number: how many steps were taken; 0 is the start.
        loss: the loss of this picture, the sum of its terms.
        terms: the value of each term by name.
        evaluations: how often the loss and its gradient were computed so far.
        seconds: how long that took so far, without the time of ``progress``.
        picture: (N, 3, H, W) in [0, 1].
    """

    number: int
    loss: float
    terms: Mapping[str, float]
    evaluations: int
    seconds: float
    picture: Tensor


@dataclass(frozen=True)
class Optimized:
    """A picture that was optimised, and how its loss fell.

    The tuples have one entry for the start and one for each step (see :class:`Step`).

    Attributes:
        picture: (N, 3, H, W) in [0, 1].
        losses: the loss at each step.
        terms: the terms of the loss at each step, by name.
        evaluations: how often the loss and its gradient were computed up to each step.
        seconds: the time up to each step.
    """

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
    r"""Change a picture until a loss is low.

    .. math:: \min_{x \in [0, 1]^{N \times 3 \times H \times W}} \ell(x)

    x is the picture and :math:`\ell` the loss. After each step the values are brought back into [0, 1].

    **Methods.** A step is one iteration of the method:

    - "lbfgs", as Gatys et al. and Johnson et al. do. It never raises the loss, and ends early if no step lowers it. A
      step computes loss and gradient as often as its line search needs, usually once; ``evaluations`` counts them.
    - "adam" computes both once a step. It may raise the loss.

    **Spaces.** What is changed are the "pixels", or the "frequencies", the picture's Fourier coefficients
    (see :func:`to_frequencies`). The latter change colours and large areas sooner.

    Args:
        terms: given a picture, returns the named, weighted terms of its loss, each a scalar, such as ``loss.terms``.
        start: the picture to begin with, (N, 3, H, W) in [0, 1]. It is clipped to that range.
        steps: how many iterations, from 0.
        method: "lbfgs" or "adam".
        learning_rate: Adam's (default 0.02); or how far L-BFGS moves in its first step (default 0.1).
        space: "pixels" or "frequencies".
        progress: is called with each :class:`Step`, and with the start.

    Returns:
        The picture of the last step, and the course of the loss.

    Raises:
        InputError: for an unknown method or space, steps or a learning rate out of range, a start that is no batch of
            pictures in [0, 1], or a loss or gradient that is not finite.

    Source: Gatys et al., CVPR 2016; Johnson et al., ECCV 2016, section 4.1 (projected L-BFGS).

    >>> goal = torch.full((1, 3, 4, 4), 0.25)
    >>> result = optimize_picture(lambda x: {"mse": (x - goal).square().mean()}, torch.zeros(1, 3, 4, 4), steps=5)
    >>> bool((result.picture - goal).abs().max() < 1e-4)
    True
    """
    rate = _check(start, steps, method, learning_rate)
    to_picture, to_parameters = SPACES[check_choice("space", space, SPACES)]
    size = (int(start.shape[-2]), int(start.shape[-1]))
    objective = _Objective(terms, lambda parameters: to_picture(parameters, size))
    begun = time.perf_counter()
    optimizer = OPTIMIZERS[method](
        objective,
        lambda parameters: to_parameters(to_picture(parameters, size).clamp(0, 1)),
        to_parameters(start.detach().float().clamp(0, 1)),
        rate,
    )
    course: list[_Figures] = []
    seconds, picture = 0.0, start
    for number in range(steps + 1):
        if number and not optimizer.step():
            break
        seconds += time.perf_counter() - begun
        course.append((optimizer.value, objective.terms, objective.evaluations, seconds))
        picture = objective.picture
        if progress:
            progress(Step(number, *course[-1], picture))
        begun = time.perf_counter()
    return Optimized(picture, *zip(*course, strict=True))


class _Objective:
    """The loss and its gradient as an optimiser wants them; keeps picture and terms of the last evaluation."""

    def __init__(self, terms: Terms, to_picture: Callable[[Tensor], Tensor]) -> None:
        self._terms, self._to_picture = terms, to_picture
        self.evaluations = 0
        self.terms: Mapping[str, float] = {}
        self.picture = torch.empty(0)

    def __call__(self, parameters: Tensor) -> tuple[float, Tensor]:
        moved = parameters.detach().requires_grad_()
        with torch.enable_grad():
            picture: Tensor = _Bounded.apply(self._to_picture(moved))
            terms = self._terms(picture)
            total = torch.stack([value.float() for value in terms.values()]).sum()
            (gradient,) = torch.autograd.grad(total, moved)
        self.evaluations += 1
        self.terms = {name: float(value.detach()) for name, value in terms.items()}
        self.picture = picture.detach()
        value = float(total.detach())
        if not math.isfinite(value) or count_not_finite([gradient]):
            got = f"{value}" if not math.isfinite(value) else "a gradient with NaN or infinity"
            raise InputError("a loss with finite values and gradients", got, "Lower its weights or the learning rate.")
        return value, gradient


class _Bounded(torch.autograd.Function):
    """Clipping to [0, 1] whose gradient is 0 beyond the bounds, and at them where descent would lead beyond."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        ctx.save_for_backward(values)
        return values.clamp(0, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (values,) = ctx.saved_tensors
        held = (values < 0) | (values > 1) | ((values == 0) & (gradient > 0)) | ((values == 1) & (gradient < 0))
        return gradient.masked_fill(held, 0)


def _check(start: Tensor, steps: int, method: str, learning_rate: float | None) -> float:
    check_image_batch("start", start)
    check_values("start", start, 0, 1, setting="")
    check_choice("method", method, get_args(Method))
    if steps < 0:
        raise InputError("steps to be at least 0", str(steps))
    rate = LEARNING_RATES[method] if learning_rate is None else learning_rate
    if not rate > 0:
        raise InputError("a learning rate above 0", f"{rate:g}")
    return rate


Space = Literal["pixels", "frequencies"]
Size = tuple[int, int]


def _pixels(picture: Tensor) -> Tensor:
    return picture.clone()


def _same(parameters: Tensor, size: Size) -> Tensor:
    return parameters


def from_frequencies(parameters: Tensor, size: Size) -> Tensor:
    """Return the picture of its Fourier coefficients, the inverse of :func:`to_frequencies`.

    Args:
        parameters: (N, 3, H, W // 2 + 1, 2).
        size: (H, W), which the coefficients alone do not tell.

    Returns:
        The picture, (N, 3, H, W).
    """
    spectrum = torch.view_as_complex(parameters) * _usual(size).to(parameters)
    picture: Tensor = torch.fft.irfft2(spectrum, s=size, norm="ortho")
    return 0.5 + picture


def to_frequencies(picture: Tensor) -> Tensor:
    r"""Return a picture's Fourier coefficients, each divided by what is usual for photos.

    .. math:: c(f) = \frac{\mathcal{F}(x - 0.5)(f)}{0.1 / \max(|f|, 1 / \max(H, W))}

    :math:`\mathcal{F}` is the orthonormal Fourier transform and f the frequency in cycles a pixel. In photos,
    coefficients are about as large as 1 / f. If an optimiser changes pixels, it finds edges long before colours. If it
    changes these coefficients, it finds all scales at the same pace.

    Args:
        picture: (N, 3, H, W) in [0, 1].

    Returns:
        Real and imaginary parts, (N, 3, H, W // 2 + 1, 2).

    Source: Olah et al., "Feature Visualization", Distill 2017 (a decorrelated, spatially whitened space).
    """
    size = (int(picture.shape[-2]), int(picture.shape[-1]))
    spectrum = torch.fft.rfft2(picture - 0.5, norm="ortho") / _usual(size).to(picture)
    return torch.view_as_real(spectrum).contiguous()


def noise(size: Size, seed: int, space: Space = "pixels") -> Tensor:
    """Return grey with noise, (1, 3, H, W), as a start. It is as strong in each value that the optimiser changes.

    For "pixels" the noise is white, with standard deviation 0.1. For "frequencies" it is as rough as a photo.

    Args:
        size: (H, W).
        seed: of the noise.
        space: "pixels" or "frequencies".
    """
    white = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(seed))
    if space == "pixels":
        return 0.5 + 0.1 * white
    return from_frequencies(torch.view_as_real(torch.fft.rfft2(0.02 * white, norm="ortho")), size)


def _usual(size: Size) -> Tensor:
    """Return how large photos' coefficients usually are at each frequency, (H, W // 2 + 1)."""
    height, width = size
    down, across = torch.fft.fftfreq(height), torch.fft.rfftfreq(width)
    return 0.1 / torch.hypot(down[:, None], across).clamp(min=1 / max(height, width))


SPACES: Mapping[str, tuple[Callable[[Tensor, Size], Tensor], Callable[[Tensor], Tensor]]] = {
    "pixels": (_same, _pixels),
    "frequencies": (from_frequencies, to_frequencies),
}
