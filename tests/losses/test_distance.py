from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from perceptualloss.losses.distance import DISTANCES, EPSILON, unit_channels, unit_map


def features(seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    f, g = torch.randn(2, 2, 3, 4, 5, dtype=dtype, generator=generator).unbind(0)
    return f, g


def normalised(f: Tensor) -> Tensor:
    return f / (f.square().sum(dim=1, keepdim=True) + EPSILON).sqrt()


PLAIN = {
    "mse": lambda f, g: F.mse_loss(f, g, reduction="none").flatten(1).mean(1),
    "half_sum": lambda f, g: F.mse_loss(f, g, reduction="none").flatten(1).sum(1) / 2,
    "l1": lambda f, g: F.l1_loss(f, g, reduction="none").flatten(1).mean(1),
    "charbonnier": lambda f, g: ((f - g) ** 2 + 1e-6).sqrt().flatten(1).mean(1),
    "unit": lambda f, g: (normalised(f) - normalised(g)).square().sum(1).flatten(1).mean(1),
    "instance": lambda f, g: (F.instance_norm(f) - F.instance_norm(g)).square().flatten(1).mean(1),
    "relative": lambda f, g: torch.stack([((a - b).norm() / b.norm()) ** 2 for a, b in zip(f, g, strict=True)]),
}


@pytest.mark.parametrize("name", DISTANCES)
def test_equals_plain_pytorch_and_its_gradient_is_right(name: str) -> None:
    f, g = features()
    torch.testing.assert_close(DISTANCES[name](f, g), PLAIN[name](f, g))
    f.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: DISTANCES[name](x, g), f)
    assert torch.autograd.gradgradcheck(lambda x: DISTANCES[name](x, g), f)


@pytest.mark.parametrize("name", DISTANCES)
@pytest.mark.parametrize("value", [0.0, 1.0, 6e4])
def test_equal_features_give_zero_and_a_finite_gradient(name: str, value: float) -> None:
    f = torch.full((2, 3, 4, 5), value, requires_grad=True)
    distance = DISTANCES[name](f, f.detach().clone())
    distance.sum().backward()
    torch.testing.assert_close(distance, torch.full((2,), 1e-3 if name == "charbonnier" else 0.0))
    assert not f.grad.any()


@pytest.mark.parametrize("name", DISTANCES)
@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**31))
def test_is_symmetric_but_for_relative_positive_and_knows_no_batch(name: str, seed: int) -> None:
    f, g = features(seed)
    distance = DISTANCES[name](f, g)
    assert (distance > 0).all()
    if name != "relative":
        torch.testing.assert_close(DISTANCES[name](g, f), distance)
    torch.testing.assert_close(DISTANCES[name](f.flip(0), g.flip(0)), distance.flip(0))


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**31), factor=st.floats(0.1, 100), shift=st.floats(-10, 10))
def test_what_unit_and_instance_do_not_see(seed: int, factor: float, shift: float) -> None:
    f, g = features(seed)
    seen = DISTANCES["unit"](factor * f, g)
    torch.testing.assert_close(seen, DISTANCES["unit"](f, g), rtol=1e-5, atol=1e-6)  # but for the epsilon
    changed = DISTANCES["instance"](factor * f + shift, g)
    torch.testing.assert_close(changed, DISTANCES["instance"](f, g), rtol=1e-2, atol=1e-3)  # but for the epsilon
    assert (DISTANCES["unit"](f, -f) <= 4 + 1e-9).all()


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**31), factor=st.floats(0.01, 100))
def test_relative_knows_no_scale_and_is_1_for_nothing(seed: int, factor: float) -> None:
    f, g = features(seed)
    torch.testing.assert_close(DISTANCES["relative"](factor * f, factor * g), DISTANCES["relative"](f, g))
    torch.testing.assert_close(DISTANCES["relative"](0 * f, g), torch.ones(2, dtype=f.dtype))
    assert DISTANCES["relative"](f, 0 * g).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_features_are_compared_in_32_bits(dtype: torch.dtype) -> None:
    f, g = (60 * x.to(dtype) for x in features())
    for name, distance in DISTANCES.items():
        with torch.autocast("cpu", dtype):
            value = distance(300 * f, 300 * g)  # squares beyond float16
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, distance((300 * f).float(), (300 * g).float()), msg=name)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_unit_map_is_the_plain_formula_twice_differentiable(weighted: bool, memory_format: torch.memory_format) -> None:
    f, g = (x.to(memory_format=memory_format) for x in features())
    weights = torch.rand(3, dtype=torch.float64) if weighted else None
    factors = 1 if weights is None else weights.view(-1, 1, 1)
    expected = ((unit_channels(f) - unit_channels(g)) ** 2 * factors).sum(1)
    torch.testing.assert_close(unit_map(f, g, weights), expected)
    f.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: unit_map(x, g, weights), f)
    assert torch.autograd.gradgradcheck(lambda x: unit_map(x, g, weights), f)


def test_unit_map_can_be_derived_twice_over_one_graph() -> None:
    f, g = features()
    f.requires_grad_()
    value = unit_map(f, g).sum()
    (first,) = torch.autograd.grad(value, f, retain_graph=True)
    (again,) = torch.autograd.grad(value, f)
    assert torch.equal(first, again)
