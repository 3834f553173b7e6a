"""Losses under torch.func: ``grad`` and ``vmap`` give what backward and a loop over the pictures give."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.func import grad, jacrev, vmap

from perceptualloss.errors import InputError
from perceptualloss.losses.base import Loss
from perceptualloss.losses.color import AngularColorLoss, BlurredColorLoss
from perceptualloss.losses.edge import EdgeLoss
from perceptualloss.losses.feature import FeatureReconstructionLoss
from perceptualloss.losses.lattice import LatticeLoss
from perceptualloss.losses.lpips import LPIPS
from perceptualloss.losses.pixel import CharbonnierLoss, L1Loss, MSELoss
from perceptualloss.losses.registry import build_loss
from perceptualloss.losses.sliced_wasserstein import SlicedWassersteinLoss
from perceptualloss.losses.ssim import MSSSIMLoss, SSIMLoss
from perceptualloss.losses.style import StyleReconstructionLoss
from perceptualloss.losses.total_variation import TotalVariationLoss

LOSSES: dict[str, Callable[[], Loss]] = {
    "mse": MSELoss,
    "l1": L1Loss,
    "charbonnier": CharbonnierLoss,
    "ssim": SSIMLoss,
    "ms-ssim": lambda: MSSSIMLoss((0.4, 0.6)),
    "edge": EdgeLoss,
    "angle": AngularColorLoss,
    "blurred": BlurredColorLoss,
    "variation": TotalVariationLoss,
    "lattice": lambda: LatticeLoss(2.0, 16),
    "before a relu": lambda: FeatureReconstructionLoss("compact", ["conv1_2", "relu2_2"]),
    "unit": lambda: FeatureReconstructionLoss("compact", ["relu1_1", "relu2_2"], "unit"),
    "instance": lambda: FeatureReconstructionLoss("compact", ["relu2_2"], "instance"),
    "resized": lambda: FeatureReconstructionLoss("compact", ["relu2_2"], resize=(20, 24)),
    "style": lambda: StyleReconstructionLoss("compact", ["relu1_2"]),
    "a fixed style": lambda: StyleReconstructionLoss("compact", ["relu1_2"], style=torch.rand(3, 24, 24), halvings=1),
    "wasserstein": lambda: SlicedWassersteinLoss("compact", ["relu1_2"]).eval(),
    "lpips": lambda: LPIPS("squeeze", weights=None),
    "perceptual": lambda: build_loss("perceptual"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_grad_and_vmap_on_the_first_call_give_what_backward_and_a_loop_give(name: str) -> None:
    output, target = torch.rand(2, 3, 3, 32, 36).unbind(0)
    loss = LOSSES[name]()

    def one(output: Tensor, target: Tensor) -> Tensor:
        return loss(output[None], target[None])

    each = vmap(one, randomness="same")(output, target)
    slopes = vmap(grad(one), randomness="same")(output, target)
    whole = grad(loss)(output, target)
    through = grad(lambda output: vmap(one, randomness="same")(output, target).mean())(output)
    output.requires_grad_()
    expected = loss(output, target)
    expected.backward()
    assert output.grad is not None
    looped = torch.stack([one(o, t) for o, t in zip(output.detach(), target, strict=True)])
    torch.testing.assert_close(each, looped, rtol=1e-4, atol=1e-6)
    largest = output.grad.abs().max().item()
    for gradient in (slopes / 3, whole, through):
        torch.testing.assert_close(gradient, output.grad, rtol=1e-3, atol=1e-4 * largest)


@pytest.mark.parametrize("name", ["unit", "style", "perceptual"])
def test_one_target_for_many_outputs_and_second_derivatives(name: str) -> None:
    output, target = torch.rand(3, 1, 3, 12, 12, dtype=torch.float64), torch.rand(1, 3, 12, 12, dtype=torch.float64)
    loss = LOSSES[name]().double()
    values = vmap(loss, in_dims=(0, None))(output, target)
    torch.testing.assert_close(values, torch.stack([loss(o, target) for o in output]))
    direction = torch.randn_like(output[0])
    slope = lambda x: (grad(loss)(x, target) * direction).sum()  # noqa: E731
    second = grad(slope)(output[0])
    step = 1e-6 * direction
    numeric = (grad(loss)(output[0] + step, target) - grad(loss)(output[0] - step, target)) / 2e-6
    torch.testing.assert_close(second, numeric, rtol=1e-3, atol=1e-5 * second.abs().max().item())


def test_a_jacobian_over_the_pictures() -> None:
    output, target = torch.rand(2, 2, 3, 16, 16).unbind(0)
    loss = LOSSES["unit"]()
    jacobian = jacrev(lambda x: torch.stack(list(loss.per_image(x, target).values())))(output)
    assert jacobian.shape == (2, 2, *output.shape)
    assert jacobian[:, 0, 1].abs().max() == 0  # the first picture's value does not depend on the second picture
    assert jacobian[:, 0, 0].abs().max() > 0


def test_what_is_not_read_inside_a_transform_is_checked_on_the_first_call_outside() -> None:
    loss = MSELoss()
    pictures = torch.rand(2, 2, 3, 8, 8) * 255
    vmap(lambda o, t: loss(o[None], t[None]))(*pictures)
    with pytest.raises(InputError, match="255"):
        loss(*pictures)
