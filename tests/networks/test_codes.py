"""Codes: known answers, indices both ways, straight-through gradients, and the divergence of PyTorch's own."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Normal, kl_divergence

from perceptualloss.errors import InputError
from perceptualloss.networks.codes import FiniteScalarQuantizer, Gaussian


def test_levels_are_evenly_spaced_and_all_reached() -> None:
    for levels in (2, 3, 4, 5, 8):
        z = torch.linspace(-9, 9, 4001)[:, None]
        reached = FiniteScalarQuantizer([levels])(z).unique()
        wanted = (torch.arange(levels) - levels // 2) / (levels // 2)  # the paper's: -1 always, 1 for odd ones
        assert torch.equal(reached, wanted), levels


@pytest.mark.parametrize(("levels", "z", "wanted"), [(3, 0.0, 0.0), (5, 0.5, 0.5), (5, -3.0, -1.0), (4, 3.0, 0.5)])
def test_known_codes(levels: int, z: float, wanted: float) -> None:
    # By hand, of 5: round(2.002 tanh 0.5) / 2 = round(0.925) / 2; of 4: round(1.5015 tanh(3 + 0.346) - 0.5) / 2.
    assert FiniteScalarQuantizer([levels])(torch.tensor([[z]])).item() == wanted


def test_zero_is_zero() -> None:
    assert FiniteScalarQuantizer([8, 7, 6, 5])(torch.zeros(2, 4, 3, 3)).abs().max() == 0


def test_indices_number_all_codes_in_the_papers_order() -> None:
    quantizer = FiniteScalarQuantizer([3, 2, 4])
    axes = [[-1, 0, 1], [-1, 0], [-1, -0.5, 0, 0.5]]
    every = [list(reversed(code)) for code in itertools.product(*reversed(axes))]  # the first channel runs fastest
    codes = torch.tensor(every, dtype=torch.float32)
    assert quantizer.indices(codes).tolist() == list(range(24))
    assert torch.equal(quantizer.codes(torch.arange(24)), codes)


@given(levels=st.lists(st.integers(2, 300), min_size=1, max_size=7), seed=st.integers(0, 99))
def test_codes_and_indices_go_both_ways(levels: list[int], seed: int) -> None:
    quantizer = FiniteScalarQuantizer(levels)
    z = 4 * torch.randn(2, len(levels), 3, 2, generator=torch.Generator().manual_seed(seed))
    code = quantizer(z)
    indices = quantizer.indices(code)
    assert indices.min() >= 0
    assert indices.max() < quantizer.size
    assert torch.equal(quantizer.codes(indices), code)
    assert torch.equal(quantizer.indices(quantizer.codes(indices)), indices)


def test_the_gradient_is_that_without_rounding() -> None:
    z = torch.tensor([[0.3, -0.7]], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(FiniteScalarQuantizer([5, 3])(z).sum(), z)
    wanted = 1.001 * (1 - z.detach().tanh() ** 2)  # h / (L // 2) is 2.002 / 2 and 1.001 / 1
    assert torch.allclose(gradient, wanted)


def test_rounding_is_in_32_bits() -> None:
    assert FiniteScalarQuantizer([5])(torch.zeros(1, 1, dtype=torch.bfloat16)).dtype == torch.float32


def test_divergence_is_that_of_torch_distributions() -> None:
    mean, log_variance = torch.randn(2, 3, 4, 5, 6, dtype=torch.float64)
    wanted = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).flatten(1).sum(dim=1)
    assert torch.allclose(Gaussian(mean, log_variance).divergence(), wanted)


def test_samples_have_the_mean_and_the_variance_and_follow_the_generator() -> None:
    posterior = Gaussian(torch.full((1, 50_000), 3.0), torch.full((1, 50_000), -2.0))
    first, again = (posterior.sample(torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, again)
    assert first.mean().item() == pytest.approx(3, abs=0.01)
    assert first.var().log().item() == pytest.approx(-2, abs=0.03)


def test_what_cannot_be_says_why() -> None:
    for levels in ([], [1, 8], [2**16] * 4):
        with pytest.raises(InputError, match="levels from 2"):
            FiniteScalarQuantizer(levels)
    quantizer = FiniteScalarQuantizer([3, 3])
    with pytest.raises(InputError, match="a channel for each of the levels"):
        quantizer(torch.zeros(1, 3, 2, 2))
    with pytest.raises(InputError, match="whole numbers of codes"):
        quantizer.codes(torch.zeros(1, 2, 2))
