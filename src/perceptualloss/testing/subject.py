"""Somebody's loss, called as the laws want it: seeded, copied, in any precision, on pictures in its own range."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from perceptualloss.errors import InputError
from perceptualloss.features.base import LossNetwork
from perceptualloss.losses.base import Loss
from perceptualloss.pictures.ranges import InputRange, normalised

TINY = 1e-30


class BrokenError(Exception):
    """A law that does not hold: the figure, and its likely cause."""

    def __init__(self, figure: str, cause: str) -> None:
        super().__init__(f"{figure}. {cause}")


class IdleError(Exception):
    """A law that says nothing about this loss, and why."""


@dataclass(frozen=True)
class Subject:
    """A loss and the pictures that it is shown.

    Attributes:
        loss: what is called; a copy, in evaluation mode, where it is a module.
        shape: of a picture, without the batch.
        input_range: of the pictures.
        minimum: the value for equal pictures; None where it is not known.
        random: whether it may draw at random.
        dtype: of the pictures.
    """

    loss: Callable[..., Tensor]
    shape: tuple[int, ...]
    input_range: InputRange
    minimum: float | None
    random: bool
    dtype: torch.dtype = torch.float32

    @property
    def module(self) -> nn.Module | None:
        """The loss as a module, if it is one."""
        return self.loss if isinstance(self.loss, nn.Module) else None

    @property
    def device(self) -> torch.device:
        """Where the loss has its tensors."""
        parts = () if self.module is None else chain(self.module.parameters(), self.module.buffers())
        return next((tensor.device for tensor in parts), torch.device("cpu"))

    @property
    def networks(self) -> list[LossNetwork]:
        """The loss networks inside."""
        return [] if self.module is None else [part for part in self.module.modules() if isinstance(part, LossNetwork)]

    @property
    def takes_target(self) -> bool:
        """Whether it is called with a target."""
        return bool(getattr(self.loss, "needs_target", True))

    @property
    def takes_mask(self) -> bool:
        """Whether its call has an argument for a mask."""
        call = self.module.forward if self.module is not None else self.loss
        return "weight" in inspect.signature(call).parameters

    def __call__(self, output: Tensor, target: Tensor, **options: Any) -> Tensor:
        """Return the loss, with the same draws every time; of each picture where it gives one value for each."""
        torch.manual_seed(0)
        value = self.loss(output, target, **options) if self.takes_target else self.loss(output, **options)
        if not isinstance(value, Tensor) or value.numel() not in (1, len(output)):
            got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise InputError("a loss to give one number, or one for every picture", got)
        return value.flatten() if value.numel() > 1 or value.ndim else value

    @cached_property
    def usual(self) -> tuple[Tensor, Tensor]:
        """The loss of pictures that are somewhat alike, and its gradient."""
        return self.slope(*self.pictures())

    @cached_property
    def again(self) -> Tensor:
        """The loss of the same pictures, without the same draws."""
        output, target = self.pictures()
        torch.manual_seed(1)
        return (self.loss(output, target) if self.takes_target else self.loss(output)).detach().flatten()

    @property
    def repeats(self) -> bool:
        """Whether two calls give the same bits."""
        return torch.equal(self.again, self.usual[0].flatten())

    def slope(self, output: Tensor, target: Tensor, **options: Any) -> tuple[Tensor, Tensor]:
        """Return the loss and its gradient at the output."""
        output = output.detach().clone().requires_grad_()
        value = self(output.clone(), target, **options)  # no leaf, so that it could be changed in place
        (gradient,) = torch.autograd.grad(value.sum(), output, allow_unused=True)
        if gradient is None:
            raise BrokenError("no gradient reaches the output", "It is detached, or its values are read, on the way.")
        return value.detach(), gradient

    def pictures(self, batch: int = 2) -> tuple[Tensor, Tensor]:
        """Return pictures of noise that are somewhat alike, some more than others: the output and the target."""
        generator = torch.Generator().manual_seed(0)
        noise, target = torch.rand(2, batch, *self.shape, generator=generator).unbind(0)
        share = torch.linspace(0.2, 0.4, batch).view(-1, *(1 for _ in self.shape))
        return self.in_range(target + share * (noise - target)), self.in_range(target)

    def plain(self, level: float, batch: int = 2) -> Tensor:
        """Return pictures of one level, from 0, black, to 1, white."""
        return self.in_range(torch.full((batch, *self.shape), level))

    def in_range(self, pictures: Tensor) -> Tensor:
        """Return pictures in [0, 1] in the loss's range and type, on its device."""
        if self.input_range == "imagenet":
            moved = normalised(pictures)
        else:
            low, high = self.input_range
            moved = low + (high - low) * pictures
        return moved.to(self.device, self.dtype)

    def copied(self) -> Subject:
        """Return the same with a copy of the loss, in evaluation mode, that was not called yet."""
        if self.module is None:
            return self
        module = copy.deepcopy(self.module).eval()
        for part in module.modules():
            if isinstance(part, Loss | LossNetwork):
                part._values_checked = False
        return replace(self, loss=module)

    @cached_property
    def wide(self) -> Subject:
        """The same in 64 bits, if it can.

        Raises:
            IdleError: if it cannot.
        """
        loss = self.loss if self.module is None else copy.deepcopy(self.module).double()
        wide = replace(self, loss=loss, dtype=torch.float64)
        try:
            _ = wide.usual
        except RuntimeError as error:
            raise IdleError(f"it takes no 64 bits: {str(error).splitlines()[0]}") from error
        return wide


@contextmanager
def seeded() -> Iterator[None]:
    """Leave the random generators as they were."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else []
    with torch.random.fork_rng(list(devices)):
        yield


def may_draw(loss: Any) -> bool:
    """Return whether a loss of this package says that it draws in training: positions, changes of pictures, slices."""
    if not isinstance(loss, Loss):
        return False
    mode = loss.training
    loss.train()
    found = any(
        getattr(part, "draws", False)
        or getattr(getattr(part, "view", None), "augment", None) is not None
        or getattr(part, "share", 1.0) < 1
        for part in loss.modules()
    )
    loss.train(mode)
    return found


def off_by(found: Tensor, expected: Tensor) -> float:
    """Return how far values are off, relative to the largest of what they should be."""
    return most((found.double() - expected.double()).abs()) / max(most(expected.abs()), TINY)


def most(values: Tensor) -> float:
    """Return the largest value."""
    return float(values.detach().double().max())


def norm(values: Tensor) -> float:
    """Return the Euclidean norm."""
    return float(values.detach().double().norm())
