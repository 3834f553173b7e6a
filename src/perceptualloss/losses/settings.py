"""Losses as they are written in YAML: names, weights and options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from perceptualloss.arguments import checked_arguments, short_name, shown
from perceptualloss.errors import InputError, check_choice
from perceptualloss.losses.base import Loss, WeightedLoss
from perceptualloss.losses.color import AngularColorLoss, BlurredColorLoss
from perceptualloss.losses.edge import EdgeLoss
from perceptualloss.losses.feature import FeatureReconstructionLoss, VGG16PerceptualLoss
from perceptualloss.losses.lpips import LPIPS
from perceptualloss.losses.perceptual import PerceptualLoss
from perceptualloss.losses.pixel import CharbonnierLoss, L1Loss, MSELoss
from perceptualloss.losses.presets import PRESETS, build_loss
from perceptualloss.losses.sliced_wasserstein import SlicedWassersteinLoss
from perceptualloss.losses.ssim import MSSSIMLoss, SSIMLoss
from perceptualloss.losses.style import StyleReconstructionLoss
from perceptualloss.losses.total_variation import TotalVariationLoss

KINDS: tuple[type[Loss], ...] = (
    MSELoss,
    L1Loss,
    CharbonnierLoss,
    PerceptualLoss,
    FeatureReconstructionLoss,
    StyleReconstructionLoss,
    SlicedWassersteinLoss,
    LPIPS,
    VGG16PerceptualLoss,
    SSIMLoss,
    MSSSIMLoss,
    EdgeLoss,
    AngularColorLoss,
    BlurredColorLoss,
    TotalVariationLoss,
)
LOSSES: dict[str, type[Loss]] = {kind.__name__: kind for kind in KINDS}
LARGEST = 4096  # of whole numbers in a loss: the side of a window or of a picture, or how many of something
_SUM = WeightedLoss.__name__  # a sum of losses that have names


def loss_from_settings(settings: Any) -> Loss:
    """Build a loss from what a recipe says.

    Args:
        settings: one of

            - a name, of a class or of a preset: ``L1Loss``, ``perceptual``;
            - a sum, ``{name: weight}`` or ``{name: {weight: ..., option: ...}}``, where the options are those of
              the class, or ``network``, ``weights``, ``style`` and
              ``input_range`` of a preset that takes them;
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
    """Check the names, options and types in what a recipe says of a loss, without building it.

    Raises:
        InputError: for an unknown name or option, one of another type, or a weight that is no number.
    """
    if not isinstance(settings, Loss):
        for name, options in _pairs(settings):
            _checked(name, options)


def _pairs(settings: Any) -> list[tuple[str, Any]]:
    pairs = list(_all_pairs(settings))
    if not pairs:
        raise InputError("a loss", shown(settings), f"Known: {', '.join([*PRESETS, *LOSSES])}.")
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
    check_choice("loss", name, [*PRESETS, *LOSSES, _SUM])
    weight = options.pop("weight", 1.0)
    try:
        factor = float(weight)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"the weight of {name} to be a number", shown(weight)) from error
    if not abs(factor) < float("inf"):
        raise InputError(f"the weight of {name} to be a finite number", shown(weight))
    if name == _SUM:
        found = checked_arguments(_sum, options, _SUM)
        for inner, part in found["losses"].items():
            if not inner or "." in inner:
                raise InputError("names of losses without a dot", repr(inner))
            check_loss_settings(part)
        return factor, found
    named = {} if name in LOSSES else {"name": name}
    found = checked_arguments(LOSSES.get(name, build_loss), {**options, **named}, name, largest=LARGEST)
    return factor, {option: value for option, value in found.items() if option not in named}


def _weighted(name: str, settings: Any) -> Loss:
    weight, options = _checked(name, settings)
    loss = _build(name, options)
    return loss if weight == 1 else weight * loss


def _build(name: str, options: dict[str, Any]) -> Loss:
    if name == _SUM:
        return _sum(**options)
    return LOSSES[name](**options) if name in LOSSES else build_loss(name, **options)


def _sum(losses: dict[str, Any], weights: dict[str, float] | None = None) -> Loss:
    return WeightedLoss({inner: loss_from_settings(part) for inner, part in losses.items()}, weights)
