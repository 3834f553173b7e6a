"""A loss of pictures, of the frames of video clips."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Literal, get_args

from torch import Tensor

from perceptualloss.errors import InputError, check_choice, check_same_shape
from perceptualloss.losses.base import Loss, Reduction
from perceptualloss.losses.mask import Mask
from perceptualloss.losses.stacks import StackLoss, check_stack

Layout = Literal["NCTHW", "NTCHW"]
_OTHER = {"NCTHW": "NTCHW", "NTCHW": "NCTHW"}


class ClipLoss(StackLoss):
    """A loss of video clips, in one of two layouts, which is said and never guessed.

    Args:
        loss: of single pictures.
        layout: "NCTHW", clips (N, C, T, H, W) as 3-D convolutions take them, or "NTCHW", (N, T, C, H, W).
        share: as :class:`StackLoss`.
        chunk: the same.
        checkpoint: the same.
        reduction: the same.

    Raises:
        InputError: for an unknown layout, and as :class:`StackLoss`.
    """

    def __init__(
        self,
        loss: Loss,
        layout: Layout,
        share: float,
        chunk: int | None,
        checkpoint: bool,
        reduction: Reduction | None,
    ) -> None:
        super().__init__(loss, share, chunk, checkpoint, reduction)
        check_choice("layout", layout, get_args(Layout))
        self.layout: Layout = layout

    def frames(self, clips: Tensor) -> Tensor:
        """Return clips of the layout as (N, T, C, H, W)."""
        return clips if self.layout == "NTCHW" else clips.transpose(1, 2)

    def frames_of(self, mask: Mask | None) -> Tensor | None:
        """Return the pixels of a mask of clips as (N, T, 1, H, W)."""
        return None if mask is None else self.frames(mask.pixels)

    def _mask_shape(self, output: Tensor) -> tuple[int, ...]:
        n, frames, _, height, width = self.frames(output).shape
        return (n, frames, 1, height, width) if self.layout == "NTCHW" else (n, 1, frames, height, width)

    @staticmethod
    def _share(losses: Iterable[Loss]) -> None:
        losses = list(losses)
        layouts = {loss.layout for loss in losses if isinstance(loss, ClipLoss)}
        if len(layouts) > 1:
            raise InputError(
                "clip losses of one layout in a sum", " and ".join(sorted(layouts)), "All get the same clips."
            )
        StackLoss._share(losses)

    def check_clips(self, name: str, clips: Tensor, channels: int | None = None) -> None:
        """Raise InputError unless ``clips`` have the layout, as far as it can be told, and the loss's channels."""
        other = _OTHER[self.layout]
        remedies = [
            (other.index("C"), f'If these are ({", ".join(other)}), say layout="{other}".'),
            (4, "Channels do not come last: clips.permute(0, 4, 1, 2, 3) of (N, T, H, W, C) is (N, C, T, H, W)."),
        ]
        check_stack(name, clips, self.layout, channels or self.loss.channels or 3, remedies)

    def check_shapes(self, output: Tensor, target: Tensor | None = None) -> None:
        """Check the layout, and a frame against the needs of the loss inside."""
        self.check_clips("output", output)
        output = self.frames(output)
        if target is not None:
            self.check_clips("target", target)
            target = self.frames(target)
            if self.same_size:
                check_same_shape("output", output, "target", target)
            if output.shape[1] != target.shape[1]:
                raise InputError("target with as many frames as output", f"{output.shape[1]} and {target.shape[1]}")
        self.loss.check_shapes(output[:, 0], None if target is None else target[:, 0])

    def check(self, output: Tensor, target: Tensor | None = None) -> None:
        """Check the layout, and all frames against the needs and the range of the loss inside."""
        self.check_shapes(output, target)
        for n in range(len(output)):  # one by one: the frames are copied
            one = None if target is None else self.frames(target[n % len(target)].unsqueeze(0))[0]
            self.loss.check(self.frames(output[n : n + 1])[0], one)


class VideoLoss(ClipLoss):
    r"""The mean of a loss over the frames of video clips, :math:`\frac{1}{T}\sum_t \ell(\hat y_t, y_t)`.

    It gives one value for each clip. Its range, terms and meaning are those of the loss inside. It sees each frame
    alone, so it hardly sees flicker: put a :class:`TemporalLoss` beside it. Sum losses inside, ``VideoLoss(a + b)``, so
    that they share the pass of their network.

    Args:
        loss: a loss of single pictures (N, 3, H, W), or a sum of such; ``GreyLoss(loss)`` for clips of one channel.
        layout: "NCTHW" for clips (N, C, T, H, W), as 3-D convolutions take them; "NTCHW" for (N, T, C, H, W).
        share: the share of the frames that is compared, above 0 and up to 1. They are drawn anew at every call for each
            clip, the same ones of output and target (see :class:`StackLoss`). Time and memory fall to that share; the
            gradient is noisier.
        chunk: at most this many frames are compared at a time, of all clips together, to save memory; None for all.
        checkpoint: compute again in the backward pass, to save memory; a chunk implies it (see :class:`StackLoss`).
        reduction: "mean", "sum" or "none" over the clips of a batch; None is that of ``loss`` (see :class:`Loss`).

    Raises:
        InputError: for an unknown layout, an unusable share or chunk, and when called with clips of another layout as
            far as that can be told (three frames of three channels look alike in both).

    >>> import torch
    >>> from perceptualloss.losses.pixel import L1Loss
    >>> loss = VideoLoss(L1Loss(), layout="NTCHW", reduction="none")
    >>> loss(torch.zeros(2, 5, 3, 8, 8), torch.ones(2, 5, 3, 8, 8))
    tensor([1., 1.])
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

    def _per_image(self, output: Tensor, target: Tensor, weight: Mask | None = None) -> dict[str, Tensor]:
        """Return the loss's terms, each the mean over the frames of a clip, (N,)."""
        output, target = self.frames(output), self.frames(target)
        if len(target) != len(output):
            target = target.expand(len(output), -1, -1, -1, -1)
        return self._mean_over(partial(self._single, weight), [output, target], self.frames_of(weight))
