from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perceptualloss.errors import InputError
from perceptualloss.losses.lecam import LeCam


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**31), decay=st.sampled_from([0.0, 0.5, 0.9]), maps=st.integers(1, 3))
def test_equals_the_papers_formula(seed: int, decay: float, maps: int) -> None:
    """R = E (D(x) - a_F)^2 + E (D(G(z)) - a_R)^2, with averages by hand in plain numbers."""
    generator = torch.Generator().manual_seed(seed)
    regularise = LeCam(0.3, decay, maps)
    averages = [[0.0, 0.0] for _ in range(maps)]
    for step in range(1, 6):
        scores = [torch.randn(2, 4, 1, n + 1, 2, generator=generator) for n in range(maps)]
        found = regularise([s[0] for s in scores], [s[1] for s in scores])
        kept = min(decay, 1 - 1 / step)
        penalties = []
        for average, (real, fake) in zip(averages, scores, strict=True):
            for side, values in enumerate((real, fake)):
                average[side] = kept * average[side] + (1 - kept) * float(values.mean())
            apart = [(float(r) - average[1]) ** 2 for r in real.flatten()]
            penalties.append(sum(apart) / len(apart))
            apart = [(float(f) - average[0]) ** 2 for f in fake.flatten()]
            penalties[-1] += sum(apart) / len(apart)
        assert float(found) == pytest.approx(0.3 * sum(penalties) / maps, rel=1e-4)


def test_its_gradient_takes_the_averages_as_constants() -> None:
    regularise = LeCam(2.0, 0.5)
    real, fake = (x.requires_grad_() for x in torch.randn(2, 4, 1, dtype=torch.float64))
    for_real, for_fake = torch.autograd.grad(regularise(real, fake), [real, fake])
    torch.testing.assert_close(for_real, 2.0 * 2 * (real - real.new_tensor(float(regularise.fake))) / 4)
    torch.testing.assert_close(for_fake, 2.0 * 2 * (fake - real.new_tensor(float(regularise.real))) / 4)


def test_its_averages_are_its_state_and_stay_in_evaluation() -> None:
    first, second = LeCam(maps=2), LeCam(maps=2)
    scores = [torch.randn(4, 1), torch.randn(4, 1, 3, 3)]
    for _ in range(3):
        first(scores, [-s for s in scores])
    second.load_state_dict(first.state_dict())
    again = [torch.randn(4, 1), torch.randn(4, 1, 3, 3)]
    assert torch.equal(first(again, scores), second(again, scores))
    before = first.real.clone()
    first.eval()(again, scores)
    assert torch.equal(first.real, before)
    assert not list(first.parameters())


def test_scores_that_are_not_finite_leave_the_averages() -> None:
    regularise = LeCam()
    one = torch.ones(2, 1)
    regularise(one, -one)
    regularise(one * float("nan"), one * float("inf"))
    assert (float(regularise.real), float(regularise.fake)) == (1.0, -1.0)


def test_in_16_bits_it_is_computed_in_32() -> None:
    one = torch.full((4, 1), 300.0, dtype=torch.float16)
    value = LeCam(1.0)(one, -one)
    assert value.dtype == torch.float32
    assert float(value) == 2 * 600.0**2  # beyond fp16


def test_what_cannot_be_meant_is_refused() -> None:
    for wrong in ({"weight": 0}, {"decay": 1.0}, {"maps": 0}):
        with pytest.raises(InputError, match="a positive weight, a decay"):
            LeCam(**wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="1 maps of scores, got 2"):
        LeCam()([torch.ones(1, 1)] * 2, [torch.ones(1, 1)] * 2)
    assert repr(LeCam(0.5)) == "LeCam(weight=0.5, decay=0.99, maps=1)"
