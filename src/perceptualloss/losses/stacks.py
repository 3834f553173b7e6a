"""Losses of stacks of pictures, frames or slices: some of them or all, all at once or in chunks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint as recomputed

from perceptualloss.errors import InputError
from perceptualloss.features.passes import Passes
from perceptualloss.losses.balance import GradientBalance
from perceptualloss.losses.base import Loss, Reduction
from perceptualloss.losses.mask import Mask, Masking, Weights, weighted_mean
from perceptualloss.losses.passes import recomputes
from perceptualloss.losses.wrapped import WrappedLoss

SEED = 0
"""Of what is drawn after ``eval()``."""
Compute = Callable[..., dict[str, Tensor]]


class StackLoss(WrappedLoss):
    """The mean of a loss over a stack's pictures.

    A mask has the layout of the stacks, with one channel. Each picture counts as much as the mean of its mask, so that
    the loss is the mean over all that counts, and pictures of which nothing counts (frames that fill a batch up) may be
    there; with a share, over all that counts in those that are drawn. Under an exact mask every other picture needs a
    region that is as large as the loss inside asks for.

    A share of them is drawn anew at every call, without repetition and for each stack of a batch by itself, by torch's
    generator of the stack's device, as ``augment`` draws: ``torch.manual_seed`` repeats it, and with ``SeededSteps`` a
    resumed training draws what the uninterrupted one does. Every picture is as likely as any other, so the mean over
    draws is the loss of the whole stack, and so is that of its gradient. After ``loss.eval()`` the draw is the same
    every time.

    With a chunk or ``checkpoint``, nothing of a chunk is kept for the backward pass but its pictures; the rest is
    computed again there (:class:`Passes` does the same for a loss network's features alone). Memory falls to that of
    one chunk, for the time of another forward pass. Value and gradient are the same; a loss that draws at random draws
    for each chunk.

    Args:
        loss: of single pictures.
        share: of each stack's pictures that is compared, above 0 and up to 1, which is all of them; at least one is.
        chunk: how many pictures at most are compared at a time, of all stacks together; None for all.
        checkpoint: whether to compute again in the backward pass; a chunk implies it.
        reduction: by default that of ``loss``; over the stacks of a batch (see :class:`Loss`).

    Raises:
        InputError: for an unusable share or chunk, or chunks of a :class:`BalancedLoss`, whose weights would follow
            each of them.
    """

    def __init__(
        self, loss: Loss, share: float, chunk: int | None, checkpoint: bool, reduction: Reduction | None
    ) -> None:
        super().__init__(loss, reduction)
        if loss.channels is None:
            raise InputError("a loss of single pictures", type(loss).__name__, "One of clips or volumes holds it.")
        if not (isinstance(share, int | float) and 0 < share <= 1):
            raise InputError("share above 0 and up to 1", repr(share), "Such as 0.25 for every fourth picture, drawn.")
        self.passes = Passes(checkpoint, chunk)
        if not self.passes.plain and any(isinstance(part, GradientBalance) for part in loss.modules()):
            remedy = f"Put the balance outside: BalancedLoss({{name: {type(self).__name__}(part, ...), ...}}, shares)."
            raise InputError("chunks and checkpoint of a loss with weights that stay", "a BalancedLoss", remedy)
        self.share = float(share)
        self.channels = None

    def _mean_over(self, compute: Compute, stacks: Sequence[Tensor], pixels: Tensor | None = None) -> dict[str, Tensor]:
        """Return the mean of every term over the pictures of each stack, (N,).

        Args:
            compute: gives the terms of pictures, (k,) each, for as many batches (k, ...) as there are stacks, and for
                their mask's pixels where there is one.
            stacks: (N, S, ...) each.
            pixels: (N, S, 1, H, W) of a mask; a picture counts as much as its mean.
        """
        masked = pixels is not None
        stacks = [*stacks, *([] if pixels is None else [pixels.expand(len(stacks[0]), -1, -1, -1, -1)])]
        if self.share < 1:
            chosen = self._draw(stacks[0])
            stacks = [_taken(stack, chosen) for stack in stacks]
        sizes, pictures = stacks[0].shape[:2], [stack.flatten(0, 1) for stack in stacks]
        step = len(pictures[0]) if self.passes.chunk is None else self.passes.chunk
        starts = range(0, len(pictures[0]), step)
        values = joined([self._run(compute, *(batch[i : i + step] for batch in pictures)) for i in starts])
        return weighed(
            {name: value.unflatten(0, sizes) for name, value in values.items()}, stacks[-1] if masked else None
        )

    def _run(self, compute: Compute, *batches: Tensor) -> dict[str, Tensor]:
        """Return what ``compute`` gives for a chunk, computed again in the backward pass if so asked."""
        if self.passes.plain or not recomputes(self.passes, *batches):
            return compute(*batches)
        values: dict[str, Tensor] = recomputed(compute, *batches, use_reentrant=False)
        return values

    def _option(self, name: str) -> Any:
        return getattr(self.passes, name) if name in ("checkpoint", "chunk") else super()._option(name)

    def _single(self, mask: Mask | None, output: Tensor, target: Tensor, *pixels: Tensor) -> dict[str, Tensor]:
        """Return the loss's terms of pictures (k, C, H, W), under the mask's pixels (k, 1, H, W) if there are any."""
        return self.loss._values(output, target, None if mask is None else counting(mask, *pixels))

    def _mask(self, output: Tensor, target: Tensor | None, weight: Tensor | None, masking: Masking) -> Mask | None:
        """Return the mask of stacks, in their layout, with one channel."""
        if weight is None:
            return super()._mask(output, target, None, masking)
        if target is not None and target.shape[-2:] != output.shape[-2:]:
            got = f"a target of {target.shape[-2]} x {target.shape[-1]} pixels"
            raise InputError("output and target of one size, both under the mask", got)
        wanted = self._mask_shape(output)
        if not isinstance(weight, Tensor) or tuple(weight.shape) not in (wanted, (1, *wanted[1:])):
            got = str(tuple(weight.shape)) if isinstance(weight, Tensor) else type(weight).__name__
            remedy = "It has the layout of the output, with one channel."
            raise InputError(f"a mask (weight) of shape {wanted} or {(1, *wanted[1:])}", got, remedy)
        tall = weight.reshape(len(weight), 1, -1, wanted[-1])  # all pictures of a stack below each other
        found = super()._mask(output.new_empty(wanted).flatten(1, -2).unsqueeze(1), None, tall, masking)
        if found is None:
            return None
        mask = Mask(found.pixels.reshape(weight.shape), masking, found._readable)  # five dimensions, as the stacks
        check_counts(mask.pixels, mask)
        return mask

    def _mask_shape(self, output: Tensor) -> tuple[int, ...]:
        """Return the shape of a mask for stacks (N, C, S, H, W)."""
        return (len(output), 1, *output.shape[2:])

    def _draw(self, stack: Tensor) -> Tensor:
        """Return which pictures of each stack (N, S, ...) are compared, in their order: (N, K)."""
        stacks, pictures = stack.shape[:2]
        generator = None if self.training else torch.Generator(stack.device).manual_seed(SEED)
        order = torch.rand(stacks, pictures, generator=generator, device=stack.device).argsort(dim=1)
        return order[:, : max(1, round(self.share * pictures))].sort(dim=1).values


def check_counts(pixels: Tensor, mask: Mask) -> None:
    """Raise InputError, where a mask's values may be read, if nothing counts of a stack's pixels (N, ., ., H, W)."""
    if mask._readable and bool((pixels.flatten(1).amax(dim=1) <= 0).any()):
        what = "a mask of which something counts in full" if mask.exact else "a mask of which something counts"
        raise InputError(f"{what} in every clip or volume", "an empty one")


def picture_mask(mask: Mask, pixels: Tensor) -> Mask:
    """Return the mask of pictures (k, C, H, W) with these pixels, (k, 1, H, W), and the meaning of another one."""
    return Mask(pixels, "exact" if mask.exact else "area", mask._readable)


def counting(mask: Mask, pixels: Tensor) -> Mask:
    """Return that mask with all of those pictures of which nothing counts: their value counts for nothing."""
    some = pixels.amax(dim=(1, 2, 3), keepdim=True) > 0
    return picture_mask(mask, torch.where(some, pixels, 1))


def weighed(values: Mapping[str, Tensor], pixels: Tensor | None = None) -> dict[str, Tensor]:
    """Return the mean of each stack, (N,), of terms of its pictures, (N, S): by how much of each counts.

    Args:
        values: the terms.
        pixels: (N, S, 1, H, W) of a mask, or None.
    """
    weights = None if pixels is None else Weights.of(pixels.mean(dim=(2, 3, 4))[:, None, None])
    return {name: weighted_mean(value.unsqueeze(1), weights) for name, value in values.items()}


def joined(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the terms of one chunk after the other as those of all."""
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _taken(stack: Tensor, chosen: Tensor) -> Tensor:
    """Return the chosen pictures (N, K) of each stack (N, S, ...)."""
    return stack[torch.arange(len(stack), device=stack.device).unsqueeze(1), chosen]


def check_stack(name: str, stack: Tensor, shape: str, channels: int, remedies: Sequence[tuple[int, str]] = ()) -> None:
    """Raise InputError unless a stack has five dimensions, and as many channels as wanted where ``shape`` has C.

    Args:
        name: what the error calls it.
        stack: anything.
        shape: the letters of the dimensions, such as "NCTHW".
        channels: how many are wanted.
        remedies: what to say when a wrong stack has as many channels in another dimension: pairs of that and a remedy.
    """
    described = f"({', '.join(str(channels) if letter == 'C' else letter for letter in shape)})"
    if not isinstance(stack, Tensor):
        raise InputError(f"{name} to be a tensor of shape {described}", type(stack).__name__)
    got = tuple(stack.shape)
    if stack.ndim != 5:
        remedy = (
            "Add the batch dimension with unsqueeze(0), or give pictures to the loss inside." if stack.ndim == 4 else ""
        )
        raise InputError(f"{name} of shape {described}", str(got), remedy)
    at = shape.index("C")
    if got[at] != channels:
        found = [remedy for place, remedy in remedies if got[place] == channels]
        if not found and got[at] == 1:
            found = ["One channel: put GreyLoss(loss) in place of the loss inside."]
        elif not found and got[at] == 3:
            found = ["Three channels are for a loss of RGB pictures: leave GreyLoss away."]
        raise InputError(f"{name} of shape {described}", str(got), (found or [""])[0])
    if stack.numel() == 0:
        raise InputError(f"{name} with at least one picture of at least one pixel", str(got))
