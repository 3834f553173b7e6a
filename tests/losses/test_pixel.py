from __future__ import annotations

import kornia
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from perceptualloss.errors import InputError
from perceptualloss.losses.pixel import CharbonnierLoss, L1Loss, MSELoss


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**31), epsilon=st.floats(1e-4, 1.0))
def test_charbonnier_equals_its_formula_and_lies_between_l1_and_l1_plus_epsilon(seed: int, epsilon: float) -> None:
    output, target = torch.rand(2, 2, 3, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    value = CharbonnierLoss(epsilon)(output, target)
    torch.testing.assert_close(value, torch.hypot(output - target, torch.tensor(epsilon).double()).mean())
    absolute = F.l1_loss(output, target)
    assert absolute <= value <= absolute + epsilon


def test_charbonnier_with_epsilon_1_is_kornias_plus_1() -> None:
    output, target = torch.rand(2, 2, 3, 5, 6, dtype=torch.float64)
    expected = kornia.losses.charbonnier_loss(output, target, reduction="mean")  # sqrt(d^2 + 1) - 1
    torch.testing.assert_close(CharbonnierLoss(1.0)(output, target), expected + 1)


def test_charbonnier_of_equal_pictures_is_epsilon_with_a_zero_gradient() -> None:
    images = torch.rand(2, 3, 8, 8, requires_grad=True)
    value = CharbonnierLoss()(images, images.detach())
    value.backward()
    assert value.item() == pytest.approx(1e-3)
    assert images.grad is not None
    assert images.grad.abs().max() == 0


def test_gradients() -> None:
    output, target = torch.rand(2, 2, 3, 4, 4, dtype=torch.float64)
    output.requires_grad_()
    for loss in (MSELoss(), L1Loss(), CharbonnierLoss(0.01)):
        assert torch.autograd.gradcheck(lambda x, loss=loss: loss(x, target), output)


def test_half_precision_is_computed_in_32_bits() -> None:
    output, target = torch.rand(2, 2, 3, 16, 16)
    for loss in (MSELoss(), L1Loss(), CharbonnierLoss()):
        value = loss(output.half(), target.half())
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, loss(output, target), rtol=2e-3, atol=0)


def test_an_epsilon_that_is_not_positive_is_refused() -> None:
    with pytest.raises(InputError, match="L1Loss"):
        CharbonnierLoss(0)
