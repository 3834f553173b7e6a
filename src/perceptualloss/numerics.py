"""Arithmetic that loses no digits unseen: full-precision products, 32 bits or more, counts of what is not finite."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

_SETTINGS = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)  # type: ignore[attr-defined]
_FULL = "ieee"


class _FullPrecision:
    """Full precision while at least one product runs; the last one to leave gives the user's settings back.

    The settings are the process's, and backward passes of several devices run in threads of their own.
    """

    def __init__(self) -> None:
        self._lock, self._inside, self._before = threading.Lock(), 0, list[tuple[Any, str]]()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._before = [(place, _raised(place)) for place in _SETTINGS if _rounds(place)]
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    for place, value in self._before:
                        place.fp32_precision = value


def _rounds(place: Any) -> bool:
    return place.fp32_precision not in ("none", _FULL)


def _raised(place: Any) -> str:
    """Set a setting to full precision and return what it was: "none" where it only follows a wider one."""
    value: str = place.fp32_precision
    place.fp32_precision = "none"
    follows = place.fp32_precision == value
    place.fp32_precision = _FULL
    return "none" if follows else value


_full_precision = _FullPrecision()


@torch.library.custom_op("perceptualloss::exact_product", mutates_args=())
def _product(a: Tensor, b: Tensor) -> Tensor:
    """Return ``a @ b``; one step for torch.compile, which would else leave the settings out."""
    with torch.autocast(a.device.type, enabled=False), _full_precision():
        return a @ b


@_product.register_fake
def _(a: Tensor, b: Tensor) -> Tensor:
    return a @ b


@_product.register_vmap  # type: ignore[untyped-decorator, unused-ignore]
def _(info: Any, places: tuple[int | None, int | None], a: Tensor, b: Tensor) -> tuple[Tensor, int]:
    a, b = (x.unsqueeze(0) if place is None else x.movedim(place, 0) for x, place in zip((a, b), places, strict=True))
    rank = max(a.ndim, b.ndim)
    a, b = (x.reshape(len(x), *[1] * (rank - x.ndim), *x.shape[1:]) for x in (a, b))
    return _product(a, b), 0


class _Product(torch.autograd.Function):
    """The product with its derivative, which is made of such products again."""

    generate_vmap_rule = True

    @staticmethod
    def forward(a: Tensor, b: Tensor) -> Tensor:
        found: Tensor = _product(a, b)
        return found

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        a, b = ctx.saved_tensors
        wanted_a, wanted_b = ctx.needs_input_grad
        return (
            exact_product(gradient, b.mT).sum_to_size(a.shape) if wanted_a else None,
            exact_product(a.mT, gradient).sum_to_size(b.shape) if wanted_b else None,
        )


def exact_product(a: Tensor, b: Tensor) -> Tensor:
    """Return the matrix product ``a @ b`` (..., M, N) of (..., M, K) and (..., K, N) in the precision of their type.

    ``torch.set_float32_matmul_precision("high")`` lets matrix products of 32 bits round their input to TF32's 10 bits
    of mantissa (bfloat16's 7 with "medium" on some CPUs), and autocast to 16 bits: fine for a network's layers, not for
    sums of squares, whose differences are the loss. The setting is raised for this product and its derivatives alone.

    Differentiable any number of times; works under torch.compile in one graph, ``torch.func.grad`` and ``vmap``.

    >>> exact_product(torch.eye(2), torch.ones(2, 1))
    tensor([[1.],
            [1.]])
    """
    found: Tensor = _Product.apply(a, b)
    return found


def wide(features: Tensor) -> Tensor:
    """Return features in 32 bits, or in 64 where they already are."""
    return features if features.dtype == torch.float64 else features.float()


def count_not_finite(tensors: Iterable[Tensor]) -> Tensor:
    """Return how many entries are NaN or infinite, a scalar on the device of the tensors; does not wait for a GPU.

    >>> count_not_finite([torch.tensor([1.0, float("inf")]), torch.tensor(float("nan"))])
    tensor(2)
    """
    # x - x is 0 for numbers and NaN for all else: a third of isfinite's time.
    counts = [(values - values).count_nonzero() for values in tensors if values.is_floating_point()]
    return torch.stack([count.to(counts[0].device) for count in counts]).sum() if counts else torch.tensor(0)
