"""Losses that look through a network in parts and compute features again: the same values, and less in memory."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import grad
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from perceptualloss.errors import InputError
from perceptualloss.features.base import LossNetwork
from perceptualloss.features.network import loss_network
from perceptualloss.features.passes import Passes
from perceptualloss.losses.base import Loss
from perceptualloss.losses.feature import DISTANCES, FeatureReconstructionLoss, VGG16PerceptualLoss
from perceptualloss.losses.lpips import LPIPS
from perceptualloss.losses.network_loss import NetworkLoss
from perceptualloss.losses.perceptual import PerceptualLoss
from perceptualloss.losses.pixel import L1Loss
from perceptualloss.losses.registry import build_loss
from perceptualloss.losses.settings import check_loss_settings, loss_from_settings
from perceptualloss.losses.sliced_wasserstein import SlicedWassersteinLoss
from perceptualloss.losses.style import StyleReconstructionLoss

TinyNetwork = Callable[..., LossNetwork]
LAYERS = {"relu1_2": 1.0, "relu2_2": 0.5}
STYLE = torch.rand(3, 24, 20, generator=torch.Generator().manual_seed(3))
LOSSES: dict[str, Callable[[], Loss]] = {
    **{name: lambda name=name: FeatureReconstructionLoss("compact", LAYERS, name) for name in DISTANCES},
    "resized": lambda: VGG16PerceptualLoss((20, 24), weights=None),
    "gram": lambda: StyleReconstructionLoss("compact", LAYERS, "relative"),
    "fixed style": lambda: StyleReconstructionLoss("compact", LAYERS, style=STYLE, halvings=1),
    "wasserstein": lambda: SlicedWassersteinLoss("compact", LAYERS, positions=40),
    "lpips": lambda: LPIPS("squeeze", weights=None),
    "augmented": lambda: FeatureReconstructionLoss("compact", LAYERS, augment="geometric"),
    "sum": lambda: PerceptualLoss("compact", ["relu2_2"], "unit", ["relu1_2"], "mse", style_scales=2) + L1Loss(),
    "preset": lambda: build_loss("perceptual"),
}


def pair(seed: int, count: int = 3, height: int = 33, width: int = 28) -> tuple[Tensor, Tensor]:
    output, target = torch.rand(2, count, 3, height, width, generator=torch.Generator().manual_seed(seed)).unbind(0)
    return output, target


def with_passes(loss: Loss, **passes: Any) -> Loss:
    for part in loss.modules():
        if isinstance(part, NetworkLoss):
            part.network.passes = Passes(**passes)
    return loss


def step(loss: Loss, output: Tensor, target: Any, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the values of the terms of every picture, and the gradient of their weighted sum."""
    torch.manual_seed(7)
    output = output.clone().requires_grad_()
    values = torch.stack(list(loss.per_image(output, target, mask).values()))
    (values * torch.linspace(1, 2, values.numel()).view_as(values)).sum().backward()
    assert output.grad is not None
    return values.detach(), output.grad


def assert_same(found: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor]) -> None:
    """In 64 bits: in 32 a convolution of one picture rounds otherwise than that of two, and an L1's slope jumps."""
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9 * other.abs().max().item())


@pytest.mark.parametrize("name", LOSSES)
@settings(deadline=None, max_examples=2)
@given(
    seed=st.integers(0, 2**31),
    count=st.integers(1, 4),
    height=st.integers(24, 41),
    width=st.integers(24, 41),
    chunk=st.none() | st.integers(1, 5),
)
def test_recomputed_and_in_chunks_the_values_and_gradients_are_the_same(
    name: str, seed: int, count: int, height: int, width: int, chunk: int | None
) -> None:
    loss = built(name)
    output, target = (x.double() for x in pair(seed, count, height, width))
    expected = step(with_passes(loss), output, target)
    assert_same(step(with_passes(loss, checkpoint=True, chunk=chunk), output, target), expected)
    drawn = torch.rand(1)
    step(with_passes(loss), output, target)
    assert torch.equal(torch.rand(1), drawn)  # as many draws as without


TILED: dict[str, Callable[[], Loss]] = {
    **{name: loss for name, loss in LOSSES.items() if name not in ("instance", "wasserstein", "mse", "charbonnier")},
    "steps of 4": lambda: LPIPS("alex", weights=None),
    "blurred pools": lambda: FeatureReconstructionLoss("judge", ["relu1_1", "pool2", "conv3_2"]),
    "style of another size": lambda: StyleReconstructionLoss("judge", ["relu1_1", "relu2_1"], "l1"),
    "no padding": lambda: FeatureReconstructionLoss(_unpadded(), ["conv1_1", "relu2_1", "pool2", "relu3_2"], "l1"),
}


@functools.cache
def built(name: str) -> Loss:
    torch.manual_seed(5)
    return {**LOSSES, **TILED}[name]().double()


def _unpadded() -> LossNetwork:
    torch.manual_seed(6)
    first, second, third = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 5, stride=2, padding=1), nn.Conv2d(5, 6, 3, dilation=2)
    features = [first, nn.AvgPool2d(2), second, nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Conv2d(5, 5, 3, padding=1), third]
    return LossNetwork(nn.Sequential(*features, nn.ReLU()), ["relu3_2"])


@pytest.mark.parametrize("name", TILED)
@settings(deadline=None, max_examples=2)
@given(
    seed=st.integers(0, 2**31),
    height=st.integers(31, 60),
    width=st.integers(31, 60),
    tile=st.integers(8, 40),
    masked=st.booleans(),
    passes=st.sampled_from([{}, {"chunk": 1}, {"checkpoint": True}]),
)
def test_in_tiles_the_values_and_gradients_are_the_same(
    name: str, seed: int, height: int, width: int, tile: int, masked: bool, passes: dict[str, Any]
) -> None:
    loss = built(name)
    if name == "no padding":
        height, width = height + 20, width + 20
    output, target = (x.double() for x in pair(seed, 2, height, width))
    mask = None
    if name == "style of another size":
        target = torch.rand(1, 3, 45, 33, dtype=torch.float64)
    elif masked:
        mask = torch.rand(2, 1, height, width, dtype=torch.float64)
    expected = step(with_passes(loss), output, target, mask)
    prepared = None if mask is not None or name in ("augmented", "fixed style") else loss.prepare(target)
    with_passes(loss, tile=tile, **passes)
    assert_same(step(loss, output, target, mask), expected)
    if prepared is not None:
        assert_same(step(loss, output, prepared), expected)


class Memory(TorchDispatchMode):
    """Knows the bytes that are held by what was computed under it: now, and at most."""

    def __init__(self) -> None:
        super().__init__()
        self._storages: dict[StorageWeakRef, int] = {}
        self.most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(found):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                self._storages[StorageWeakRef(storage)] = storage.nbytes()
        self.most = max(self.most, self.held())
        return found

    def held(self) -> int:
        self._storages = {storage: size for storage, size in self._storages.items() if not storage.expired()}
        return sum(self._storages.values())


def held_and_most(loss: Loss, output: Tensor, target: Any) -> tuple[int, int]:
    """Return the bytes that a call leaves for the backward pass, and the most that a step takes."""
    loss(output, target)  # reads the values
    output = output.clone().requires_grad_()
    with Memory() as memory:
        value = loss(output, target)
        held = memory.held()
        value.backward()
    return held, memory.most


def test_the_graph_holds_no_features_and_chunks_take_their_share() -> None:
    output, target = pair(1, 4, 32, 32)
    loss = FeatureReconstructionLoss(loss_network("vgg16", ["relu3_3"], None), ["relu3_3"])
    held, most = held_and_most(loss, output, target)
    assert held > 40 * output.nbytes
    kept = 4 * 256 * 8 * 8 * 4  # of the target
    recomputed, still = held_and_most(with_passes(loss, checkpoint=True), output, target)
    assert recomputed < 1.01 * (kept + 3 * output.nbytes)  # the pictures are two halves of one tensor
    assert still < 1.1 * most
    recomputed, quarter = held_and_most(with_passes(loss, chunk=1), output, target)
    assert recomputed < 1.01 * (kept + 3 * output.nbytes)  # the pictures are two halves of one tensor
    assert quarter < most / 3


def test_in_tiles_a_step_takes_a_fraction() -> None:
    output, target = (x[:1] for x in pair(1, 2, 96, 96))
    loss = FeatureReconstructionLoss("vgg16", ["relu1_2", "relu2_2", "relu3_3"], "unit", weights=None)
    held, most = held_and_most(loss, output, target)
    tiled_held, tiled = held_and_most(with_passes(loss, tile=24), output, target)
    assert tiled_held < held / 2
    assert tiled < most / 2
    recomputed, least = held_and_most(with_passes(loss, tile=24, checkpoint=True), output, target)
    assert recomputed < held / 4
    assert least < most / 3


@pytest.mark.parametrize("name", ["unit", "gram", "sum"])
def test_second_derivatives_and_autocast_are_the_same(name: str) -> None:
    output, target = pair(2)
    loss = LOSSES[name]()

    def second() -> Tensor:
        x = output.clone().requires_grad_()
        (slope,) = torch.autograd.grad(loss(x, target), x, create_graph=True)
        (found,) = torch.autograd.grad((slope * target).sum(), x)
        return found

    def rounded() -> tuple[Tensor, Tensor]:
        with torch.autocast("cpu", torch.bfloat16):
            return step(loss, output, target)

    expected, low = second(), rounded()
    for passes in ({"checkpoint": True, "chunk": 2}, {"tile": 16}):
        with_passes(loss, **passes)
        torch.testing.assert_close(second(), expected, rtol=1e-5, atol=1e-5 * expected.abs().max().item())
        found = rounded()
        torch.testing.assert_close(found[0], low[0], rtol=1e-4, atol=0)
        # Summed in another order, a number of 8 bits may change in its last one, and so in each layer before it. In 32
        # bits, the gradient is twice as far away: 2^-5.
        assert (found[1] - low[1]).norm() < 2**-6 * low[1].norm()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("passes", [{"checkpoint": True, "chunk": 1}, {"tile": 16}])
def test_compiled_into_one_graph_it_gives_the_same(tiny_network: TinyNetwork, passes: dict[str, Any]) -> None:
    torch.compiler.reset()
    output, target = pair(3, 2, 14, 24)
    network = tiny_network("relu1_1", "relu2_1")
    loss = FeatureReconstructionLoss(network, ["relu1_1", "relu2_1"], "unit")
    expected = step(loss, output, target)
    with_passes(loss, **passes)
    compiled = torch.compile(loss.per_image, backend="aot_eager", fullgraph=True)
    x = output.clone().requires_grad_()
    values = torch.stack(list(compiled(x, target).values()))
    (values * torch.linspace(1, 2, values.numel()).view_as(values)).sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(values.detach(), expected[0], rtol=1e-4, atol=0)
    torch.testing.assert_close(x.grad, expected[1], rtol=1e-4, atol=1e-5 * x.grad.abs().max().item())


def test_settings_are_named_shown_and_shared() -> None:
    loss = FeatureReconstructionLoss("compact", ["relu1_2"], checkpoint=True, chunk=2)
    assert "checkpoint=True, chunk=2" in repr(loss)
    assert loss.network.passes == Passes(True, 2) == loss_network("compact", ["relu1_2"], None, (0, 1), True, 2).passes
    alike = loss + StyleReconstructionLoss("compact", ["relu2_2"], checkpoint=True, chunk=2)
    assert len({id(part.network) for part in alike.losses.values()}) == 1
    assert alike.losses["feature_reconstruction"].network.passes == Passes(True, 2)
    other = loss + StyleReconstructionLoss("compact", ["relu2_2"])
    assert [part.network.passes for part in other.losses.values()] == [Passes(True, 2), Passes()]
    assert not any(part.network.passes.plain for part in PerceptualLoss("compact", chunk=1).losses.values())
    wanted = {"checkpoint": True, "chunk": 3, "tile": 24}
    for built in (
        FeatureReconstructionLoss("compact", **wanted),
        StyleReconstructionLoss("compact", **wanted),
        SlicedWassersteinLoss("compact", **wanted),
        VGG16PerceptualLoss(weights=None, **wanted),
        LPIPS("squeeze", weights=None, **wanted),
        *PerceptualLoss("compact", style_layers=["relu1_2"], **wanted).losses.values(),
    ):
        assert isinstance(built, NetworkLoss)
        assert built.network.passes == Passes(**wanted)
        assert "checkpoint=True, chunk=3, tile=24" in repr(built)


class _Doubled(FeatureReconstructionLoss):
    def from_features(self, *features: Any) -> dict[str, Tensor]:
        return {name: 2 * value for name, value in super().from_features(*features).items()}


def test_the_first_call_of_all_may_recompute_also_through_any_backbone() -> None:
    output, target = pair(4, 2)
    losses = {
        "compact": lambda: FeatureReconstructionLoss("compact", LAYERS),
        "backbone": _own_backbone,
    }
    for build in losses.values():
        torch.manual_seed(8)
        expected = step(build().double(), output.double(), target.double())
        for passes in ({"checkpoint": True}, {"chunk": 1}):
            torch.manual_seed(8)
            assert_same(step(with_passes(build(), **passes).double(), output.double(), target.double()), expected)


def test_under_an_exact_mask_tiles_give_the_same() -> None:
    output, target = (x.double() for x in pair(5, 2, 44, 40))
    mask = torch.zeros(1, 1, 44, 40)
    mask[..., 3:40, 5:] = 1
    loss = (
        FeatureReconstructionLoss("compact", LAYERS, "l1") + StyleReconstructionLoss("compact", ["relu1_2"])
    ).double()
    found = []
    for passes in (Passes(), Passes(tile=16), Passes(True, 1)):
        for part in loss.losses.values():
            part.network.passes = passes
        x = output.clone().requires_grad_()
        value = loss(x, target, mask, masking="exact")
        value.backward()
        found.append((value.detach(), x.grad))
    for one in found[1:]:
        assert_same(one, found[0])
    assert found[1][1][..., :3, :].abs().max() == 0


def _odd(*modules: nn.Module) -> None:
    LossNetwork(nn.Sequential(*modules), ["conv1_1"]).passes = Passes(tile=16)
    LossNetwork(nn.Sequential(*modules), ["pool1"]).passes = Passes(tile=16)


def _own_backbone() -> Loss:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=1))
    return FeatureReconstructionLoss(LossNetwork(network, ["2"]), ["2"])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: LPIPS("squeeze", weights=None, chunk=0), "chunk, a whole number from 1"),
        (lambda: loss_network("compact", ["relu1_1"], checkpoint=1), "checkpoint, True or False"),
        (lambda: PerceptualLoss(loss_network("compact", ["relu2_2"]), checkpoint=True), "no checkpoint with a network"),
        (lambda: LPIPS("squeeze", True, weights=None, chunk=1), "no chunk with spatial=True"),
        (lambda: FeatureReconstructionLoss("compact", tile=4), "tile, a whole number from 8"),
        (lambda: FeatureReconstructionLoss("compact", distance="instance", tile=16)(*pair(1)), "sums .* variance"),
        (lambda: SlicedWassersteinLoss("compact", tile=16)(*pair(1)), "SlicedWassersteinLoss.*sorts all positions"),
        (lambda: with_passes(_Doubled("compact"), tile=16)(*pair(1)), "_Doubled.*does not say what part"),
        (lambda: with_passes(_own_backbone(), tile=16), "a chain of convolutions and pools .* got custom"),
        (lambda: _odd(nn.Conv2d(3, 4, (3, 5))), "as far in rows as in columns"),
        (lambda: _odd(nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular")), "circular"),
        (lambda: _odd(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2, 1, dilation=2)), "MaxPool2d"),
        (
            lambda: grad(FeatureReconstructionLoss("compact", chunk=1))(*pair(1)),
            "without checkpoint, chunk and tile under torch.func",
        ),
    ],
)
def test_errors_name_the_remedy(wrong: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        wrong()


def test_presets_and_recipes_take_the_settings_too() -> None:
    wanted = {"checkpoint": True, "chunk": 2, "tile": 32}
    check_loss_settings({"perceptual": {"weight": 2.0, **wanted}, "LPIPS": {"net": "squeeze", **wanted}})
    parts = [
        *build_loss("johnson", **wanted).modules(),
        *loss_from_settings({"perceptual": {"weight": 2.0, **wanted}, "L1Loss": 1.0}).modules(),
        *loss_from_settings({"FeatureReconstructionLoss": {"network": "compact", **wanted}}).modules(),
    ]
    networks = [part.network for part in parts if isinstance(part, NetworkLoss)]
    assert len(networks) == 3
    assert all(network.passes == Passes(**wanted) for network in networks)
    for wrong, message in (
        ({"L1Loss": {"chunk": 2}}, "option of L1Loss"),
        ({"perceptual": {"chunk": "two"}}, "chunk of perceptual to be a whole number"),
        ({"perceptual": {"checkpoint": 1}}, "checkpoint of perceptual to be"),
        ({"perceptual": {"tile": 2}}, "tile, a whole number from 8"),
    ):
        with pytest.raises(InputError, match=message):
            loss_from_settings(wrong)
