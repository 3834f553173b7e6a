"""Chapter 3: one step of training, with a small network, a loss and an optimiser that write down what happens."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perceptualloss.course.answer import Answer, Mistake
from perceptualloss.course.checks.values import about, flat, plain_number, same_direction
from perceptualloss.course.checks.watched import Events, Watched, WatchedNetwork, WatchedOptimizer
from perceptualloss.course.stand_in import StandIns

_NAME = "train_step"


def check_train_step(answer: Answer, told: StandIns) -> None:
    """Check ``train_step``."""
    model = WatchedNetwork(nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2)))
    loss, events = Watched(F.l1_loss), Events()
    optimizer = WatchedOptimizer(model, events)
    pairs = [(torch.rand(2, 3, 6, 8), torch.rand(2, 3, 12, 16)) for _ in range(2)]
    wanted = []
    for low, high in pairs:
        reference = copy.deepcopy(model.inside)
        wanted.append(_gradient(reference, low, high))
        error, value = None, None
        try:
            value = answer.call(_NAME, model, loss, optimizer, low, high)
        except Mistake as mistake:
            if mistake.key in ("signature", "unfinished", "too_long", "exits"):
                raise
            error = mistake  # what led to it is told first
        _check_calls(model, loss, low, high, error)
        if error is not None:
            raise error
        _check_order(events.order)
        if not about(plain_number(value, "loss", _NAME), float(loss.calls[-1].result.detach())):
            raise Mistake("step.value")
        if high.requires_grad:
            raise Mistake("step.target_gradient")
        found = events.updates[-1].gradients
        if (
            len(wanted) == 2
            and not same_direction(found, wanted[1])
            and same_direction(found, sum(wanted, start=wanted[0] * 0))
        ):
            raise Mistake("step.not_zeroed")
        if not same_direction(found, wanted[-1]):
            raise Mistake("step.gradient")
        model.calls.clear()
        loss.calls.clear()
        events.order.clear()


def _gradient(model: nn.Module, low: Tensor, high: Tensor) -> Tensor:
    return flat(torch.autograd.grad(F.l1_loss(model(low), high), list(model.parameters())))


def _check_calls(model: WatchedNetwork, loss: Watched, low: Tensor, high: Tensor, error: Mistake | None) -> None:
    if not model.tried:
        raise Mistake("step.model_unused")
    if error is not None and not model.calls:
        raise error
    call = model.calls[-1]
    if call.inputs[0].shape == high.shape:
        raise Mistake("step.inputs_exchanged")
    if not call.training:
        raise Mistake("step.eval_mode")
    if not call.recorded:
        raise Mistake("step.no_grad")
    if not loss.tried:
        raise error or Mistake("step.loss_unused")
    if error is not None and not loss.calls:
        raise error
    first, second = loss.calls[-1].inputs[:2]
    if first.shape == high.shape and torch.equal(first, high) and second.shape == high.shape:
        raise Mistake("step.loss_exchanged")
    if not first.requires_grad:
        raise Mistake("step.output_detached")


def _check_order(order: list[str]) -> None:
    """Look at what came when, of "zero_grad", "backward" and "step"."""
    if "backward" not in order:
        raise Mistake("step.no_backward")
    if "step" not in order:
        raise Mistake("step.no_step")
    if order.count("step") > 1:
        raise Mistake("step.steps", got=order.count("step"))
    last, step = len(order) - 1 - order[::-1].index("backward"), order.index("step")
    if step < last:
        raise Mistake("step.step_before_backward")
    if "zero_grad" in order[last:step]:
        raise Mistake("step.zeroed_before_step")
