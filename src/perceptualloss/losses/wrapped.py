"""Losses that show their pictures to another loss: what they have in common, and pictures of one channel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.losses.base import NOT_SHOWN, Loss, Reduction
from perceptualloss.losses.mask import Mask
from perceptualloss.losses.network_loss import NetworkLoss, share_networks
from perceptualloss.losses.sums import loss_name


class WrappedLoss(Loss):
    """A loss that hands pictures made of its own input to another one, and takes range and terms from that.

    Args:
        loss: the other one, of pictures.
        reduction: by default that of ``loss``, whose own does nothing here (see :class:`Loss`).

    Raises:
        InputError: for something that is no loss, or a loss that gives a map.
    """

    def __init__(self, loss: Loss, reduction: Reduction | None = None) -> None:
        if not isinstance(loss, Loss):
            raise InputError(f"{type(self).__name__}(loss), a loss of this package or a subclass of Loss", repr(loss))
        loss._check_part(loss_name(type(loss)))
        super().__init__(loss.input_range, loss.reduction if reduction is None else reduction)
        self.loss = loss
        self.needs_target, self.same_size = loss.needs_target, loss.same_size

    def _option(self, name: str) -> Any:
        usual = name == "reduction" and self.reduction == self.loss.reduction
        return NOT_SHOWN if usual else super()._option(name)

    @staticmethod
    def _share(losses: Iterable[Loss]) -> None:
        share_networks(part for loss in losses for part in loss.modules() if isinstance(part, NetworkLoss))

    @staticmethod
    def _together(
        losses: Mapping[str, Loss], output: Tensor, target: Tensor, mask: Mask | None = None
    ) -> dict[str, dict[str, Tensor]]:
        """Return every loss's terms: a family of its own, whose networks are shared."""
        return Loss._together(losses, output, target, mask)


class GreyLoss(WrappedLoss):
    """A loss of pictures with one channel, (N, 1, H, W): the loss inside sees each as a grey RGB picture.

    All three colours are the one channel, as in files of grey pictures. With more ``channels`` (the sequences of a
    magnetic resonance scan, bands of a satellite, depth and mask) each is shown as a grey picture of its own, and the
    loss is the mean over them. Nothing is guessed: pictures with another number of channels are refused.

    For clips and volumes of one channel it goes inside: ``VideoLoss(GreyLoss(loss))``, ``VolumeLoss(GreyLoss(loss))``.

    Args:
        loss: a loss of RGB pictures. Its ``input_range`` is that of the channels.
        channels: how many channels the pictures have.
        reduction: "mean", "sum" or "none" over the pictures of a batch; None is that of ``loss`` (see :class:`Loss`).

    Raises:
        InputError: for something that is no loss, no channel, or a loss of pictures with the range "imagenet", which is
            another one for each of three channels.

    >>> import torch
    >>> from perceptualloss.losses.pixel import L1Loss
    >>> GreyLoss(L1Loss())(torch.zeros(2, 1, 8, 8), torch.ones(2, 1, 8, 8))
    tensor(1.)
    """

    channels: int

    def __init__(self, loss: Loss, channels: int = 1, reduction: Reduction | None = None) -> None:
        super().__init__(loss, reduction)
        if not (isinstance(channels, int) and channels >= 1):
            raise InputError("channels, a whole number from 1", repr(channels))
        if loss.channels != 3:
            raise InputError("a loss of RGB pictures to show grey ones to", f"{type(loss).__name__} of {loss.channels}")
        if loss.input_range == "imagenet":
            remedy = "Say the range of the channel, such as input_range=(0, 1); the loss network normalises it as RGB."
            raise InputError("a loss with one range for all channels", "input_range='imagenet'", remedy)
        self.channels = channels

    def shown(self, pictures: Tensor) -> Tensor:
        """Return pictures (N, C, H, W) as RGB, (N C, 3, H, W)."""
        return pictures.reshape(-1, 1, *pictures.shape[-2:]).expand(-1, 3, -1, -1)

    def mask(self, mask: Mask | None) -> Mask | None:
        """Return the mask of what is shown."""
        return mask if mask is None or self.channels == 1 else mask.repeated(self.channels)

    def averaged(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the mean over the channels of each picture, (N,), of terms of what is shown, (N C,)."""
        return {name: value.unflatten(0, (-1, self.channels)).mean(dim=1) for name, value in values.items()}

    def _per_image(self, output: Tensor, target: Tensor, weight: Mask | None = None) -> dict[str, Tensor]:
        """Return the loss's terms, each the mean over the channels, (N,)."""
        return self.averaged(self.loss._values(self.shown(output), self._beside(output, target), self.mask(weight)))

    def _beside(self, output: Tensor, target: Tensor) -> Tensor:
        """Return what is shown of the target: where one is for all, the channels of each stand beside its own."""
        one_for_all = self.channels > 1 and len(target) == 1
        return self.shown(target.expand(len(output), -1, -1, -1) if one_for_all else target)

    def check_shapes(self, output: Tensor, target: Tensor | None = None) -> None:
        """Check the channels, and what is shown against the loss's own needs."""
        for name, pictures in (("output", output), ("target", target)):
            if isinstance(pictures, Tensor) and (pictures.ndim != 4 or pictures.shape[1] != self.channels):
                remedy = (
                    "Pictures in RGB go to the loss inside." if pictures.ndim == 4 and pictures.shape[1] == 3 else ""
                )
                raise InputError(f"{name} of shape (N, {self.channels}, H, W)", str(tuple(pictures.shape)), remedy)
        self.loss.check_shapes(self.shown(output), None if target is None else self._beside(output, target))

    def check(self, output: Tensor, target: Tensor | None = None) -> None:
        """Check the channels, and what is shown against the loss's own needs and range."""
        self.check_shapes(output, target)
        self.loss.check(self.shown(output), None if target is None else self._beside(output, target))
