"""Losses that are distances of differences, of pixels or features: what they look at, and how far that is apart."""

from __future__ import annotations

from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.losses.base import Loss
from perceptualloss.losses.feature import FeatureReconstructionLoss
from perceptualloss.losses.mask import Mask
from perceptualloss.losses.network_loss import Features
from perceptualloss.losses.pixel import CharbonnierLoss, L1Loss, MSELoss
from perceptualloss.losses.places import places, seen_mask
from perceptualloss.losses.wrapped import GreyLoss

DISTANCES = ("mse", "half_sum", "l1", "charbonnier")


def looked_at(loss: Loss, pictures: Tensor) -> Features:
    """Return what a loss compares of pictures (N, C, H, W): pixels, or features by layer."""
    if isinstance(loss, GreyLoss):
        return looked_at(loss.loss, loss.shown(pictures))
    if isinstance(loss, FeatureReconstructionLoss):
        features: Features = loss.network(loss.view.show(pictures, None), loss.output_layers)
        return features
    return {"pixels": pictures}


def distance(loss: Loss, output: Features, target: Features, mask: Mask | None = None) -> dict[str, Tensor]:
    """Return a loss's terms, (N,) each, between what :func:`looked_at` gives, under the mask of the pictures."""
    if isinstance(loss, GreyLoss):
        return loss.averaged(distance(loss.loss, output, target, loss.mask(mask)))
    if isinstance(loss, FeatureReconstructionLoss):
        weights = None if mask is None else places(seen_mask(mask, loss.view), loss.network, output)
        return loss.from_features(output, target, weights)
    return loss._values(output["pixels"], target["pixels"], mask)


def check_subtractable(name: str, loss: Loss) -> None:
    """Raise InputError unless a loss is a distance of differences, of pixels or features."""
    inner = loss.loss if isinstance(loss, GreyLoss) else loss
    if isinstance(inner, FeatureReconstructionLoss):
        if inner.distance not in DISTANCES:
            expected = f"a distance of features of {name} to be one of {', '.join(DISTANCES)}"
            raise InputError(expected, repr(inner.distance), "The others normalise features, and changes are small.")
        if not inner.network.passes.plain:
            raise InputError(
                f"a loss of {name} that looks at all at once", f"{inner.network.passes}", f"Say it of {name}."
            )
        if inner.view.augment:
            remedy = "Each frame would be changed in another way, which is flicker."
            raise InputError(f"a loss of {name} without augment", f"augment={inner.view.augment!r}", remedy)
    elif not isinstance(inner, MSELoss | L1Loss | CharbonnierLoss):
        expected = f"MSELoss, L1Loss, CharbonnierLoss or FeatureReconstructionLoss in {name}"
        raise InputError(expected, type(inner).__name__, f"Add and scale outside: {name}(a) + 0.5 * {name}(b).")


def check_two_frames(clips: Tensor) -> None:
    """Raise InputError for clips (N, T, C, H, W) of one frame."""
    if clips.shape[1] < 2:
        raise InputError("clips of at least two frames, whose change is compared", f"{clips.shape[1]}")
