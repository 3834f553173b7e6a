"""Losses as they are written in YAML: names, weights and options."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from perceptualloss.arguments import checked, checked_arguments, short_name, shown
from perceptualloss.errors import InputError, check_choice
from perceptualloss.losses.balanced import BalancedLoss
from perceptualloss.losses.base import Loss, Reduction
from perceptualloss.losses.registry import LOSSES, PASSES, SUMS, build_loss, builder_of, check_options, options_of
from perceptualloss.losses.sums import WeightedLoss

LONGEST = 10**9  # steps
LARGEST = 4096  # of whole numbers in a loss: the side of a window or of a picture, or how many of something


def loss_from_settings(settings: Any) -> Loss:
    """Build a loss from what a recipe says.

    Args:
        settings: one of

            - a name, of a class or of a preset: ``L1Loss``, ``perceptual``;
            - a sum, ``{name: weight}`` or ``{name: {weight: ..., option: ...}}``, where the options are those of
              the class or preset, and its ``reduction``;
            - a list of such sums, where a name is needed twice;
            - ``{class_path: name, init_args: {...}}``, which is the same as a name with its options;
            - a loss, which is returned.

    Raises:
        InputError: for an unknown name or option, or a weight that is no number.

    >>> loss = loss_from_settings({"MSELoss": 2.0, "CharbonnierLoss": {"weight": 0.5, "epsilon": 0.01}})
    >>> loss.weights
    {'mse': 2.0, 'charbonnier': 0.5}
    """
    if isinstance(settings, Loss):
        return settings
    parts = [_weighted(name, options) for name, options in _pairs(settings)]
    loss = parts[0]
    for part in parts[1:]:
        loss = loss + part
    return loss


def check_loss_settings(settings: Any) -> None:
    """Check what a recipe says of the loss to train with, without building it: its names, options and types.

    Raises:
        InputError: for an unknown name or option, one of another type, a weight that is no number, or the reduction
            "none".
    """
    if isinstance(settings, Loss):
        return
    for name, options in _pairs(settings):
        if _checked(name, options)[1].get("reduction") == "none":
            expected = f'reduction of {name} to be "mean" or "sum" in training'
            raise InputError(expected, '"none"', "A step needs one number: leave it out.")


def _pairs(settings: Any) -> list[tuple[str, Any]]:
    pairs = list(_all_pairs(settings))
    if not pairs:
        raise InputError("a loss", shown(settings), f"Known: {', '.join(LOSSES)}.")
    return pairs


def _all_pairs(settings: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(settings, str):
        return [(settings, None)]
    if isinstance(settings, Mapping) and "class_path" in settings:  # the form of networks and degradations
        for key in settings:
            check_choice("key of the loss", str(key), ("class_path", "init_args"))
        return [(short_name(str(settings["class_path"]), LOSSES), settings.get("init_args"))]
    if isinstance(settings, Mapping):
        return [(str(name), options) for name, options in settings.items()]
    if isinstance(settings, list | tuple):
        return [pair for part in settings for pair in _all_pairs(part)]
    raise InputError("a loss's name, or names with weights", shown(settings), "Such as {L1Loss: 1.0}.")


def _checked(name: str, settings: Any) -> tuple[float, dict[str, Any]]:
    """Return the weight, and the options with their types checked."""
    options = dict(settings) if isinstance(settings, Mapping) else {"weight": 1.0 if settings is None else settings}
    check_choice("loss", name, [*LOSSES, *SUMS])
    weight = options.pop("weight", 1.0)
    try:
        factor = float(weight)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"the weight of {name} to be a number", shown(weight)) from error
    if not abs(factor) < float("inf"):
        raise InputError(f"the weight of {name} to be a finite number", shown(weight))
    if name in SUMS:
        parts = checked_arguments(_SUMS[name], options, name, largest=LONGEST)
        for inner, part in parts["losses"].items():
            if not inner or "." in inner:
                raise InputError("names of losses without a dot", repr(inner))
            for pair in () if isinstance(part, Loss) else _pairs(part):
                _checked(*pair)
        return factor, parts
    check_options(name, options)
    arguments = {}
    if "reduction" in options:  # which not every function takes that returns a loss
        arguments["reduction"] = checked(f"reduction of {name}", options.pop("reduction"), Reduction)
    for option in [option for option in options if option in PASSES and option not in options_of(name)]:
        arguments[option] = checked(f"{option} of {name}", options.pop(option), PASSES[option], largest=LARGEST)
    return factor, arguments | checked_arguments(builder_of(name), options, name, largest=LARGEST)


def _weighted(name: str, settings: Any) -> Loss:
    weight, options = _checked(name, settings)
    loss = _SUMS[name](**options) if name in SUMS else build_loss(name, **options)
    return loss if weight == 1 else weight * loss


def _weighted_sum(
    losses: dict[str, Any], weights: dict[str, float] | None = None, reduction: Reduction | None = None
) -> Loss:
    return WeightedLoss(_built(losses), weights, reduction)


def _balanced_sum(
    losses: dict[str, Any],
    shares: dict[str, float],
    average: float = 0.0,
    start: dict[str, int] | None = None,
    ramp: dict[str, int] | None = None,
    delta: float = 0.0,
    reduction: Reduction | None = None,
) -> Loss:
    settings: dict[str, Any] = {"average": average, "start": start, "ramp": ramp, "delta": delta}
    return BalancedLoss(_built(losses), shares, **settings, reduction=reduction)


def _built(losses: dict[str, Any]) -> dict[str, Loss]:
    return {inner: loss_from_settings(part) for inner, part in losses.items()}


_SUMS: dict[str, Callable[..., Loss]] = {
    WeightedLoss.__name__: _weighted_sum,
    BalancedLoss.__name__: _balanced_sum,
}
