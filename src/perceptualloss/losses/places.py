"""How much each position of a loss network's layers counts under a mask."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.features.base import LossNetwork
from perceptualloss.features.modules import BlurPool2d
from perceptualloss.features.view import Change, PixelShift, View, geometric, shifted
from perceptualloss.losses.mask import Mask, Weights

Places = Mapping[str, Weights]


def seen_mask(mask: Mask, view: View, change: Change | PixelShift | None = None) -> Mask:
    """Return the mask of the pictures that a network gets to see.

    Raises:
        InputError: for an exact mask where pixels are mixed over any distance: by a resize or a geometric change.
    """
    resized = view.resize is not None and view.resize != tuple(mask.pixels.shape[-2:])
    if mask.exact and (resized or isinstance(change, Change)):
        what = "resize" if resized else "augment"
        remedy = f"Leave {what} out, or say masking='area', which weighs positions."
        raise InputError("pictures shown as they are for masking='exact'", f"{what}={getattr(view, what)!r}", remedy)
    for _ in range(0 if resized else view.halvings):  # what is resized is reduced to each layer's grid at once
        mask = mask.passed(BlurPool2d(), *BlurPool2d.window)
    if isinstance(change, PixelShift):
        return mask.passed(lambda marks: shifted(marks, change))
    return mask if change is None else mask.passed(lambda marks: geometric(marks, change))


def places(mask: Mask, network: LossNetwork, features: Mapping[str, Tensor]) -> dict[str, Weights]:
    """Return how much every position of features counts, by layer.

    Args:
        mask: of the pictures as the network saw them (:func:`seen_mask`).
        network: the network.
        features: what it gave.

    Raises:
        InputError: for an exact mask where it is not known what a position sees, or a picture of which nothing counts.
    """
    if not mask.exact:
        sizes = {layer: (found.shape[-2], found.shape[-1]) for layer, found in features.items()}
        return {layer: mask.counted(mask.reduced(size), layer) for layer, size in sizes.items()}
    outside = network.touched(1 - mask.pixels, features)
    sides = {layer: network.reach(layer) for layer in features}
    deepest_first = sorted(features, key=sides.__getitem__, reverse=True)  # so that an error names the largest region
    found = {layer: mask.counted(1 - outside[layer], layer, sides[layer]) for layer in deepest_first}
    return {layer: found[layer] for layer in features}
