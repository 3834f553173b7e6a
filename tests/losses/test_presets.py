from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perceptualloss.errors import InputError
from perceptualloss.features.base import LossNetwork
from perceptualloss.losses.adversarial import Kind
from perceptualloss.losses.base import Loss
from perceptualloss.losses.color import BlurredColorLoss
from perceptualloss.losses.network_loss import NetworkLoss
from perceptualloss.losses.presets import PRESETS
from perceptualloss.losses.registry import build_loss, options_of
from perceptualloss.losses.settings import loss_from_settings
from perceptualloss.pictures.ranges import InputRange, normalised

NETWORK_FREE = ("mse", "l1")
pytestmark = pytest.mark.usefixtures("thin_vggs")


def built(name: str, **options: object) -> tuple[nn.Module, LossNetwork]:
    chosen = {"network": "vgg16"} if "network" in options_of(name) else {}
    loss = build_loss(name, weights=None, **chosen, **options)  # type: ignore[arg-type]
    parts = [loss, *getattr(loss, "losses", {}).values()]
    return loss, next(part.network for part in parts if isinstance(part, NetworkLoss))


def pictures(size: int = 64) -> tuple[Tensor, Tensor]:
    output, target = torch.rand(2, 1, 3, size, size).unbind(0)
    return output, target


def total_of(name: str, output: Tensor, target: Tensor, network: LossNetwork) -> Tensor:  # noqa: PLR0911 (a table)
    """The presets written out in plain PyTorch, after their papers and code."""

    def at(*layers: str) -> list[tuple[Tensor, Tensor]]:
        f, g = network(output, layers), network(target, layers)
        return [(f[layer], g[layer]) for layer in layers]

    if name == "srgan":
        return at("relu5_4")[0][0].sub(at("relu5_4")[0][1]).square().mean() / 12.75**2
    if name == "esrgan":
        return F.l1_loss(*at("conv5_4")[0]) + 0.01 * F.l1_loss(output, target)
    if name == "real_esrgan":
        pairs = zip((0.1, 0.1, 1, 1, 1), at("conv1_2", "conv2_2", "conv3_4", "conv4_4", "conv5_4"), strict=True)
        return sum(w * F.l1_loss(f, g) for w, (f, g) in pairs) + F.l1_loss(output, target)
    firsts = at(*(f"relu{i}_1" for i in range(1, 6))) if name in ("uegan", "old_films", "old_films_equal") else []
    if name == "uegan":
        pairs = zip((1 / 64, 1 / 64, 1 / 32, 1 / 32, 1), firsts, strict=True)
        return sum(w * F.mse_loss(F.instance_norm(f), F.instance_norm(g)) for w, (f, g) in pairs)
    if name == "old_films":
        return sum(w * F.l1_loss(f, g) for w, (f, g) in zip((1 / 32, 1 / 16, 1 / 8, 1 / 4, 1), firsts, strict=True))
    if name == "old_films_equal":
        return sum(F.l1_loss(f, g) for f, g in firsts)
    if name == "gatys":
        (f, g), *style = at("conv4_2", *(f"conv{i}_1" for i in range(1, 6)))
        content = (f - g).square().sum() / 2
        total = 1e-3 * content
        for f, g in style:
            n, m = f.shape[1], f.shape[2] * f.shape[3]
            gram, goal = (x[0].flatten(1) @ x[0].flatten(1).T for x in (f, g))
            total = total + 0.2 / (4 * n**2 * m**2) * (gram - goal).square().sum()
        return total
    if name == "johnson_style":
        (f, g), *style = at("relu2_2", "relu1_2", "relu2_2", "relu3_3", "relu4_3")
        grams = [[x[0].flatten(1) @ x[0].flatten(1).T / x[0].numel() for x in pair] for pair in style]
        smooth = 255 * output
        across, down = smooth[..., :-1, 1:] - smooth[..., :-1, :-1], smooth[..., 1:, :-1] - smooth[..., :-1, :-1]
        variation = (across.square() + down.square()).sum() / 2
        return F.mse_loss(f, g) + 5 * sum(F.mse_loss(a, b) for a, b in grams) + 1e-6 * variation
    raise KeyError(name)


@pytest.mark.parametrize(
    "name", ["srgan", "esrgan", "real_esrgan", "uegan", "old_films", "old_films_equal", "gatys", "johnson_style"]
)
def test_is_what_its_source_says(name: str) -> None:
    loss, network = built(name)
    output, target = pictures()
    with torch.no_grad():
        value, expected = loss(output, target), total_of(name, output, target, network)
    # SRGAN's 1 / 12.75 squared is 0.00615, which its authors call 0.006.
    torch.testing.assert_close(value, expected, rtol=0.03 if name == "srgan" else 1e-4, atol=0)


def test_dpeds_terms() -> None:
    loss, network = built("dped")
    output, target = pictures(100)
    with torch.no_grad():
        terms = loss.terms(output, target)  # type: ignore[operator]
        f, g = (network(x, ["relu5_4"])["relu5_4"] for x in (output, target))
    torch.testing.assert_close(terms["feature_reconstruction"], 10 * F.mse_loss(f, g))
    steps = [output.diff(dim=d).square().mean() for d in (2, 3)]
    torch.testing.assert_close(terms["total_variation"], 2000 * (steps[0] + steps[1]))
    color = BlurredColorLoss()(output, target)
    torch.testing.assert_close(terms["blurred_color"], 0.5 * color * output[0].numel() / 2)  # half the sum


@pytest.mark.parametrize("name", PRESETS)
def test_is_described_builds_and_trains(name: str) -> None:
    preset = PRESETS[name]
    assert preset.label
    assert preset.description
    assert preset.source or name in NETWORK_FREE
    if preset.adversarial is not None:
        kind, weight = preset.adversarial
        assert kind in get_args(Kind)
        assert weight > 0
    output, target = pictures(32)
    loss = build_loss(name, **({"weights": None} if "weights" in options_of(name) else {}))
    loss(output.requires_grad_(), target).backward()
    assert output.grad.abs().sum() > 0


def test_styles_are_fixed_where_they_are_taken() -> None:
    output, target = pictures()
    loss = build_loss("johnson_style", "compact", style=torch.rand(3, 40, 30))
    assert loss(output, target) > 0
    with pytest.raises(InputError, match="Did you mean 'real_esrgan'"):
        build_loss("real-esrgan")


@pytest.mark.parametrize("name", PRESETS)
def test_what_a_preset_does_not_take_is_refused(name: str) -> None:
    given = {"network": "compact", "weights": None, "style": torch.rand(3, 40, 30), "input_range": (-1, 1)}
    taken = options_of(name)
    assert set(taken) <= set(given)
    assert "input_range" in taken
    for option, value in given.items():
        if option in taken:
            continue
        with pytest.raises(InputError, match=rf"takes {option} \(.*Leave {option} away"):
            build_loss(name, **{option: value})  # type: ignore[arg-type]
        with pytest.raises(InputError, match=rf"takes {option} \("):
            loss_from_settings({name: {option: value}})
    build_loss(name, None, style=None, **({} if "weights" not in taken else {"weights": None}))


RANGES: list[tuple[InputRange, Callable[[Tensor], Tensor]]] = [
    ((-1, 1), lambda x: 2 * x - 1),
    ((0, 255), lambda x: 255 * x),
    ("imagenet", normalised),
]


@pytest.mark.parametrize("name", PRESETS)
def test_the_same_pictures_give_the_same_value_in_every_range(name: str) -> None:
    chosen = {"weights": None} if "weights" in options_of(name) else {}
    output, target = pictures(48)

    def built_in(input_range: InputRange) -> Loss:
        torch.manual_seed(3)
        return build_loss(name, input_range=input_range, **chosen)  # type: ignore[arg-type]

    loss = built_in((0, 1))
    assert loss.input_range == (0, 1)
    for input_range, convert in RANGES:
        other = built_in(input_range)
        assert other.input_range == input_range
        terms, expected = other.terms(convert(output), convert(target)), loss.terms(output, target)
        assert list(terms) == list(expected) or name in NETWORK_FREE
        torch.testing.assert_close(list(terms.values()), list(expected.values()), rtol=2e-3, atol=0)


def test_uegans_critic_plays_the_relativistic_hinge() -> None:
    assert PRESETS["uegan"].adversarial == ("relativistic_hinge", 0.1)
