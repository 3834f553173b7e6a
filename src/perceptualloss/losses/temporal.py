"""Losses that see flicker: how frames change beside how they should, and frames beside the ones before, moved."""

from __future__ import annotations

import torch
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.losses.base import Loss, Reduction
from perceptualloss.losses.feature import FeatureReconstructionLoss
from perceptualloss.losses.motion import Shift
from perceptualloss.losses.network_loss import Features
from perceptualloss.losses.pixel import CharbonnierLoss, L1Loss, MSELoss
from perceptualloss.losses.stacks import joined
from perceptualloss.losses.video import ClipLoss, Layout
from perceptualloss.losses.wrapped import GreyLoss
from perceptualloss.numerics import wide

DISTANCES = ("mse", "half_sum", "l1", "charbonnier")


class TemporalLoss(ClipLoss):
    r"""The distance between the changes of neighbouring frames and those of the target's, which sees flicker.

    :math:`\frac{1}{T-1}\sum_{t<T-1} d\big(\phi(\hat y_{t+1}) - \phi(\hat y_t),\ \phi(y_{t+1}) - \phi(y_t)\big)`, where
    :math:`\phi` is the pixels or the features of a loss network, and d its distance. Gives one value for each clip, in
    the terms of the loss inside, [0, ∞). In pixels it is 0 for an error that is the same in all frames, such as another
    colour, and grows with what comes and goes: it has no opinion on how a frame looks, so put it beside a
    :class:`VideoLoss`.

    Args:
        loss: what is compared and how: ``MSELoss()``, ``L1Loss()`` or ``CharbonnierLoss()`` of the pixels;
            ``FeatureReconstructionLoss`` with the distance "mse", "half_sum", "l1" or "charbonnier" of a network's
            features, which see flicker of texture and edges more than that of brightness; or ``GreyLoss`` of these.
        layout: "NCTHW" or "NTCHW" (see :class:`VideoLoss`).
        share: of the pairs of neighbouring frames that is compared, drawn as :class:`VideoLoss` draws frames; through a
            network a pair costs two frames then.
        chunk: how many changes at most are compared at a time; None for all.
        checkpoint: whether chunks are computed again in the backward pass (see :class:`VideoLoss`).
        reduction: by default that of ``loss``; over the clips of a batch (see :class:`Loss`).

    Raises:
        InputError: for a loss whose distance means nothing between changes, such as SSIM, LPIPS or a sum (add
            ``TemporalLoss``es instead), and when called with one frame; else as :class:`VideoLoss`.

    Source: of pixels: dtSSD by Erofeev et al., "Perceptually Motivated Benchmark for Video Matting", BMVC 2015, a loss
    in Lin et al., "Robust High-Resolution Video Matting with Temporal Guidance", WACV 2022. That changes are to be
    compared as a network sees them: tLP by Chu et al., "Learning Temporal Coherence via Self-Supervision for GAN-based
    Video Generation" (TecoGAN), SIGGRAPH 2020, there by LPIPS between neighbouring frames.

    >>> target = torch.rand(1, 3, 6, 8, 8)
    >>> loss = TemporalLoss(L1Loss())
    >>> round(float(loss(target + 0.1, target)), 6)
    0.0
    >>> flicker = 0.1 * torch.tensor([1.0, -1.0]).repeat(3).view(1, 1, 6, 1, 1)
    >>> round(float(loss(target + flicker, target)), 6)
    0.2
    """

    def __init__(
        self,
        loss: Loss,
        layout: Layout = "NCTHW",
        share: float = 1.0,
        chunk: int | None = None,
        checkpoint: bool = False,
        reduction: Reduction | None = None,
    ) -> None:
        super().__init__(loss, layout, share, chunk, checkpoint, reduction)
        check_subtractable(type(self).__name__, loss)
        self.same_size = True

    def check_shapes(self, output: Tensor, target: Tensor | None = None) -> None:
        """Check the layout, that there are two frames, and a frame against the needs of the loss inside."""
        super().check_shapes(output, target)
        check_two_frames(self.frames(output))

    def _per_image(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        """Return the loss's terms, each the mean over the changes of a clip, (N,)."""
        output, target = self.frames(output), self.frames(target)
        if self.share < 1:
            return self._mean_over(self._of_pairs, [output[:, :-1], output[:, 1:], target[:, :-1], target[:, 1:]])
        if self.chunk is None:
            values = self._run(self._changes, output, target)
        else:
            starts = range(0, output.shape[1] - 1, self.chunk)
            pieces = [(n, slice(first, first + self.chunk + 1)) for n in range(len(output)) for first in starts]
            values = joined([self._run(self._changes, output[n : n + 1, t], target[n : n + 1, t]) for n, t in pieces])
        return {name: value.unflatten(0, (len(output), -1)).mean(dim=1) for name, value in values.items()}

    def _of_pairs(
        self, before: Tensor, after: Tensor, target_before: Tensor, target_after: Tensor
    ) -> dict[str, Tensor]:
        """Return the terms of pairs of frames (k, C, H, W), each (k,)."""
        return self._changes(torch.stack([before, after], dim=1), torch.stack([target_before, target_after], dim=1))

    def _changes(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return the terms of every change in clips (N, T, C, H, W), each (N (T - 1),)."""
        with torch.no_grad():
            wanted = _changes_of(self.loss, target)
        return distance(self.loss, _changes_of(self.loss, output), wanted)


def _changes_of(loss: Loss, clips: Tensor) -> dict[str, Tensor]:
    """Return the changes from frame to frame of what a loss sees in clips (N, T, C, H, W), (N (T - 1), ...) each."""
    seen, size = looked_at(loss, clips.flatten(0, 1)), (*clips.shape[:2], -1)
    return {name: wide(features).unflatten(0, size).diff(dim=1).flatten(0, 2) for name, features in seen.items()}


def along(before: Tensor, after: Tensor, shift: Shift, loss: Loss) -> dict[str, Tensor]:
    """Return a loss's terms between frames (N, 3, H, W) and the ones before, moved: where both show the same, (N,).

    Args:
        before: the frames before.
        after: the frames. The gradient flows to both.
        shift: how the picture moves from the one to the other.
        loss: as :class:`TemporalLoss` takes it.

    >>> pictures = torch.rand(2, 3, 8, 8)
    >>> along(pictures, Shift(1, 2)(pictures), Shift(1, 2), MSELoss())
    {'mse': tensor([0., 0.])}
    """
    return distance(loss, looked_at(loss, shift.inner(after)), looked_at(loss, shift.still(before)))


def looked_at(loss: Loss, pictures: Tensor) -> Features:
    """Return what a loss compares of pictures (N, C, H, W): pixels, or features by layer."""
    if isinstance(loss, GreyLoss):
        return looked_at(loss.loss, loss.shown(pictures))
    if isinstance(loss, FeatureReconstructionLoss):
        features: Features = loss.network(loss.view.show(pictures, None), loss.output_layers)
        return features
    return {"pixels": pictures}


def distance(loss: Loss, output: Features, target: Features) -> dict[str, Tensor]:
    """Return a loss's terms, (N,) each, between what :func:`looked_at` gives."""
    if isinstance(loss, GreyLoss):
        values = distance(loss.loss, output, target)
        return {name: value.unflatten(0, (-1, loss.channels)).mean(dim=1) for name, value in values.items()}
    if isinstance(loss, FeatureReconstructionLoss):
        return loss.from_features(output, target)
    return loss._per_image(output["pixels"], target["pixels"])


def check_subtractable(name: str, loss: Loss) -> None:
    """Raise InputError unless a loss is a distance of differences, of pixels or features."""
    inner = loss.loss if isinstance(loss, GreyLoss) else loss
    if isinstance(inner, FeatureReconstructionLoss):
        if inner.distance not in DISTANCES:
            expected = f"a distance of features of {name} to be one of {', '.join(DISTANCES)}"
            raise InputError(expected, repr(inner.distance), "The others normalise features, and changes are small.")
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
