"""Losses by name, the one list of them: what ``build_loss``, recipes and the command line may say."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from torch import Tensor

from perceptualloss.errors import InputError, check_choice
from perceptualloss.features.passes import Passes
from perceptualloss.losses.balanced import BalancedLoss
from perceptualloss.losses.base import Loss, Reduction
from perceptualloss.losses.color import AngularColorLoss, BlurredColorLoss
from perceptualloss.losses.edge import EdgeLoss
from perceptualloss.losses.feature import FeatureReconstructionLoss, VGG16PerceptualLoss
from perceptualloss.losses.lattice import LatticeLoss
from perceptualloss.losses.lpips import LPIPS
from perceptualloss.losses.network_loss import NetworkLoss
from perceptualloss.losses.perceptual import PerceptualLoss
from perceptualloss.losses.pixel import CharbonnierLoss, L1Loss, MSELoss
from perceptualloss.losses.presets import PRESETS, Preset, Weights
from perceptualloss.losses.sliced_wasserstein import SlicedWassersteinLoss
from perceptualloss.losses.ssim import MSSSIMLoss, SSIMLoss
from perceptualloss.losses.style import StyleReconstructionLoss
from perceptualloss.losses.sums import WeightedLoss
from perceptualloss.losses.total_variation import TotalVariationLoss
from perceptualloss.pictures.ranges import InputRange
from perceptualloss.registry import check_constructor, enter, register

Builder = Callable[..., Loss]
"""A class of losses, a function that returns one, or a preset."""
Own = TypeVar("Own", bound=Builder)

_CLASSES: tuple[type[Loss], ...] = (
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
    LatticeLoss,
    AngularColorLoss,
    BlurredColorLoss,
    TotalVariationLoss,
)
LOSSES: dict[str, Builder] = {**PRESETS, **{kind.__name__: kind for kind in _CLASSES}}
SUMS = (WeightedLoss.__name__, BalancedLoss.__name__)  # no entries, as recipes write their parts
PASSES: dict[str, Any] = get_type_hints(Passes)
"""The options of memory with their types: of presets, too, which do not name them."""
_USUAL = {"network": None, "weights": "default", "style": None, "input_range": (0.0, 1.0)}


def register_loss(kind: Own, name: str | None = None) -> Own:
    """Let ``build_loss``, recipes, ``loss_from_settings`` and ``perceptualloss compare`` name a loss of one's own.

    A recipe names what was registered by code that you ran, or by ``perceptualloss --trust MODULE`` on the command
    line, and imports nothing. Also as a decorator.

    Args:
        kind: a subclass of :class:`Loss`, or a function that returns a loss, such as a sum with settled weights. Its
            arguments have names and types of data; it is called with a ``reduction`` if it takes one, which otherwise
            is set on the loss. Its first line of documentation is what a comparison says of it.
        name: how it is called; None is its own name.

    Returns:
        ``kind``.

    Raises:
        InputError: for something else, what takes ``*args``, ``**kwargs``, ``name`` or ``weight``, or a name that is
            taken.

    >>> @register_loss
    ... def mostly_l1(share: float = 0.9) -> Loss:
    ...     return share * L1Loss() + (1 - share) * MSELoss()
    >>> build_loss("mostly_l1", share=0.8).weights["l1"]
    0.8
    >>> del LOSSES["mostly_l1"]
    """
    entry: Any = kind
    if not (inspect.isclass(entry) or inspect.isfunction(entry)):
        raise InputError("a subclass of Loss, or a function that returns a loss", repr(kind))
    check_constructor(kind)
    for taken in ("name", "weight"):
        if taken in inspect.signature(kind).parameters:
            raise InputError(f"a loss without an argument {taken!r}, which is a recipe's word", kind.__name__)
    own_name = kind.__name__ if name is None else name
    if own_name in SUMS:
        raise InputError("a name that is free for a loss", repr(own_name), "Choose another.")
    if inspect.isclass(entry):
        register(LOSSES, entry, Loss, own_name)
    else:
        enter(LOSSES, entry, own_name)
    return kind


def builder_of(name: str) -> Builder:
    """Return the class or function that builds the loss of a name.

    Raises:
        InputError: for a name that is not registered.
    """
    builder = LOSSES[check_choice("loss", name, LOSSES)]
    return builder.build if isinstance(builder, Preset) else builder


def options_of(name: str) -> tuple[str, ...]:
    """Return the names of what can be said of a loss but its reduction, such as ``("network", "weights")``."""
    return tuple(option for option in inspect.signature(builder_of(name)).parameters if option != "reduction")


def described(name: str) -> tuple[str, str]:
    """Return what tables call a loss, and what it is in a few words.

    >>> described("l1")
    ('L1', 'mean absolute error of the pixels')
    >>> described("MSELoss")
    ('MSELoss', 'The mean squared error of the pixels')
    """
    builder = LOSSES[name]
    if isinstance(builder, Preset):
        return builder.label, builder.description
    line = (builder.__doc__ or "").strip().partition("\n")[0]
    line = re.sub(r":\w+:`([^`]*)`", r"\1", re.sub(r",? ?:math:`[^`]*`", "", line)).replace("``", "")
    return name, line.removesuffix(".")


def takes_style(name: str, options: Mapping[str, Any]) -> bool:
    """Return whether a loss with these options has a style term that a fixed picture could be the style of.

    >>> takes_style("johnson_style", {}), takes_style("PerceptualLoss", {}), takes_style("L1Loss", {})
    (True, False, False)
    """
    taken = options_of(name)
    return "style" in taken and ("style_layers" not in taken or bool(options.get("style_layers")))


def check_options(name: str, options: Iterable[str]) -> None:
    """Raise InputError for an option that a loss does not take."""
    taken = options_of(name)
    for option in options:
        if option in _USUAL and option not in taken:
            takers = ", ".join(other for other in LOSSES if option in options_of(other))
            raise InputError(f"a loss that takes {option} ({takers})", repr(name), f"Leave {option} away.")
        memory = PASSES if "weights" in taken else ()  # of all that look through a network
        check_choice(f"option of {name}", str(option), dict.fromkeys((*taken, "reduction", *memory)))


def build_loss(
    name: str,
    network: str | None = None,
    weights: Weights = "default",
    style: Tensor | str | Path | None = None,
    input_range: InputRange = (0.0, 1.0),
    reduction: Reduction = "mean",
    **options: Any,
) -> Loss:
    """Build a loss by its name: a preset such as "perceptual", or a class such as "L1Loss".

    Args:
        name: a preset, such as "perceptual", "johnson" or "esrgan", a class, or a loss of your own
            (:func:`register_loss`). docs/losses.md lists them.
        network: the loss network, for losses that look through one; presets take "compact" by default.
        weights: the loss network's weights (see :func:`loss_network`), for losses that look through one.
        style: a fixed style, a picture or a file, for losses of style transfer.
        input_range: the range of the pictures' values (see :class:`Loss`). Presets give the same value for the same
            pictures in any range.
        reduction: "mean", "sum" or "none" over the pictures of a batch (see :class:`Loss`).
        options: other arguments of the class or function. Losses that look through a network also take ``checkpoint``,
            ``chunk`` and ``tile`` (see :class:`Passes`).

    Raises:
        InputError: for an unknown name, something that the loss does not take, or weights that cannot be had.

    >>> import torch
    >>> 255 * build_loss("l1")(torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2) / 255)
    tensor(1.)
    """
    builder = builder_of(name)
    common = {"network": network, "weights": weights, "style": style, "input_range": input_range}
    given = {option: value for option, value in common.items() if not _is(value, _USUAL[option])} | options
    check_options(name, given)
    check_choice("reduction", reduction, get_args(Reduction))
    takes_reduction = "reduction" in inspect.signature(builder).parameters
    later = {option: given.pop(option) for option in PASSES if option in given and option not in options_of(name)}
    loss = builder(**given, **({"reduction": reduction} if takes_reduction else {}))
    if not isinstance(loss, Loss):
        raise InputError(f"{name} to return a loss", type(loss).__name__)
    if not takes_reduction and reduction != "mean":
        loss.reduction = reduction
    for part in loss.modules() if later else ():
        if isinstance(part, NetworkLoss):
            part.network.passes = Passes(**later)
    return loss


def _is(value: object, usual: object) -> bool:
    return value is usual or (not isinstance(value, Tensor) and value == usual)
