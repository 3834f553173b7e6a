"""The objective of style transfer: a recipe's loss with a style picture in it, also of a network that is saved."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from perceptualloss.arguments import checked_arguments, shown
from perceptualloss.errors import InputError, check_image_batch
from perceptualloss.losses.base import Loss
from perceptualloss.losses.registry import LOSSES, takes_style
from perceptualloss.losses.settings import loss_from_settings
from perceptualloss.losses.style import StyleLoss
from perceptualloss.losses.sums import WeightedLoss
from perceptualloss.pictures.images import read_image
from perceptualloss.pictures.ranges import check_values
from perceptualloss.pictures.resize import resize

NOTE = "objective"  # the entry of a saved network's metadata


def style_objective(
    settings: Any, picture: Tensor | str | Path, size: int | None = None, strength: float = 1.0
) -> WeightedLoss:
    """Return what style transfer minimises: ``objective(output, content)`` or ``objective.terms(output, content)``.

    Args:
        settings: a loss as a recipe writes it (see :func:`loss_from_settings`), with a style term:
            ``PerceptualLoss`` with ``style_layers``, ``StyleReconstructionLoss``, ``SlicedWassersteinLoss``, or a
            preset of style transfer.
        picture: the style, a file or (3, H, W) or (1, 3, H, W) in [0, 1]. What it has to match is computed once.
        size: the longer side, in pixels, that the style is resized to first: a larger picture has larger strokes.
            None leaves it.
        strength: multiplies the style terms.

    Raises:
        InputError: for settings without a style term, or an unusable picture, size or strength.

    Source: Johnson et al. 2016, equation 5.

    >>> import torch
    >>> settings = {"PerceptualLoss": {"network": "compact", "style_layers": ["relu2_2"]}, "TotalVariationLoss": 0.1}
    >>> objective = style_objective(settings, torch.rand(3, 48, 32), size=24, strength=5.0)
    >>> list(objective.terms(*torch.rand(2, 1, 3, 32, 32)))
    ['feature', 'style', 'total_variation']
    """
    if isinstance(settings, Loss):
        remedy = "Such as PerceptualLoss: {network: compact, style_layers: {relu2_2: 5.0}}."
        raise InputError("the loss of style transfer by names and options", type(settings).__name__, remedy)
    if not has_style_term(settings):
        remedy = "Add PerceptualLoss with style_layers, or StyleReconstructionLoss."
        raise InputError("a loss with a style term", repr(settings), remedy)
    if not 0 <= strength < float("inf"):
        raise InputError("style_strength from 0", repr(strength))
    loss = loss_from_settings(_with_style(settings, style_picture(picture, size)))
    loss = loss if isinstance(loss, WeightedLoss) else WeightedLoss({"style": loss})
    weights = {
        name: loss.weights[name] * (strength if isinstance(part, StyleLoss) else 1.0)
        for name, part in loss.losses.items()
    }
    return WeightedLoss(loss.losses, weights, loss.reduction)


def style_picture(picture: Tensor | str | Path, size: int | None = None) -> Tensor:
    """Return a style as (1, 3, H, W) in [0, 1], its longer side resized to ``size`` pixels.

    Raises:
        InputError: for a file that does not decode, a tensor that is no picture, or a size below 1.

    >>> import torch
    >>> style_picture(torch.rand(3, 40, 20), size=10).shape
    torch.Size([1, 3, 10, 5])
    """
    image = picture if isinstance(picture, Tensor) else read_image(picture)
    image = image[None] if image.ndim == 3 else image
    check_image_batch("style", image)
    check_values("style", image, 0, 1, setting="")
    if size is None:
        return image
    if size < 1:
        raise InputError("style_size from 1 pixel", repr(size))
    return resize(image, size / max(image.shape[-2:])).clamp(0, 1)


def has_style_term(settings: Any) -> bool:
    """Return whether a recipe's loss has a term that wants a style picture, and none yet.

    >>> has_style_term({"L1Loss": 1.0}), has_style_term("johnson_style")
    (False, True)
    """
    return any(_takes_style(name, options) for name, options in _entries(settings))


def objective_note(settings: Any, styles: Sequence[str], size: int | None, strength: float) -> dict[str, str]:
    """Return what a saved network's metadata says of its objective: JSON, under the key ``objective``."""
    kept = {"loss": settings, "styles": list(styles), "style_size": size, "style_strength": strength}
    return {NOTE: json.dumps(kept, default=str)}


def saved_styles(metadata: Mapping[str, str]) -> list[str]:
    """Return the names of a saved network's styles in the order of their numbers; none of another network.

    Raises:
        InputError: for metadata that is broken.

    >>> saved_styles(objective_note("johnson_style", ["wave"], None, 1.0))
    ['wave']
    """
    return list(_kept(metadata)["styles"]) if NOTE in metadata else []


def saved_objective(metadata: Mapping[str, str], picture: Tensor | str | Path) -> WeightedLoss:
    """Return the objective that a saved style network was trained with, in evaluation mode.

    Args:
        metadata: of the saved network (:func:`read_metadata`).
        picture: the style picture, as the file that it was trained with: it is resized as it was then.

    Raises:
        InputError: for a network that was not trained for a style, or whose metadata is broken.

    >>> import torch
    >>> settings = {"PerceptualLoss": {"network": "compact", "style_layers": ["relu1_2"]}}
    >>> saved = saved_objective(objective_note(settings, ["noise"], 32, 1.0), torch.rand(3, 64, 64))
    """
    if NOTE not in metadata:
        raise InputError("the metadata of a network trained for a style", f"none of {', '.join(metadata) or 'it'}")
    kept = _kept(metadata)
    return style_objective(kept["loss"], picture, kept["style_size"], kept["style_strength"]).eval()


def _kept(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return the objective in a file's metadata, which may say anything."""

    def form(loss: Any, styles: list[str], style_size: int | None, style_strength: float) -> None:
        """Have the arguments of an objective."""

    try:
        objective = json.loads(metadata[NOTE])
    except (ValueError, RecursionError) as error:
        raise InputError("a network's objective as JSON", shown(metadata[NOTE])) from error
    if not isinstance(objective, dict):
        raise InputError("a network's objective by names", shown(objective))
    return checked_arguments(form, objective, "the network's objective")


def _entries(settings: Any) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the names and options in settings; a bare weight is no option."""
    if isinstance(settings, str):
        return [(settings, {})]
    if isinstance(settings, Mapping):
        return [
            (str(name), options if isinstance(options, Mapping) else {"weight": options})
            for name, options in settings.items()
        ]
    return [entry for part in settings for entry in _entries(part)] if isinstance(settings, list | tuple) else []


def _takes_style(name: str, options: Mapping[str, Any]) -> bool:
    return name in LOSSES and options.get("style") is None and takes_style(name, options)


def _with_style(settings: Any, picture: Tensor) -> list[dict[str, dict[str, Any]]]:
    """Return the settings, in their long form, with the picture as the style of all that takes one."""
    return [
        {name: {**options, **({"style": picture} if _takes_style(name, options) else {})}}
        for name, options in _entries(settings)
    ]
