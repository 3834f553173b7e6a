"""Losses of stacks of pictures, frames or slices: some of them or all, all at once or in chunks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint as recomputed

from perceptualloss.errors import InputError
from perceptualloss.losses.base import Loss, Reduction
from perceptualloss.losses.wrapped import WrappedLoss

SEED = 0
"""Of what is drawn after ``eval()``."""
Compute = Callable[..., dict[str, Tensor]]


class StackLoss(WrappedLoss):
    """The mean of a loss over a stack's pictures.

    A share of them is drawn anew at every call, without repetition and for each stack of a batch by itself, by torch's
    generator of the stack's device, as ``augment`` draws: ``torch.manual_seed`` repeats it, and with ``SeededSteps`` a
    resumed training draws what the uninterrupted one does. Every picture is as likely as any other, so the mean over
    draws is the loss of the whole stack, and so is that of its gradient. After ``loss.eval()`` the draw is the same
    every time.

    In chunks, the value is the same to rounding. ``checkpoint`` keeps nothing of a chunk but its input for the backward
    pass, and computes it again there: memory falls to that of one chunk, for the time of another forward pass.

    Args:
        loss: of single pictures.
        share: of each stack's pictures that is compared, above 0 and up to 1, which is all of them; at least one is.
        chunk: how many pictures at most are compared at a time, of all stacks together; None for all.
        checkpoint: whether chunks are computed again in the backward pass.
        reduction: by default that of ``loss``; over the stacks of a batch (see :class:`Loss`).

    Raises:
        InputError: for an unusable share or chunk.
    """

    def __init__(
        self, loss: Loss, share: float, chunk: int | None, checkpoint: bool, reduction: Reduction | None
    ) -> None:
        super().__init__(loss, reduction)
        if loss.channels is None:
            raise InputError("a loss of single pictures", type(loss).__name__, "One of clips or volumes holds it.")
        if not (isinstance(share, int | float) and 0 < share <= 1):
            raise InputError("share above 0 and up to 1", repr(share), "Such as 0.25 for every fourth picture, drawn.")
        if chunk is not None and not (isinstance(chunk, int) and chunk >= 1):
            raise InputError("chunk, a whole number from 1, or None for all at once", repr(chunk))
        self.share, self.chunk, self.checkpoint = float(share), chunk, bool(checkpoint)
        self.channels = None

    def _mean_over(self, compute: Compute, stacks: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return the mean of every term over the pictures of each stack, (N,).

        Args:
            compute: gives the terms of pictures, (k,) each, for as many batches (k, ...) as there are stacks.
            stacks: (N, S, ...) each.
        """
        if self.share < 1:
            chosen = self._draw(stacks[0])
            stacks = [_taken(stack, chosen) for stack in stacks]
        sizes, pictures = stacks[0].shape[:2], [stack.flatten(0, 1) for stack in stacks]
        step = len(pictures[0]) if self.chunk is None else self.chunk
        starts = range(0, len(pictures[0]), step)
        values = joined([self._run(compute, *(batch[i : i + step] for batch in pictures)) for i in starts])
        return {name: value.unflatten(0, sizes).mean(dim=1) for name, value in values.items()}

    def _run(self, compute: Compute, *batches: Tensor) -> dict[str, Tensor]:
        """Return what ``compute`` gives for a chunk, which the backward pass computes again if so asked."""
        if not self.checkpoint:
            return compute(*batches)
        values: dict[str, Tensor] = recomputed(compute, *batches, use_reentrant=False)
        return values

    def _draw(self, stack: Tensor) -> Tensor:
        """Return which pictures of each stack (N, S, ...) are compared, in their order: (N, K)."""
        stacks, pictures = stack.shape[:2]
        generator = None if self.training else torch.Generator(stack.device).manual_seed(SEED)
        order = torch.rand(stacks, pictures, generator=generator, device=stack.device).argsort(dim=1)
        return order[:, : max(1, round(self.share * pictures))].sort(dim=1).values


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
