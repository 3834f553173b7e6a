"""A loss that sees flicker: how frames change, beside how they should."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from perceptualloss.losses.base import Loss, Reduction
from perceptualloss.losses.differences import check_subtractable, check_two_frames, distance, looked_at
from perceptualloss.losses.mask import Mask
from perceptualloss.losses.stacks import counting, joined, weighed
from perceptualloss.losses.video import ClipLoss, Layout
from perceptualloss.numerics import wide


class TemporalLoss(ClipLoss):
    r"""The distance between how the output changes from frame to frame and how the target does, which sees flicker.

    .. math:: \frac{1}{T-1}\sum_{t<T-1} d\big(\phi(\hat y_{t+1}) - \phi(\hat y_t),\ \phi(y_{t+1}) - \phi(y_t)\big)

    :math:`\phi` is the pixels or the features of a loss network, and d its distance. It gives one value for each clip,
    in [0, ∞), in the terms of the loss inside. In pixels an error that is the same in all frames, such as another
    colour, gives 0; what comes and goes counts. It has no opinion on how a frame looks, so put it beside a
    :class:`VideoLoss`.

    Args:
        loss: what is compared, and how. Pixels: ``MSELoss()``, ``L1Loss()`` or ``CharbonnierLoss()``. Features:
            ``FeatureReconstructionLoss`` with the distance "mse", "half_sum", "l1" or "charbonnier"; they see flicker
            of texture and edges more than that of brightness. Or ``GreyLoss`` of one of these.
        layout: "NCTHW" or "NTCHW" (see :class:`VideoLoss`).
        share: the share of the pairs of neighbouring frames that is compared, drawn as :class:`VideoLoss` draws frames.
            Through a network a pair then costs two frames.
        chunk: at most this many changes are compared at a time, to save memory; None for all.
        checkpoint: compute again in the backward pass, to save memory; a chunk implies it (see :class:`StackLoss`).
        reduction: "mean", "sum" or "none" over the clips of a batch; None is that of ``loss`` (see :class:`Loss`).

    Raises:
        InputError: for a loss whose distance means nothing between changes, such as SSIM, LPIPS or a sum (add
            ``TemporalLoss``es instead), and when called with one frame; else as :class:`VideoLoss`.

    Source: of pixels: dtSSD by Erofeev et al., "Perceptually Motivated Benchmark for Video Matting", BMVC 2015, a loss
    in Lin et al., "Robust High-Resolution Video Matting with Temporal Guidance", WACV 2022. That changes are to be
    compared as a network sees them: tLP by Chu et al., "Learning Temporal Coherence via Self-Supervision for GAN-based
    Video Generation" (TecoGAN), SIGGRAPH 2020, there by LPIPS between neighbouring frames.

    >>> from perceptualloss.losses.pixel import L1Loss
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

    def _per_image(self, output: Tensor, target: Tensor, weight: Mask | None = None) -> dict[str, Tensor]:
        """Return the loss's terms, each the mean over the changes of a clip, (N,)."""
        output, target, pixels = self.frames(output), self.frames(target), self.frames_of(weight)
        pairs: list[Tensor] = []
        if pixels is not None:
            pairs = [torch.minimum(pixels[:, :-1], pixels[:, 1:]).expand(len(output), -1, -1, -1, -1)]
        changes = partial(self._changes, weight)
        if self.share < 1:
            ends = [output[:, :-1], output[:, 1:], target[:, :-1], target[:, 1:]]
            return self._mean_over(partial(self._of_pairs, weight), ends, *pairs)
        if self.passes.chunk is None:
            values = self._run(changes, output, target, *pairs)
        else:
            starts = range(0, output.shape[1] - 1, self.passes.chunk)
            at = [(slice(n, n + 1), first, first + self.passes.chunk) for n in range(len(output)) for first in starts]
            clips = [([x[n, i : j + 1] for x in (output, target)], [x[n, i:j] for x in pairs]) for n, i, j in at]
            values = joined([self._run(changes, *both, *marks) for both, marks in clips])
        return weighed({name: value.unflatten(0, (len(output), -1)) for name, value in values.items()}, *pairs)

    def _of_pairs(
        self,
        mask: Mask | None,
        before: Tensor,
        after: Tensor,
        wanted: Tensor,
        wanted_after: Tensor,
        *pixels: Tensor,
    ) -> dict[str, Tensor]:
        """Return the terms of pairs of frames (k, C, H, W) and of the target's, each (k,)."""
        clips = [torch.stack(pair, dim=1) for pair in ((before, after), (wanted, wanted_after))]
        return self._changes(mask, *clips, *(marks.unsqueeze(1) for marks in pixels))

    def _changes(self, mask: Mask | None, output: Tensor, target: Tensor, *pixels: Tensor) -> dict[str, Tensor]:
        """Return the terms of every change in clips (N, T, C, H, W), each (N (T - 1),).

        Args:
            mask: of the call.
            output: the clips.
            target: those that they should be.
            pixels: of the mask, (N, T - 1, 1, H, W), where there is one.
        """
        with torch.no_grad():
            wanted = _changes_of(self.loss, target)
        counted = None if mask is None else counting(mask, *(marks.flatten(0, 1) for marks in pixels))
        return distance(self.loss, _changes_of(self.loss, output), wanted, counted)


def _changes_of(loss: Loss, clips: Tensor) -> dict[str, Tensor]:
    """Return the changes from frame to frame of what a loss sees in clips (N, T, C, H, W), (N (T - 1), ...) each."""
    seen, size = looked_at(loss, clips.flatten(0, 1)), (*clips.shape[:2], -1)
    return {name: wide(features).unflatten(0, size).diff(dim=1).flatten(0, 2) for name, features in seen.items()}
