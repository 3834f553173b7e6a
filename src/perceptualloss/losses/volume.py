"""A loss of pictures, of the slices of volumes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from torch import Tensor

from perceptualloss.errors import check_choice, check_same_shape
from perceptualloss.losses.base import Loss, Reduction
from perceptualloss.losses.mask import Mask
from perceptualloss.losses.network_loss import layer_weights
from perceptualloss.losses.stacks import StackLoss, check_stack

AXES = {"depth": 2, "height": 3, "width": 4}


class VolumeLoss(StackLoss):
    r"""A loss of pictures over the slices of volumes, also called 2.5-D.

    .. math:: \ell = \sum_a \lambda_a \frac{1}{S_a} \sum_{s < S_a} \ell(\hat y_{a,s}, y_{a,s})

    :math:`y_{a,s}` is slice s of :math:`S_a` across axis a. It gives one value for each volume, in [0, ∞): with all
    three axes up to 3 times the range of the loss inside. A network trained on photos has no third dimension; slices
    along all three axes see errors of any direction.

    - **Terms** are named by the axis, such as ``depth``; ``depth/term`` where the loss inside has several.
    - **MONAI's** ``PerceptualLoss(spatial_dims=3, is_fake_3d=True, fake_3d_ratio=r)`` is the same sum over all three
      axes, of LPIPS. It draws slices of the whole batch at once.

    Args:
        loss: a loss of single pictures (N, 3, H, W), or ``GreyLoss(loss)`` for volumes (N, 1, D, H, W), as most scans
            are.
        axes: across which slices are cut: "depth" gives pictures (H, W), "height" (D, W), "width" (D, H). Names, or the
            weight :math:`\lambda_a` of each; names alone weigh 1.
        share: the share of the slices that is compared, above 0 and up to 1. They are drawn anew at every call for each
            volume and axis, the same ones of output and target (see :class:`StackLoss`).
        chunk: at most this many slices are compared at a time, of all volumes together, to save memory; None for all of
            an axis.
        checkpoint: compute again in the backward pass, to save memory; a chunk implies it (see :class:`StackLoss`).
        reduction: "mean", "sum" or "none" over the volumes of a batch; None is that of ``loss`` (see :class:`Loss`).

    Raises:
        InputError: for an unknown axis or none, an unusable share or chunk, or volumes of another shape.

    Source: MONAI, ``monai.losses.PerceptualLoss``, there "fake 3D".

    >>> import torch
    >>> from perceptualloss.losses.pixel import L1Loss
    >>> from perceptualloss.losses.wrapped import GreyLoss
    >>> loss = VolumeLoss(GreyLoss(L1Loss()))
    >>> {n: float(v) for n, v in loss.terms(torch.zeros(1, 1, 4, 5, 6), torch.ones(1, 1, 4, 5, 6)).items()}
    {'depth': 1.0, 'height': 1.0, 'width': 1.0}
    """

    def __init__(
        self,
        loss: Loss,
        axes: Mapping[str, float] | Iterable[str] = ("depth", "height", "width"),
        share: float = 1.0,
        chunk: int | None = None,
        checkpoint: bool = False,
        reduction: Reduction | None = None,
    ) -> None:
        super().__init__(loss, share, chunk, checkpoint, reduction)
        self.axes = layer_weights([axes] if isinstance(axes, str) else axes)
        for axis in self.axes:
            check_choice("axis", axis, AXES)
        self.same_size = True

    def _option(self, name: str) -> Any:
        return tuple(self.axes) if name == "axes" and set(self.axes.values()) == {1.0} else super()._option(name)

    def _per_image(self, output: Tensor, target: Tensor, weight: Mask | None = None) -> dict[str, Tensor]:
        """Return the loss's terms of every axis, each its weight times the mean over the slices of a volume, (N,)."""
        terms: dict[str, Tensor] = {}
        single = partial(self._single, weight)
        for axis, factor in self.axes.items():
            pixels = None if weight is None else slices(weight.pixels, axis)
            values = self._mean_over(single, [slices(output, axis), slices(target, axis)], pixels)
            for name, value in values.items():
                terms[axis if len(values) == 1 else f"{axis}/{name}"] = factor * value
        return terms

    def check_shapes(self, output: Tensor, target: Tensor | None = None) -> None:
        """Check the volumes, and a slice of every axis against the needs of the loss inside."""
        remedies = [(4, "Channels do not come last: volumes.permute(0, 4, 1, 2, 3).")]
        for name, volumes in (("output", output), ("target", target)):
            if volumes is not None:
                check_stack(name, volumes, "NCDHW", self.loss.channels or 3, remedies)
        if target is not None:
            check_same_shape("output", output, "target", target)
        for axis in self.axes:
            self.loss.check_shapes(slices(output, axis)[:, 0], None if target is None else slices(target, axis)[:, 0])

    def check(self, output: Tensor, target: Tensor | None = None) -> None:
        """Check the volumes, and their values against the range of the loss inside."""
        self.check_shapes(output, target)
        axis = next(iter(self.axes))
        for n in range(len(output)):  # one by one: the slices are copied
            one = None if target is None else slices(target[n : n + 1], axis)[0]
            self.loss.check(slices(output[n : n + 1], axis)[0], one)


def slices(volumes: Tensor, axis: str) -> Tensor:
    """Return the slices of volumes (N, C, D, H, W) across an axis, (N, S, C, ., .).

    >>> import torch
    >>> slices(torch.rand(2, 1, 4, 5, 6), "height").shape
    torch.Size([2, 5, 1, 4, 6])
    """
    return volumes.movedim(AXES[axis], 1)
