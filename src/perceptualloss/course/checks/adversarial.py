"""Chapter 7: a critic that scores on an open scale, and one batch of the adversarial loop, update by update."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perceptualloss.course.answer import Answer, Mistake, line_of
from perceptualloss.course.checks.values import flat, plain_number, same_direction, shape_of
from perceptualloss.course.checks.watched import Events, Update, Watched, WatchedNetwork, WatchedOptimizer
from perceptualloss.course.stand_in import StandIns
from perceptualloss.course.trace import Trace

_CRITIC, _STEP = "Critic", "adversarial_step"
_SIZES = (64, 256)  # of pictures; a critic may fit the course's size alone
_UPDATES, _CLIP = 3, 0.05
_BOUND = _CLIP * (1 + 1e-4)
_WEIGHTS = {"weight_critic": 0.5, "weight_perceptual": 2.0, "weight_tv": 3.0}
_NEAR = 0.02  # of a weight, or of what no weights explain


def check_adversarial(answer: Answer, told: StandIns) -> None:
    """Check ``Critic`` and ``adversarial_step``."""
    _check_critic(answer)
    _check_step(answer)


def _check_critic(answer: Answer) -> None:
    critic = answer.call(_CRITIC)
    if not isinstance(critic, nn.Module):
        raise Mistake("not_module", line_of(answer[_CRITIC]), name=_CRITIC)
    for size in _SIZES:
        pictures = torch.rand(2, 3, size, size).requires_grad_()
        with Trace() as trace:
            try:
                scores = answer.run(critic, pictures)
                break
            except Mistake as mistake:
                if mistake.key != "raises" or size == _SIZES[-1]:
                    raise
    if not isinstance(scores, Tensor):
        raise Mistake("returns", name=_CRITIC, got=type(scores).__name__)
    if scores.dim() == 0:
        raise Mistake("critic.batch_mean")
    if scores.shape[0] != 2 or (scores.dim() > 1 and scores.shape[1] != 1) or scores.dim() == 3:
        raise Mistake("critic.shape", got=shape_of(scores))
    end = trace.of(scores).real()
    if end.name in ("sigmoid", "softmax", "_softmax", "log_sigmoid_forward"):
        raise Mistake("critic.sigmoid")
    if end.is_activation:
        raise Mistake("critic.activation", got=end.name)
    answer.run(scores.sum().backward)
    if pictures.grad is None or not pictures.grad.any():
        raise Mistake("critic.no_gradient")


@dataclass
class _Game:
    """The networks that the loop is tried with, and what it does to them."""

    generator: WatchedNetwork
    critic: WatchedNetwork
    events: Events
    perceptual: Watched
    tv: Watched


def _game() -> _Game:
    generator = WatchedNetwork(nn.Sequential(nn.Conv2d(3, 48, 3, padding=1), nn.PixelShuffle(4)))
    layers = [nn.Conv2d(3, 6, 5, stride=2), nn.LeakyReLU(0.2), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 1)]
    critic = WatchedNetwork(nn.Sequential(*layers))
    return _Game(generator, critic, Events(), Watched(F.mse_loss), Watched(_total_variation))


def _total_variation(pictures: Tensor) -> Tensor:
    return pictures.diff(dim=2).square().mean() + pictures.diff(dim=3).square().mean()


def _check_step(answer: Answer) -> None:
    game = _game()
    optimizers = (
        WatchedOptimizer(game.generator, game.events, "generator ", game.critic, rate=0.05),
        WatchedOptimizer(game.critic, game.events, "critic ", game.generator, rate=0.5),
    )
    largest = float(flat(list(game.generator.parameters())).abs().max())
    left = torch.zeros(0), torch.zeros(0)  # the gradients that the call before left behind
    for _ in range(2):
        low, high = torch.rand(4, 3, 5, 6), torch.rand(4, 3, 20, 24)
        game.events.order.clear()
        game.events.updates.clear()
        before = copy.deepcopy(game.generator.inside)
        networks = (game.generator, game.critic)
        losses = (game.perceptual, game.tv)
        settings = {"n_critic": _UPDATES, "clip_value": _CLIP, **_WEIGHTS}
        try:
            found = answer.call(_STEP, *networks, *optimizers, low, high, *losses, **settings)
        except Mistake as mistake:
            if mistake.key == "raises" and not all(one.requires_grad for one in game.generator.parameters()):
                raise Mistake("adv.generator_frozen", mistake.line) from mistake
            raise
        _check_counts(game.events.updates)
        _check_critic_updates(game, before, low, high, left[1], largest)
        _check_generator_update(game, before, low, high, left[0])
        if not isinstance(found, Sequence) or len(found) != 2:
            raise Mistake("adv.returns")
        for number in found:
            plain_number(number, "loss", _STEP)
        left = tuple(  # type: ignore[assignment]
            flat([torch.zeros_like(one) if one.grad is None else one.grad for one in network.parameters()])
            for network in networks
        )


def _check_counts(updates: list[Update]) -> None:
    who = [update.who.strip() for update in updates]
    for name in ("critic", "generator"):
        if name not in who:
            raise Mistake(f"adv.no_{name}_step")
    if who.count("critic") != _UPDATES:
        raise Mistake("adv.critic_steps", got=who.count("critic"), expected=_UPDATES)
    if who.count("generator") > 1:
        raise Mistake("adv.generator_steps", got=who.count("generator"))
    if who[-1] != "generator":
        raise Mistake("adv.order")


def _with(network: nn.Module, values: Tensor) -> nn.Module:
    """Return a copy of a network with other parameters, all of which ask for gradients."""
    other = copy.deepcopy(network).requires_grad_()
    nn.utils.vector_to_parameters(values, other.parameters())
    return other


def _gradient(loss: Tensor, network: nn.Module) -> Tensor:
    return flat(torch.autograd.grad(loss, list(network.parameters()), retain_graph=True, allow_unused=False))


def _check_critic_updates(
    game: _Game, generator: nn.Module, low: Tensor, high: Tensor, left: Tensor, largest: float
) -> None:
    with torch.no_grad():
        fake = generator(low)
    updates = game.events.of("critic ")
    summed = torch.zeros(0)
    for number, update in enumerate(updates):
        if not torch.equal(update.others_before, flat(list(generator.parameters()))):
            key = "adv.generator_clipped" if float(update.others_before.abs().max()) <= _BOUND < largest else None
            raise Mistake(key or "adv.generator_moved")
        if update.others.any() and number == 0 and left.numel() == 0:
            raise Mistake("adv.fakes_not_detached")
        critic = _with(game.critic.inside, update.before)
        real, made = (_gradient(critic(pictures).mean(), critic) for pictures in (high, fake))
        wanted, found = made - real, update.gradients
        summed = wanted if number == 0 else summed + wanted
        if found.numel() == 0 or not found.any():
            raise Mistake("adv.critic_no_gradient")
        if same_direction(found, wanted):
            continue
        if same_direction(found, -wanted):
            raise Mistake("adv.critic_sign")
        if same_direction(found, made) or same_direction(found, -real):
            raise Mistake("adv.critic_half", missing="real" if same_direction(found, made) else "fake")
        if number and same_direction(found, summed):
            raise Mistake("adv.critic_not_zeroed")
        if number == 0 and left.numel() and same_direction(found, wanted + left):
            raise Mistake("adv.critic_not_frozen")
        raise Mistake("adv.critic_loss")
    _check_clipping(game, updates, largest)


def _check_clipping(game: _Game, updates: list[Update], largest: float) -> None:
    after = [float(update.before.abs().max()) for update in updates[1:]]
    last = game.events.of("generator ")[0]
    end = float(last.others_before.abs().max())
    if end > _BOUND:
        if float(last.before.abs().max()) <= _BOUND < largest:
            raise Mistake("adv.generator_clipped")
        raise Mistake("adv.no_clipping", got=f"{end:.3g}", clip=_CLIP)
    if max(after) > _BOUND:
        raise Mistake("adv.clipped_late")


def _check_generator_update(game: _Game, before: nn.Module, low: Tensor, high: Tensor, left: Tensor) -> None:
    update = game.events.of("generator ")[0]
    if not update.trainable:
        raise Mistake("adv.generator_frozen")
    if not torch.equal(update.before, flat(list(before.parameters()))):
        raise Mistake("adv.generator_moved")
    if not torch.equal(update.others_before, flat(list(game.critic.parameters()))):
        raise Mistake("adv.critic_moved")
    if any(call.inputs[0].equal(high) for call in game.perceptual.calls):
        raise Mistake("adv.perceptual_exchanged")
    if update.gradients.numel() == 0 or not update.gradients.any():
        raise Mistake("adv.generator_detached")
    generator, critic = _with(before, update.before), _with(game.critic.inside, update.others_before)
    made = generator(low)
    parts = [-critic(made).mean(), F.mse_loss(made, high), _total_variation(made)]
    columns = [_gradient(part, generator) for part in parts]
    wanted = sum((weight * one for weight, one in zip(_WEIGHTS.values(), columns, strict=True)), columns[0] * 0)
    if left.any() and same_direction(update.gradients, wanted + left):
        raise Mistake("adv.generator_not_zeroed")
    scaled = torch.stack([one / one.norm() for one in columns], 1)
    solved = torch.linalg.lstsq(scaled, update.gradients[:, None]).solution[:, 0]
    rest = (scaled @ solved - update.gradients).norm() / update.gradients.norm()
    shares = [float(value / one.norm()) for value, one in zip(solved, columns, strict=True)]
    if rest > _NEAR:
        raise Mistake("adv.generator_loss")
    _check_shares(shares)


def _check_shares(shares: list[float]) -> None:
    """Compare what the three losses count in the generator's gradient with the weights that were given."""
    wanted = list(_WEIGHTS.values())
    for name, share, weight in zip(("adversarial", "perceptual", "tv"), shares, wanted, strict=True):
        if abs(share) < _NEAR * weight:
            raise Mistake(f"adv.no_{name}")
    if shares[0] < 0:
        raise Mistake("adv.generator_sign")
    if any(abs(share - weight) > _NEAR * weight for share, weight in zip(shares, wanted, strict=True)):
        got = ", ".join(f"{share:.3g}" for share in shares)
        raise Mistake("adv.weights", got=got, expected=", ".join(f"{weight:g}" for weight in wanted))
