from __future__ import annotations

import kornia
import numpy as np
import piq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.losses.pixel import MSELoss
from perceptualloss.losses.total_variation import TotalVariationLoss, total_variation

SETTINGS = [("l1", 2.0), ("squared", 2.0), ("power", 1.0), ("power", 1.5), ("power", 2.0), ("power", 3.0)]


def images(seed: int = 1, batch: int = 2, height: int = 6, width: int = 7) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 3, height, width, dtype=torch.float64, generator=generator)


def test_equals_kornia_and_piq() -> None:
    x = images()
    torch.testing.assert_close(total_variation(x), kornia.losses.total_variation(x, "mean").mean(dim=1))
    sums = {"l1": "l1", "squared": "l2_squared"}
    for kind, norm in sums.items():
        expected = piq.total_variation(x, reduction="none", norm_type=norm)
        torch.testing.assert_close(total_variation(x, kind, pixels="sum"), expected)


@pytest.mark.parametrize("exponent", [1.0, 1.5, 2.0, 3.0])
def test_power_equals_mahendrans_and_vedaldis_sum(exponent: float) -> None:
    x = images(batch=1)[0].numpy()
    expected = 0.0
    for channel in x:
        for i in range(channel.shape[0] - 1):
            for j in range(channel.shape[1] - 1):
                across, down = channel[i, j + 1] - channel[i, j], channel[i + 1, j] - channel[i, j]
                expected += (across**2 + down**2) ** (exponent / 2)
    value = total_variation(torch.tensor(x)[None], "power", exponent, "sum")
    assert value.item() == pytest.approx(expected)
    mean = total_variation(torch.tensor(x)[None], "power", exponent)
    assert mean.item() == pytest.approx(expected / (3 * 5 * 6))


def test_half_of_power_2_has_the_gradient_of_johnsons_code() -> None:
    x = images(batch=1).requires_grad_()
    (total_variation(x, "power", 2.0, "sum").sum() / 2).backward()
    values = x.detach().numpy()
    corner = values[..., :-1, :-1]
    across, down = corner - values[..., :-1, 1:], corner - values[..., 1:, :-1]
    expected = np.zeros_like(values)
    expected[..., :-1, :-1] += across + down
    expected[..., :-1, 1:] -= across
    expected[..., 1:, :-1] -= down
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), expected, atol=1e-12)


def test_squared_is_dpeds() -> None:
    x = images(batch=1)
    rows, columns = np.diff(x.numpy(), axis=2), np.diff(x.numpy(), axis=3)
    expected = (rows**2).sum() / rows.size + (columns**2).sum() / columns.size
    assert total_variation(x, "squared").item() == pytest.approx(expected)


@pytest.mark.parametrize(("kind", "exponent"), SETTINGS)
def test_gradient_also_of_flat_pictures(kind: str, exponent: float) -> None:
    loss = TotalVariationLoss(kind, exponent)  # type: ignore[arg-type]
    x = images(batch=1, height=4, width=4).requires_grad_()
    assert torch.autograd.gradcheck(loss, x)
    flat = torch.full((1, 3, 4, 4), 0.5, requires_grad=True)
    value = loss(flat)
    value.backward()
    assert value.item() == 0
    assert flat.grad is not None
    assert flat.grad.abs().max() == 0


@pytest.mark.parametrize(("kind", "exponent"), SETTINGS)
@settings(deadline=None, max_examples=5)
@given(seed=st.integers(0, 2**31), batch=st.integers(1, 4), factor=st.floats(0.1, 3), height=st.integers(2, 9))
def test_averages_over_images_and_scales(kind: str, exponent: float, seed: int, batch: int, factor: float, height: int):
    x = images(seed, batch, height)
    values = total_variation(x, kind, exponent)  # type: ignore[arg-type]
    loss = TotalVariationLoss(kind, exponent)  # type: ignore[arg-type]
    torch.testing.assert_close(loss(x), values.mean())
    torch.testing.assert_close(loss(x.flip(0)), loss(x))
    degree = {"l1": 1.0, "squared": 2.0, "power": exponent}[kind]
    torch.testing.assert_close(loss(x * factor), factor**degree * loss(x))
    torch.testing.assert_close(loss(x.flip(3)) if kind != "power" else loss(x), loss(x))


def test_needs_no_target_and_adds_up_with_others() -> None:
    x, target = images(1).float(), images(2).float()
    loss = TotalVariationLoss()
    torch.testing.assert_close(loss(x, target), loss(x))
    both = MSELoss() + 0.1 * loss
    torch.testing.assert_close(both(x, target), MSELoss()(x, target) + 0.1 * loss(x))
    assert list(loss.terms(x)) == ["total_variation"]


def test_half_precision_does_not_overflow() -> None:
    checkers = (torch.arange(64)[:, None] + torch.arange(64)) % 2
    x = checkers.expand(1, 3, 64, 64).half()
    assert total_variation(x, "squared", pixels="sum").item() == 2 * 3 * 64 * 63
    assert TotalVariationLoss()(x).item() == pytest.approx(2)


def test_unusable_settings_say_what_to_do() -> None:
    with pytest.raises(InputError, match="Did you mean 'squared'"):
        TotalVariationLoss("square")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="pixels"):
        TotalVariationLoss(pixels="max")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="at least 1"):
        TotalVariationLoss("power", 0.5)
    with pytest.raises(InputError, match="at least 2 x 2"):
        TotalVariationLoss()(torch.rand(1, 3, 1, 5))
