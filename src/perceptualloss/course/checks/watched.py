"""Networks, losses and optimisers that write down what a learner's code does with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from perceptualloss.course.checks.values import flat


@dataclass
class Call:
    """One call.

    Attributes:
        inputs: with what.
        result: what came of it.
        training: whether the network was in train mode.
        recorded: whether gradients were recorded.
        asked: whether an input asked for a gradient.
    """

    inputs: tuple[Tensor, ...]
    result: Tensor
    training: bool
    recorded: bool
    asked: bool


class Watched(nn.Module):
    """A module, such as a loss, that writes down its calls, with the inputs as they are.

    Args:
        inside: what computes.
    """

    def __init__(self, inside: Callable[..., Tensor]) -> None:
        super().__init__()
        self.inside = inside
        self.calls: list[Call] = []
        self.tried = 0  # also calls that raised

    def forward(self, *inputs: Tensor) -> Tensor:
        """Compute, and write it down."""
        self.tried += 1
        result = self.inside(*inputs)
        asked = any(one.requires_grad for one in inputs)
        self.calls.append(Call(self.kept(inputs), result, self.training, torch.is_grad_enabled(), asked))
        return result

    def kept(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return what is written down of the inputs."""
        return inputs


class WatchedNetwork(Watched):
    """A network that writes down its calls, with copies of the inputs, which may be changed after."""

    inside: nn.Module

    def kept(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return copies."""
        return tuple(one.detach().clone() for one in inputs)


@dataclass
class Update:
    """What an optimiser found when it was asked for a step.

    Attributes:
        who: the network's name.
        gradients: of its parameters, in a row; none where there are none.
        others: the gradients of the other network.
        before: its parameters before the step.
        others_before: the other network's.
        trainable: whether they all ask for gradients.
    """

    who: str
    gradients: Tensor
    others: Tensor
    before: Tensor
    others_before: Tensor
    trainable: bool


@dataclass
class Events:
    """What happened, in order: "zero_grad", "backward", or an update."""

    order: list[str] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)

    def of(self, who: str) -> list[Update]:
        """Return the updates of a network."""
        return [update for update in self.updates if update.who == who]


class WatchedOptimizer(torch.optim.SGD):
    """Plain gradient descent that writes down its steps.

    Args:
        network: whose parameters it moves.
        events: where it writes.
        who: the network's name.
        other: a network that it must leave alone.
        rate: the learning rate.
    """

    def __init__(
        self, network: nn.Module, events: Events, who: str = "", other: nn.Module | None = None, rate: float = 0.1
    ) -> None:
        super().__init__(network.parameters(), lr=rate)
        self.events, self.who = events, who
        self.own = list(network.parameters())
        self.others = [] if other is None else list(other.parameters())
        for parameter in self.own:
            parameter.register_post_accumulate_grad_hook(lambda _: events.order.append(f"{who}backward"))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Write down gradients and parameters, and go."""
        result = None if closure is None else closure()
        self.events.order.append(f"{self.who}step")
        self.events.updates.append(
            Update(
                self.who,
                gradients_of(self.own),
                gradients_of(self.others),
                flat(self.own),
                flat(self.others),
                all(parameter.requires_grad for parameter in self.own),
            )
        )
        super().step()
        return result

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Write it down, and forget the gradients."""
        self.events.order.append(f"{self.who}zero_grad")
        super().zero_grad(set_to_none)


def gradients_of(parameters: Sequence[nn.Parameter]) -> Tensor:
    """Return the gradients of parameters in a row, of zeros where there is none; empty where there is none at all."""
    if all(parameter.grad is None for parameter in parameters):
        return torch.zeros(0)
    return flat([torch.zeros_like(one) if one.grad is None else one.grad for one in parameters])
