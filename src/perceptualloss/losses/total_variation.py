"""Total variation: how much neighbouring pixels differ."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from perceptualloss.errors import InputError, check_choice, check_idle
from perceptualloss.losses.base import Loss, Reduction
from perceptualloss.losses.mask import Mask, Weights, weighted, weighted_mean
from perceptualloss.numerics import wide
from perceptualloss.pictures.ranges import InputRange

Kind = Literal["l1", "squared", "power"]
Pixels = Literal["mean", "sum"]


def total_variation(
    images: Tensor, kind: Kind = "l1", exponent: float = 2.0, pixels: Pixels = "mean", mask: Mask | None = None
) -> Tensor:
    r"""Return the total variation of each image, (N,), at least 0 and 0 for a flat picture.

    With the differences :math:`d_x = x_{c,i,j+1} - x_{c,i,j}` and :math:`d_y = x_{c,i+1,j} - x_{c,i,j}`:

    - "l1", anisotropic: the mean of :math:`|d_x|` plus the mean of :math:`|d_y|`;
    - "squared": the mean of :math:`d_x^2` plus the mean of :math:`d_y^2`;
    - "power": the mean of :math:`(d_x^2 + d_y^2)^{\beta/2}` over the pixels with a neighbour on the right and
      one below. Exponent 1 is the isotropic total variation, which allows sharp edges; 2 smooths as "squared".

    Means are over channels and places, so that a weight means the same at every size. With ``pixels``
    "sum" they are sums, as in the papers, where a weight belongs to one size and range: Johnson's code is
    *half* of "power" with exponent 2 as a sum, on values in [0, 255].

    Args:
        images: (N, C, H, W) with at least 2 x 2 pixels.
        kind: "l1", "squared" or "power".
        exponent: :math:`\beta \geq 1` of "power".
        pixels: "mean" or "sum" over channels and places.
        mask: a difference counts as much as the pixel of it that counts least.

    Raises:
        InputError: for an unknown kind or pixels, an exponent below 1, less than 2 pixels a side, or a mask without
            neighbours in a row or a column whose mean could be taken.

    Source: Rudin, Osher and Fatemi 1992; Mahendran and Vedaldi, "Understanding deep image representations by
    inverting them", CVPR 2015 ("power" as a sum, their equation of :math:`R_{V^\beta}`); Johnson et al. 2016,
    code (TotalVariation.lua); Ignatov et al., "DPED", ICCV 2017, code ("squared" as a mean).

    >>> ramp = torch.arange(4.0).expand(1, 3, 4, 4) / 10
    >>> tuple(round(float(total_variation(ramp, kind)), 3) for kind in ("l1", "squared", "power"))
    (0.1, 0.01, 0.01)
    """
    check_choice("kind", kind, get_args(Kind))
    check_choice("pixels", pixels, get_args(Pixels))
    if not exponent >= 1:
        raise InputError("exponent to be at least 1", repr(exponent), "Below 1 the gradient has no bound.")
    if min(images.shape[-2:]) < 2:
        raise InputError("at least 2 x 2 pixels to compare neighbours", f"{images.shape[-2]} x {images.shape[-1]}")
    images = wide(images)
    across, down = images.diff(dim=-1), images.diff(dim=-2)
    if kind == "l1":
        parts = [across.abs(), down.abs()]
    elif kind == "squared":
        parts = [across.square(), down.square()]
    else:
        parts = [_power(across[..., :-1, :].square() + down[..., :-1].square(), exponent / 2)]
    weights = [None] * len(parts) if mask is None else _of_differences(mask, kind, counted=pixels == "mean")
    if pixels == "mean":
        sums = [weighted_mean(part, own) for part, own in zip(parts, weights, strict=True)]
    else:
        sums = [weighted(part, own).sum(dim=(1, 2, 3)) for part, own in zip(parts, weights, strict=True)]
    return torch.stack(sums).sum(dim=0)


def _of_differences(mask: Mask, kind: Kind, counted: bool) -> list[Weights]:
    """Return the weights of each part's differences."""
    own = mask.pixels
    across, down = torch.minimum(own[..., 1:], own[..., :-1]), torch.minimum(own[..., 1:, :], own[..., :-1, :])
    if kind == "power":
        positions = {
            "a pixel with neighbours on the right and below": torch.minimum(across[..., :-1, :], down[..., :-1])
        }
    else:
        positions = {"a pair of neighbours in a row": across, "a pair of neighbours in a column": down}
    return [mask.counted(own, what, 2) if counted else Weights.of(own) for what, own in positions.items()]


def _power(values: Tensor, exponent: float) -> Tensor:
    """Return values at least 0 to a power, with a zero gradient at zero where the root's is infinite."""
    if exponent == 1:
        return values
    positive = values > 0
    return torch.where(positive, torch.where(positive, values, 1).pow(exponent), 0)


class TotalVariationLoss(Loss):
    """The total variation of the output, which needs no target: ``loss(output)``.

    It is how much neighbouring pixels differ; :func:`total_variation` has the formulas. A small weight of it beside
    another loss smooths noise and checkerboards away. It is in [0, 2] for pictures in [0, 1] and the mean over pixels.

    Args:
        kind: "l1", "squared" or "power".
        exponent: of "power", at least 1.
        pixels: "mean" over channels and places, or "sum" as in the papers.
        input_range: the range of the pictures' values, such as (0, 1) or (-1, 1) (see :class:`Loss`).
        reduction: "mean" or "sum" over the pictures of a batch, or "none" for one value each (see :class:`Loss`).

    Raises:
        InputError: as :func:`total_variation`.

    >>> TotalVariationLoss()(torch.zeros(1, 3, 8, 8))
    tensor(0.)
    """

    needs_target = False

    def __init__(
        self,
        kind: Kind = "l1",
        exponent: float = 2.0,
        pixels: Pixels = "mean",
        input_range: InputRange = (0.0, 1.0),
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(input_range, reduction)
        self.kind, self.exponent, self.pixels = kind, exponent, pixels
        if kind != "power":
            check_idle({"exponent": exponent}, {"exponent": 2.0}, f"with kind {kind!r}")
        total_variation(torch.zeros(1, 3, 2, 2), kind, exponent, pixels)  # complain now, not when training

    def _per_image(self, output: Tensor, target: Tensor, weight: Mask | None = None) -> dict[str, Tensor]:
        """Return the total variation of each output, (N,)."""
        return {"total_variation": total_variation(output, self.kind, self.exponent, self.pixels, weight)}
