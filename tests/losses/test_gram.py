from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perceptualloss.losses.style import gram_matrix


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_equals_the_papers_sum(memory_format: torch.memory_format) -> None:
    f = torch.randn(2, 3, 4, 5, dtype=torch.float64).to(memory_format=memory_format)
    expected = torch.einsum("nchw,ndhw->ncd", f, f) / (3 * 4 * 5)
    torch.testing.assert_close(gram_matrix(f), expected)
    f.requires_grad_()
    assert torch.autograd.gradcheck(gram_matrix, f)
    assert torch.autograd.gradgradcheck(gram_matrix, f)


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**31))
def test_knows_no_places(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    f = torch.randn(1, 4, 6, 6, dtype=torch.float64, generator=generator)
    order = torch.randperm(36, generator=generator)
    moved = f.flatten(2)[:, :, order].reshape(1, 4, 9, 4)
    torch.testing.assert_close(gram_matrix(moved), gram_matrix(f))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_large_pictures_of_extreme_contrast_do_not_overflow(dtype: torch.dtype) -> None:
    f = torch.zeros(1, 2, 1024, 1024, dtype=dtype)
    f[:, :, ::2] = 6e4  # near float16's largest number
    f.requires_grad_()
    with torch.autocast("cpu", dtype):
        gram = gram_matrix(f)
    assert gram.dtype == torch.float32
    torch.testing.assert_close(gram, torch.full((1, 2, 2), float(f.detach().max()) ** 2 / 4), rtol=2e-3, atol=0)
    (gram / gram.detach().max()).sum().backward()
    assert torch.isfinite(f.grad).all()
