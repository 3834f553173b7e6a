from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.features.base import LossNetwork
from perceptualloss.losses.perceptual import PerceptualLoss
from perceptualloss.losses.sliced_wasserstein import SlicedWassersteinLoss, sliced_wasserstein
from perceptualloss.losses.style_objective import style_objective

LAYERS = {"relu1_2": 1.0, "relu2_2": 2.0}


def vectors(seed: int, channels: int = 5, count: int = 12, batch: int = 1) -> Tensor:
    return torch.rand(batch, channels, count, generator=torch.Generator().manual_seed(seed))


@given(st.integers(1, 6), st.integers(1, 30), st.integers(0, 99))
def test_equals_the_distance_of_sorted_projections(channels: int, count: int, seed: int) -> None:
    output, style = vectors(seed, channels, count), vectors(seed + 100, channels, count)
    directions = torch.linalg.qr(torch.randn(channels, channels)).Q
    total = 0.0
    for direction in directions.numpy():
        a, b = (np.sort(direction @ x[0].numpy()) for x in (output, style))
        total += float(((a - b) ** 2).mean())
    expected = torch.tensor([total / channels]) / style.square().mean()
    torch.testing.assert_close(sliced_wasserstein(output, style, directions), expected)


def test_of_a_shift_is_its_squared_length_whatever_the_order() -> None:
    style, shift = vectors(1, 4, 50), torch.tensor([0.3, 0.0, -0.4, 1.2])
    output = style[..., torch.randperm(50)] + shift[:, None]
    value = sliced_wasserstein(output, style, torch.linalg.qr(torch.randn(4, 4)).Q)
    torch.testing.assert_close(value, shift.square().mean() / style.square().mean(dim=(1, 2)))


def test_quantiles_compare_styles_of_another_size() -> None:
    few, many = torch.linspace(0.05, 0.95, 10), torch.linspace(0.005, 0.995, 100)
    assert float(sliced_wasserstein(few.view(1, 1, -1), many.view(1, 1, -1), torch.ones(1, 1))) < 1e-6
    assert float(sliced_wasserstein(many.view(1, 1, -1), few.view(1, 1, -1), torch.ones(1, 1))) < 1e-3


def test_gradcheck() -> None:
    output, style = vectors(1, 3, 7, batch=2).double(), vectors(2, 3, 11).double()
    directions = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
    assert torch.autograd.gradcheck(lambda x: sliced_wasserstein(x, style, directions), output.requires_grad_())


def test_gradcheck_through_a_tiny_network(tiny_network: Callable[..., LossNetwork]) -> None:
    loss = SlicedWassersteinLoss(tiny_network("relu1_1", "relu2_1"), {"relu1_1": 1.0, "relu2_1": 0.5}).double().eval()
    output, target = torch.rand(2, 1, 3, 4, 6, dtype=torch.float64).unbind(0)
    assert torch.autograd.gradcheck(lambda x: loss(x, target), output.requires_grad_())


def test_draws_anew_in_training_and_alike_in_evaluation() -> None:
    loss = SlicedWassersteinLoss("compact", LAYERS, positions=50)
    output, target = torch.rand(2, 2, 3, 20, 16).unbind(0)
    assert loss(output, target) != loss(output, target)
    torch.manual_seed(3)
    first = loss(output, target)
    torch.manual_seed(3)
    assert loss(output, target) == first
    assert loss(output, output) == 0
    loss.eval()
    assert loss(output, target) == loss(output, target)
    assert loss(output, output) == 0


def test_evaluation_takes_all_positions_and_directions() -> None:
    loss = SlicedWassersteinLoss("compact", LAYERS, directions=1, positions=1).eval()
    output, target = torch.rand(2, 1, 3, 20, 16).unbind(0)
    assert loss(output, target) == SlicedWassersteinLoss("compact", LAYERS).eval()(output, target)


def test_a_fixed_style_serves_a_batch_of_another_size() -> None:
    style, output = torch.rand(3, 24, 40), torch.rand(2, 3, 20, 16)
    fixed = SlicedWassersteinLoss("compact", LAYERS, style).eval()
    free = SlicedWassersteinLoss("compact", LAYERS).eval()
    torch.testing.assert_close(fixed(output), free(output, style.expand(2, -1, -1, -1)))


def test_descent_takes_the_colours() -> None:
    loss = SlicedWassersteinLoss(
        "compact", ["relu1_1"], style=torch.tensor([0.8, 0.4, 0.1]).view(3, 1, 1).expand(3, 8, 8)
    )
    output = torch.full((1, 3, 8, 8), 0.5, requires_grad=True)
    optimizer = torch.optim.Adam([output], 0.02)
    for _ in range(80):
        optimizer.zero_grad()
        loss(output).backward()
        optimizer.step()
    torch.testing.assert_close(output.mean(dim=(0, 2, 3)), torch.tensor([0.8, 0.4, 0.1]), atol=0.06, rtol=0)


def test_a_style_of_zeros_stays_finite() -> None:
    assert torch.isfinite(sliced_wasserstein(vectors(1), torch.zeros(1, 5, 3), torch.eye(5))).all()


def test_part_of_a_perceptual_loss_and_of_an_objective() -> None:
    options = {"network": "compact", "style_layers": LAYERS, "style_distance": "wasserstein", "style_scales": 2}
    style, output = torch.rand(3, 24, 40), torch.rand(2, 1, 3, 20, 16)
    loss = PerceptualLoss(layers=None, style=style, **options).eval()  # type: ignore[arg-type]
    assert list(loss.terms(output[0])) == ["style/relu1_2", "style/relu2_2", "style_2/relu1_2", "style_2/relu2_2"]
    single = SlicedWassersteinLoss("compact", LAYERS, style).eval().terms(output[0])
    torch.testing.assert_close(loss.terms(output[0])["style/relu2_2"], single["relu2_2"] / 2)
    once, twice = (style_objective({"PerceptualLoss": options}, style, strength=s).eval() for s in (1.0, 2.0))
    a, b = (objective.terms(*output) for objective in (once, twice))
    torch.testing.assert_close(b["feature"], a["feature"])
    torch.testing.assert_close(b["style_2/relu1_2"], 2 * a["style_2/relu1_2"])
    assert style_objective({"SlicedWassersteinLoss": {"network": "compact", "layers": LAYERS}}, style)(*output) > 0


def test_bad_options_are_refused() -> None:
    with pytest.raises(InputError, match="directions and positions"):
        SlicedWassersteinLoss("compact", LAYERS, directions=0)
    with pytest.raises(InputError, match="one style picture"):
        SlicedWassersteinLoss("compact", LAYERS, torch.rand(2, 3, 8, 8))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("style", [None, torch.rand(1, 3, 20, 20)])
def test_in_evaluation_too_it_compiles_in_one_graph(style: Tensor | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perceptualloss.losses.sliced_wasserstein.ENOUGH", 300)
    torch.compiler.reset()
    loss = SlicedWassersteinLoss("compact", ["relu1_1"], style=style).eval()
    pictures = torch.rand(2, 1, 3, 20, 20).unbind(0)[: 2 if style is None else 1]
    compiled = torch.compile(loss, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(*pictures), loss(*pictures))
