"""Losses as they are written in YAML: names, weights and options."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from perceptualloss.checks import InputError, check_choice
from perceptualloss.losses.color import AngularColorLoss, BlurredColorLoss
from perceptualloss.losses.edge import EdgeLoss
from perceptualloss.losses.feature import FeatureReconstructionLoss, VGG16PerceptualLoss
from perceptualloss.losses.loss import Loss
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


def loss_from_settings(settings: Any) -> Loss:
    """Build a loss from what a recipe says.

    Args:
        settings: one of

            - a name, of a class or of a preset: ``L1Loss``, ``perceptual``;
            - a sum, ``{name: weight}`` or ``{name: {weight: ..., option: ...}}``, where the options are those of
              the class, or ``network``, ``weights`` and ``style`` of a preset;
            - a list of such sums, where a name is needed twice;
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
    if not parts:
        raise InputError("a loss", repr(settings), f"Known: {', '.join([*PRESETS, *LOSSES])}.")
    loss = parts[0]
    for part in parts[1:]:
        loss = loss + part
    return loss


def _pairs(settings: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(settings, str):
        return [(settings, None)]
    if isinstance(settings, Mapping) and "class_path" in settings:  # jsonargparse's long form
        return [(str(settings["class_path"]).rsplit(".", 1)[-1], settings.get("init_args"))]
    if isinstance(settings, Mapping):
        return [(str(name), options) for name, options in settings.items()]
    if isinstance(settings, list | tuple):
        return [pair for part in settings for pair in _pairs(part)]
    raise InputError("a loss's name, or names with weights", repr(settings), "Such as {L1Loss: 1.0}.")


def _weighted(name: str, settings: Any) -> Loss:
    options = dict(settings) if isinstance(settings, Mapping) else {"weight": 1.0 if settings is None else settings}
    weight = options.pop("weight", 1.0)
    try:
        factor = float(weight)
    except (TypeError, ValueError) as error:
        raise InputError(f"the weight of {name} to be a number", repr(weight)) from error
    loss = _build(check_choice("loss", name, [*PRESETS, *LOSSES]), options)
    return loss if factor == 1 else factor * loss


def _build(name: str, options: dict[str, Any]) -> Loss:
    known = [key for key in inspect.signature(LOSSES.get(name, build_loss)).parameters if key != "name"]
    for option in options:
        check_choice(f"option of {name}", str(option), ["weight", *known])
    return LOSSES[name](**options) if name in LOSSES else build_loss(name, **options)
