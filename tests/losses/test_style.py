from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import piq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from perceptualloss.errors import InputError
from perceptualloss.features.base import LossNetwork
from perceptualloss.losses.style import StyleReconstructionLoss
from perceptualloss.pictures.images import read_image, write_image

TinyNetwork = Callable[..., LossNetwork]
COMPACT = {"relu1_2": 1.0, "relu2_2": 2.0}


def pair(seed: int = 1, batch: int = 2, height: int = 20, width: int = 16) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    output, target = torch.rand(2, batch, 3, height, width, generator=generator).unbind(0)
    return output, target


def plain_style(network: LossNetwork, output: Tensor, target: Tensor, layers: dict[str, float]) -> Tensor:
    """The paper's equation 4, one picture and one pair of channels after the other."""
    total = torch.zeros(len(output))
    for n in range(len(output)):
        f, g = network(output[n : n + 1]), network(target[n : n + 1])
        for layer, weight in layers.items():
            a, b = (x[layer].flatten(2)[0] for x in (f, g))
            difference = a @ a.T / a.numel() - b @ b.T / b.numel()
            total[n] += weight * difference.square().sum()
    return total


def test_equals_the_papers_equation_also_for_other_sizes() -> None:
    loss = StyleReconstructionLoss("compact", COMPACT)
    output, target = pair(), pair(2, height=24, width=33)
    terms = loss.per_image(output[0], target[1])
    expected = plain_style(loss.network, output[0], target[1], COMPACT)
    torch.testing.assert_close(torch.stack(list(terms.values())).sum(0), expected)


def test_equals_piqs_but_for_its_scale() -> None:
    layers = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 5, 3, padding=1), nn.ReLU())
    reference = piq.StyleLoss(copy.deepcopy(layers), layers=["1", "3"], weights=[1.0, 1.0])
    loss = StyleReconstructionLoss(LossNetwork(layers, ["relu1_1", "relu1_2"]), {"relu1_1": 1.0, "relu1_2": 1.0})
    output, target = pair(height=16, width=16)
    terms = loss.terms(output, target)
    # piq: Gram matrices without 1 / (C H W), and the mean over C x C
    expected = sum(terms[f"relu1_{i}"] * (channels * 256) ** 2 / channels**2 for i, channels in ((1, 4), (2, 5)))
    torch.testing.assert_close(expected, reference(output, target), rtol=1e-5, atol=0)


@pytest.mark.parametrize("distance", ["frobenius", "mse", "l1", "relative"])
def test_gradcheck_on_a_tiny_network(tiny_network: TinyNetwork, distance: str) -> None:
    network = tiny_network("relu1_1", "relu2_1")
    loss = StyleReconstructionLoss(network, {"relu1_1": 1.0, "relu2_1": 0.5}, distance).double()
    output, target = (x.double() for x in pair(height=4, width=6))
    assert torch.autograd.gradcheck(lambda x: loss(x, target), output.requires_grad_())


def test_distances_are_what_they_say(tiny_network: TinyNetwork) -> None:
    output, target = pair()
    values = {d: StyleReconstructionLoss(tiny_network(), ["relu2_1"], d)(output, target) for d in ("frobenius", "mse")}
    torch.testing.assert_close(values["frobenius"], 25 * values["mse"])


def test_relative_is_1_for_a_picture_without_features_in_any_layer_of_any_style(tiny_network: TinyNetwork) -> None:
    network = tiny_network("relu1_1", "relu2_1")
    loss = StyleReconstructionLoss(network, {"relu1_1": 1.0, "relu2_1": 3.0}, "relative")
    style_features = network(pair()[1])
    nothing = {layer: torch.zeros_like(features) for layer, features in style_features.items()}
    terms = loss.from_features(nothing, style_features)
    torch.testing.assert_close(terms, {"relu1_1": torch.ones(2), "relu2_1": torch.full((2,), 3.0)})
    assert not any(value.any() for value in loss.from_features(style_features, style_features).values())


def test_a_fixed_style_is_seen_once_and_serves_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    output, target = pair()
    style = target[:1]
    fixed = StyleReconstructionLoss("compact", COMPACT, style=style[0])
    free = StyleReconstructionLoss("compact", COMPACT)
    torch.testing.assert_close(fixed(output), free(output, style.expand(2, -1, -1, -1)))
    torch.testing.assert_close(free(output, style), fixed(output))
    torch.testing.assert_close(fixed(output, target), fixed(output))  # a content target changes nothing
    passes = []
    forward = LossNetwork.forward
    monkeypatch.setattr(LossNetwork, "forward", lambda self, *x: passes.append(1) or forward(self, *x))
    fixed(output)
    assert len(passes) == 1
    assert not fixed.state_dict()
    assert fixed.double()(output.double()).dtype == torch.float64


def test_a_style_may_be_a_file(tmp_path: Path) -> None:
    output, target = pair()
    write_image(target[:1], tmp_path / "style.png")
    named = StyleReconstructionLoss("compact", COMPACT, style=tmp_path / "style.png", input_range=(-1, 1))
    given = StyleReconstructionLoss("compact", COMPACT, style=read_image(tmp_path / "style.png"))
    torch.testing.assert_close(named(2 * output - 1), given(output))


@settings(deadline=None, max_examples=5)
@given(seed=st.integers(0, 2**31), batch=st.integers(1, 3))
def test_images_average_in_any_order(seed: int, batch: int) -> None:
    loss = StyleReconstructionLoss("compact", COMPACT)
    output, target = pair(seed, batch)
    value = loss(output, target)
    order = torch.randperm(batch)
    torch.testing.assert_close(loss(output[order], target[order]), value, rtol=1e-4, atol=1e-9)
    single = torch.stack([loss(output[i : i + 1], target[i : i + 1]) for i in range(batch)])
    torch.testing.assert_close(single.mean(), value, rtol=1e-4, atol=1e-9)


def test_bf16_stays_within_two_percent_and_large_contrast_finite_in_16_bits(tiny_network: TinyNetwork) -> None:
    loss = StyleReconstructionLoss("compact", COMPACT)
    output, target = pair(height=48, width=48)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = loss(output, target)
    assert rounded.item() == pytest.approx(loss(output, target).item(), rel=0.02)
    extreme = torch.zeros(1, 3, 1024, 1024)
    extreme[:, :, ::2] = 1
    loss = StyleReconstructionLoss(tiny_network(), ["relu2_1"], style=torch.rand(3, 32, 32))
    exact = loss(extreme)
    for dtype, error in ((torch.bfloat16, 0.02), (torch.float16, 0.01)):
        with torch.autocast("cpu", dtype):
            assert loss(extreme).item() == pytest.approx(exact.item(), rel=error)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: StyleReconstructionLoss("compact", ["relu1_2"], "frobenious"), "Did you mean 'frobenius'"),
        (lambda: StyleReconstructionLoss("compact", ["relu1_3"]), "layer to be one of"),
        (lambda: StyleReconstructionLoss("compact", COMPACT, style=torch.rand(2, 3, 8, 8)), "one style picture"),
        (lambda: StyleReconstructionLoss("compact", COMPACT, style=torch.rand(1, 8, 8)), "style of shape"),
        (lambda: StyleReconstructionLoss("compact", COMPACT, style="none.png"), "no such file"),
        (lambda: StyleReconstructionLoss("compact", COMPACT)(torch.rand(2, 3, 8, 8)), "no target"),
        (
            lambda: StyleReconstructionLoss("compact", COMPACT)(torch.rand(3, 3, 8, 8), torch.rand(2, 3, 8, 8)),
            "one for all",
        ),
    ],
)
def test_errors_name_the_remedy(wrong: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        wrong()
