"""The laws of what a loss does to pictures, masks and its own state: each returns what it saw, or raises."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.features.base import LossNetwork
from perceptualloss.losses.base import Loss
from perceptualloss.pictures.ranges import normalised
from perceptualloss.testing.subject import BrokenError, IdleError, Subject, most, norm, off_by

_FROZEN = (
    "Dropout or batch norm trains: keep the loss network in evaluation mode whatever train() does, as LossNetwork does."
)
_DRAWN = "If it draws at random by design say random=True; else look for dropout."


def inputs(s: Subject) -> str:
    """See that no gradient reaches the target, and neither picture is changed."""
    output, target = s.pictures()
    output.requires_grad_()
    target.requires_grad_()
    before = (output.detach().clone(), target.detach().clone())
    shown = output * 1, target * 1  # no leaves, so that it could change them in place
    s(*shown).sum().backward()
    for name, picture, old in zip(("output", "target"), shown, before, strict=True):
        if not torch.equal(picture, old):
            off = most((picture - old).abs())
            raise BrokenError(
                f"{name} is changed by up to {off:.3g}", "An operation in place: x = x - mean, not x -= mean."
            )
    if target.grad is not None and target.grad.any():
        cause = "Detach the target, or run its pass under torch.no_grad(), which also saves its memory."
        raise BrokenError(f"a gradient of norm {norm(target.grad):.3g} reaches the target", cause)
    return "both as they were, no gradient to the target"


def ranges(s: Subject) -> str:
    """See that the first call refuses pictures of 8 bits for its range, and what is not finite."""
    if not isinstance(s.loss, Loss):
        raise IdleError("it is no Loss of this package, which checks ranges: input_range= is believed")
    output, target = s.pictures()
    broken = target.clone()
    broken.view(-1)[0] = torch.nan
    shown = {"output times 255": (255 * (output + 1), target), "output with NaN": (broken, target)}
    if s.takes_target:
        shown |= {"target times 255": (output, 255 * (target + 1)), "target with NaN": (output, broken)}
    first = s.copied()
    for name, pair in shown.items():
        try:
            value = first(*pair)
        except InputError:
            continue
        cause = "Leave the checks to Loss: define _per_image, and neither check_call nor check."
        raise BrokenError(f"{name} is taken and gives {most(value):.3g}", cause)
    return f"{len(shown)} wrong ones refused"


def network_range(s: Subject) -> str:
    """See that black and white reach each loss network inside as those of the range that it expects."""
    if not s.networks:
        raise IdleError("there is no LossNetwork inside")
    for network in s.networks:
        for level, name in ((0.0, "black"), (1.0, "white")):
            expected = _colour(network.input_range, level)
            for found in _shown(s, network, level):
                far = (found - expected).abs().max() / (_colour(network.input_range, 1 - level) - expected).abs().max()
                if not far <= 0.05:
                    figure = f"{name} reaches {network.name} as {_numbers(found)}, which for it is {_numbers(expected)}"
                    raise BrokenError(figure, "Build it with the input_range of the pictures that it is given.")
    return f"right for {len(s.networks)}"


def _shown(s: Subject, network: LossNetwork, level: float) -> list[Tensor]:
    """Return the colours, (3,), of what a network inside is shown of pictures of one level."""
    seen: list[Tensor] = []
    hook = network.register_forward_pre_hook(lambda _, images: seen.append(images[0].detach().float().cpu()))
    try:
        s(s.plain(level), s.plain(level))
    finally:
        hook.remove()
    return [images.movedim(1, 0).flatten(1).median(dim=1).values for images in seen]


def _colour(input_range: Any, level: float) -> Tensor:
    """Return the three channels of a grey of a level in a range."""
    if input_range == "imagenet":
        return normalised(torch.full((1, 3, 1, 1), level)).flatten()
    return torch.full((3,), input_range[0] + level * (input_range[1] - input_range[0]))


def _numbers(colour: Tensor) -> str:
    return "(" + ", ".join(f"{value:.3g}" for value in colour.tolist()) + ")"


def training(s: Subject) -> str:
    """See that neither train() nor calls after it change a value."""
    copied = s.copied()
    if copied.module is None:
        raise IdleError("it is no module")
    (output, target), before = s.pictures(), s.usual[0]
    copied.module.train()
    within = copied(output, target)
    copied(target, output)
    copied.module.eval()
    after = copied(output, target)
    if not torch.equal(after, before):
        figure = f"after calls in training mode the value of evaluation is {off_by(after, before):.2g} off"
        raise BrokenError(figure, _FROZEN)
    if s.random:
        return "evaluation gives the same before and after; it draws in training"
    if not torch.equal(within, before):
        figure = f"in training mode the value is {off_by(within, before):.2g} off that of evaluation"
        raise BrokenError(figure, f"{_FROZEN} {_DRAWN}")
    return "the same value in training and evaluation"


def parameters(s: Subject) -> str:
    """See that it has no parameters, and no entry of a checkpoint."""
    if s.module is None:
        raise IdleError("it is no module")
    found, entries = dict(s.module.named_parameters()), s.module.state_dict()
    if found or entries:
        trained = sum(parameter.requires_grad for parameter in found.values())
        figure = f"{len(found)} parameters, {trained} of them to be trained, and {len(entries)} entries of state_dict()"
        cause = "An optimiser and every checkpoint would get them: hold the network as LossNetwork does, out of sight."
        raise BrokenError(figure, cause)
    return "none, and no entry of state_dict()"


def repeatable(s: Subject) -> str:
    """See that two calls give the same bits in evaluation."""
    if s.repeats:
        return "the same bits twice"
    if s.random:
        raise IdleError("it draws at random, in evaluation too")
    raise BrokenError(f"two calls are {off_by(s.again, s.usual[0]):.2g} apart", f"Dropout is on, or a draw. {_DRAWN}")


def mask(s: Subject) -> str:
    """See that a mask of ones changes no bit of value and gradient, and an empty one is refused."""
    if not s.takes_mask:
        raise IdleError("its call takes no weight")
    ones = torch.ones(2, 1, *s.shape[1:], dtype=s.dtype, device=s.device)
    held = [_masked(s, ones)]
    if isinstance(s.loss, Loss):
        try:
            held.append(_masked(s, ones[:1], masking="exact"))
        except IdleError as error:
            held.append(f"no exact one: {error}")
    return f"ones change no bit, an empty one is refused ({', '.join(held)})"


def _masked(s: Subject, ones: Tensor, **options: Any) -> str:
    """See that for one meaning of masks, and return it."""
    output, target = s.pictures()
    try:
        masked = s.slope(output, target, weight=ones, **options)
    except InputError as error:
        raise IdleError(str(error)) from error
    if not all(torch.equal(found, usual) for found, usual in zip(masked, s.usual, strict=True)):
        cause = "Divide by the sum of the weights in the order in which a mean does, or pass over a mask of ones."
        off = max(off_by(found, usual) for found, usual in zip(masked, s.usual, strict=True))
        raise BrokenError(f"with a mask of ones value or gradient is up to {off:.2g} off that without", cause)
    try:
        empty = s.copied()(output, target, weight=0 * ones, **options)
    except ValueError:
        return str(options.get("masking", "area"))
    raise BrokenError(f"an empty mask gives {most(empty):.3g}", "Nothing counts: raise an error, it is a mistake.")
