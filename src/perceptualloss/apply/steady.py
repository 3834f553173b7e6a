"""Less flicker in a video whose frames were painted one by one."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor
from torch.nn import functional as F

from perceptualloss.errors import InputError, check_same_shape

_CHANGE = 0.04  # of 1: how much a place may change and still count as unchanged, for the most part
_WINDOW = 5  # pixels over which the change is averaged, so that noise is no change


def unchanged(frame: Tensor, before: Tensor) -> Tensor:
    r"""Return how far a frame is what it was at every place, from 0 to 1.

    :math:`\exp(-(d / 0.04)^2)` of the mean absolute difference d over the channels and 5 x 5 pixels.

    Args:
        frame: (N, 3, H, W) in [0, 1].
        before: of the same shape.

    Returns:
        (N, 1, H, W).

    Raises:
        InputError: for frames of different shape.
    """
    check_same_shape("frame", frame, "before", before)
    difference = (frame - before).abs().mean(dim=1, keepdim=True)
    d = F.avg_pool2d(difference, _WINDOW, stride=1, padding=_WINDOW // 2, count_include_pad=False)
    return (-((d / _CHANGE) ** 2)).exp()


def steady(shown: Tensor, frame: Tensor, before: tuple[Tensor, Tensor], smooth: float) -> tuple[Tensor, Tensor]:
    """Blend a painted frame with the one before, where the video itself did not change.

    The share of the painting before is ``smooth * unchanged``. The frame is blended by the same shares, and the next
    one compared with that: so slow changes add up until they show, and what moves leaves no ghost.

    Args:
        shown: the painted frame, (N, 3, H, W).
        frame: what it was painted from, of the same shape.
        before: what this function returned for the frame before.
        smooth: from 0, not at all, to 1.

    Returns:
        The painting to show and the frame that it stands for.

    Raises:
        InputError: for frames of different shape, or ``smooth`` beyond [0, 1].
    """
    if not 0 <= smooth <= 1:
        raise InputError("smooth from 0 to 1", f"{smooth:g}")
    share = smooth * unchanged(frame, before[1])
    return shown.lerp(before[0], share), frame.lerp(before[1], share)


@dataclass
class Steady:
    """Steadies frame after frame of one video; see :func:`steady`."""

    smooth: float
    _before: tuple[Tensor, Tensor] | None = field(default=None, init=False)

    def __call__(self, shown: Tensor, frame: Tensor) -> Tensor:
        """Return what to show for the painted frame ``shown`` of ``frame``, both (1, 3, H, W)."""
        if self.smooth == 0:
            return shown
        self._before = (shown, frame) if self._before is None else steady(shown, frame, self._before, self.smooth)
        return self._before[0]
