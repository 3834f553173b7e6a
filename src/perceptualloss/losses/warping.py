"""A loss that sees flicker without a target: frames beside the ones before, moved as they should have moved."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.losses.base import Loss, Reduction
from perceptualloss.losses.differences import check_subtractable, check_two_frames, distance, looked_at
from perceptualloss.losses.mask import Mask, Masking
from perceptualloss.losses.motion import Shift, inside, warp
from perceptualloss.losses.stacks import check_counts, counting, picture_mask
from perceptualloss.losses.video import ClipLoss, Layout
from perceptualloss.pictures.ranges import FAR, InputRange, check_values, range_bounds


class WarpingLoss(ClipLoss):
    r"""The distance between each frame and the one before, moved as an optical flow says: ``loss(output, flow)``.

    .. math:: \ell = \frac{1}{T-1}\sum_{t<T-1} d\big(\phi(\hat y_{t+1}),\ \phi(W_t(\hat y_t))\big)

    :math:`W_t` moves a frame along the flow (see :func:`warp`), :math:`\phi` is the pixels or the features of a loss
    network, and d its distance. What moves as the flow says gives 0, whatever it looks like, so put it beside a
    :class:`VideoLoss`. It is in [0, ∞).

    - **The flow** stands in the target's place: (N, 2, T - 1, H, W) in the layout of the output. It says, in pixels to
      the right and down, where each frame but the first comes from in the one before it. In style transfer it is the
      flow of the clip that went in. A flow of zeros is a camera and a scene that stand still.
    - **Which pixels count**: those whose flow stays inside of the picture. ``weight``, a mask (N, 1, T - 1, H, W),
      selects among them: give it what both frames show (:func:`visible`), 0 where something was hidden.
    - **Gradients** reach both frames, not the flow.

    Args:
        loss: as :class:`TemporalLoss` takes it.
        layout: "NCTHW" or "NTCHW" (see :class:`VideoLoss`).
        share: the share of the pairs of neighbouring frames that is compared, drawn as :class:`VideoLoss` draws frames.
        chunk: at most this many pairs are compared at a time, to save memory; None for all.
        checkpoint: compute again in the backward pass, to save memory; a chunk implies it (see :class:`StackLoss`).
        reduction: "mean", "sum" or "none" over the clips of a batch; None is that of ``loss`` (see :class:`Loss`).

    Raises:
        InputError: as :class:`TemporalLoss`, and when called with a flow of another shape, or one that leaves the
            picture everywhere.

    Source: squared, of pixels: the temporal loss of Ruder et al., "Artistic Style Transfer for Videos", GCPR 2016; in
    trainings Huang et al., "Real-Time Neural Style Transfer for Videos", CVPR 2017, and Gupta et al., "Characterizing
    and Improving Stability in Neural Style Transfer", ICCV 2017; as a measure Lai et al., "Learning Blind Video
    Temporal Consistency", ECCV 2018.

    >>> from perceptualloss.losses.pixel import MSELoss
    >>> clip = torch.stack([torch.rand(1, 3, 8, 8)] * 3, dim=2)
    >>> WarpingLoss(MSELoss())(clip, torch.zeros(1, 2, 2, 8, 8)) < 1e-12
    tensor(True)
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

    def check_shapes(self, output: Tensor, target: Tensor | None = None) -> None:
        """Check the clips and the flow, which is the target here."""
        self.check_clips("output", output)
        frames = self.frames(output)
        check_two_frames(frames)
        self.loss.check_shapes(frames[:, 0], frames[:, 0])
        if target is None:
            raise InputError(
                "WarpingLoss(output, flow)", "no flow", "Zeros where the camera and the scene stand still."
            )
        self.check_clips("flow", target, channels=2)
        n, count, _, *size = frames.shape
        wanted = [(batch, count - 1, 2, *size) for batch in (n, 1)]
        if tuple(self.frames(target).shape) not in wanted or not target.is_floating_point():
            shape = self.frames(torch.empty(wanted[0], device="meta")).shape
            got = f"{tuple(target.shape)}, {str(target.dtype).removeprefix('torch.')}"
            raise InputError(
                f"flow in floating point of shape {tuple(shape)}", got, "From each frame to the one before."
            )

    def check(self, output: Tensor, target: Tensor | None = None) -> None:
        """Check the clips and the flow, the range of the clips, and that the flow stays inside somewhere."""
        self.check_shapes(output, target)
        check_values("output", output, *range_bounds(self.input_range), slack=FAR)
        if target is not None:
            flow = self.frames(target)
            followed = inside(flow.flatten(0, 1)).unflatten(0, flow.shape[:2])
            if not bool(followed.flatten(1).any(dim=1).all()):
                remedy = "It is in pixels, to the right and down, not in shares of a side."
                raise InputError("a flow that points inside of the picture somewhere in every clip", "none", remedy)

    def _mask_shape(self, output: Tensor) -> tuple[int, ...]:
        dim = self.layout.index("T")
        return super()._mask_shape(output.narrow(dim, 1, output.shape[dim] - 1))

    def _mask(self, output: Tensor, target: Tensor | None, weight: Tensor | None, masking: Masking) -> Mask | None:
        mask = super()._mask(output, target, weight, masking)
        return None if mask is None else _PairMask(mask.pixels, masking, mask._readable)

    def _per_image(self, output: Tensor, target: Tensor, weight: Mask | None = None) -> dict[str, Tensor]:
        """Return the loss's terms, each the mean over the pairs of a clip, (N,)."""
        frames, flow, pixels = self.frames(output), self.frames(target), self.frames_of(weight)
        flow = flow.expand(len(frames), -1, -1, -1, -1)
        followed = inside(flow.flatten(0, 1)).unflatten(0, flow.shape[:2])
        followed = followed if pixels is None else followed * pixels
        mask = Mask(followed, "area", readable=False)
        if weight is not None:
            check_counts(followed, weight)
            mask = picture_mask(weight, followed)
        return self._mean_over(partial(self._along, mask), [frames[:, :-1], frames[:, 1:], flow], followed)

    def _along(self, mask: Mask, before: Tensor, after: Tensor, flow: Tensor, pixels: Tensor) -> dict[str, Tensor]:
        """Return the terms of pairs of frames (k, C, H, W), each (k,)."""
        shown = [picture_mask(mask, pixels).shown(frames, self.input_range) for frames in (after, warp(before, flow))]
        later, moved = (looked_at(self.loss, frames) for frames in shown)
        return distance(self.loss, later, moved, counting(mask, pixels))


class _PairMask(Mask):
    """The mask of pairs of frames, of which each is shown by itself: a frame may count in one and not in the next."""

    def shown(self, images: Tensor, input_range: InputRange) -> Tensor:
        """Return clips and flow as they are."""
        return images


def along(before: Tensor, after: Tensor, shift: Shift, loss: Loss) -> dict[str, Tensor]:
    """Return a loss's terms between frames (N, 3, H, W) and the ones before, moved: where both show the same, (N,).

    Args:
        before: the frames before.
        after: the frames. The gradient flows to both.
        shift: how the picture moves from the one to the other.
        loss: as :class:`TemporalLoss` takes it.

    >>> from perceptualloss.losses.pixel import MSELoss
    >>> pictures = torch.rand(2, 3, 8, 8)
    >>> along(pictures, Shift(1, 2)(pictures), Shift(1, 2), MSELoss())
    {'mse': tensor([0., 0.])}
    """
    return distance(loss, looked_at(loss, shift.inner(after)), looked_at(loss, shift.still(before)))
