"""Masks, of every registered loss: ones are no mask, what is outside an exact one does not count, empty ones fail."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.losses.base import Loss
from perceptualloss.losses.pixel import L1Loss
from perceptualloss.losses.registry import LOSSES, build_loss, options_of

OPTIONS: dict[str, dict[str, Any]] = {
    "MSSSIMLoss": {"weights": (0.4, 0.6)},
    "VGG16PerceptualLoss": {"resize": None, "weights": None},
    "LPIPS": {"net": "squeeze", "weights": None},
    "PerceptualLoss": {"network": "compact", "layers": ["relu1_1"], "style_layers": ["relu1_2"], "style_scales": 2},
}
SIDE = {"LPIPS": 96}


def built(name: str, **options: Any) -> Loss:
    torch.manual_seed(1)
    network = {"network": "compact"} if "network" in options_of(name) else {}
    weights = {"weights": None} if "weights" in options_of(name) and not network else {}
    return build_loss(name, **(OPTIONS.get(name, network | weights) | options))


def pictures(side: int, batch: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(side)
    noise, target = torch.rand(2, batch, 3, side, side + 3, generator=generator).unbind(0)
    return 0.7 * target + 0.3 * noise, target


def value_and_gradient(loss: Loss, output: Tensor, target: Tensor, *mask: Tensor, **options: Any) -> tuple[Any, Tensor]:
    output = output.clone().requires_grad_()
    torch.manual_seed(2)
    values = loss.per_image(output, target, *mask, **options)
    torch.stack([*values.values()]).sum().backward()
    assert output.grad is not None
    return {name: value.detach() for name, value in values.items()}, output.grad


@pytest.mark.parametrize("name", LOSSES)
def test_a_mask_of_ones_is_no_mask_bit_for_bit(name: str) -> None:
    output, target = pictures(34)
    loss = built(name)
    values, gradient = value_and_gradient(loss, output, target)
    for batch, masking in ((2, "area"), (1, "exact")):
        if masking == "exact" and name == "course":  # resizes
            continue
        ones = torch.ones(batch, 1, 34, 37)
        masked, masked_gradient = value_and_gradient(loss, output, target, ones, masking=masking)
        assert masked.keys() == values.keys()
        assert all(torch.equal(masked[term], values[term]) for term in values)
        assert torch.equal(masked_gradient, gradient)


def test_an_unusable_mask_says_what_to_do() -> None:
    output, target = pictures(8)
    ones = torch.ones(2, 1, 8, 11)
    for mask, remedy in (
        (ones[:, 0], r"mask.unsqueeze\(1\)"),
        (ones.expand(-1, 3, -1, -1), r"mask\[:, :1\]"),
        (ones[..., :-1], "of shape"),
        (ones * 255, "by 255"),
        (ones - 2, r"\[0, 1\]"),
        (ones * torch.nan, r"\[0, 1\]"),
        (ones.to(torch.uint8), r"mask.float\(\)"),
        (ones * torch.tensor([0.0, 1.0]).view(2, 1, 1, 1), "empty"),
    ):
        with pytest.raises(InputError, match=remedy):
            L1Loss()(output, target, mask)
    with pytest.raises(InputError, match="Did you mean 'exact'"):
        L1Loss()(output, target, ones, masking="exat")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no masking without a mask"):
        L1Loss()(output, target, masking="exact")


def test_a_loss_of_ones_own_without_a_mask_refuses_one() -> None:
    class Plain(Loss):
        def _per_image(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
            return {"plain": (output - target).abs().mean(dim=(1, 2, 3))}

    output, target = pictures(8)
    assert Plain()(output, target) > 0
    for loss in (Plain(), L1Loss() + Plain()):
        with pytest.raises(InputError, match=r"no mask .* Plain"):
            loss(output, target, torch.ones(1, 1, 8, 11))
