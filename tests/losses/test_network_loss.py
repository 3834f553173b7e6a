from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from perceptualloss.errors import InputError
from perceptualloss.features.base import LossNetwork
from perceptualloss.features.network import loss_network
from perceptualloss.losses.base import Loss
from perceptualloss.losses.feature import FeatureReconstructionLoss
from perceptualloss.losses.lpips import LPIPS
from perceptualloss.losses.network_loss import NetworkLoss
from perceptualloss.losses.perceptual import PerceptualLoss
from perceptualloss.losses.pixel import L1Loss, MSELoss
from perceptualloss.losses.style import StyleReconstructionLoss
from perceptualloss.losses.sums import WeightedLoss

TinyNetwork = Callable[..., LossNetwork]


def pair(height: int = 24, width: int = 20) -> tuple[Tensor, Tensor]:
    output, target = torch.rand(2, 2, 3, height, width).unbind(0)
    return output, target


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, tuple[str, ...]]]:
    """Whether each pass of a loss network recorded a graph, and the layers it was asked for."""
    noted: list[tuple[bool, tuple[str, ...]]] = []
    forward = LossNetwork.forward

    def note(self: LossNetwork, images: Tensor, layers: Any = None) -> dict[str, Tensor]:
        noted.append((torch.is_grad_enabled(), tuple(layers)))
        return forward(self, images, layers)

    monkeypatch.setattr(LossNetwork, "forward", note)
    return noted


def content_and_style() -> Loss:
    return (
        FeatureReconstructionLoss("compact", {"relu2_2": 1.0})
        + 5 * StyleReconstructionLoss("compact", {"relu1_2": 1.0, "relu3_3": 1.0}, style=torch.rand(3, 32, 32))
        + FeatureReconstructionLoss("compact", {"relu1_1": 1.0}, "unit")
        + L1Loss()
    )


def test_all_parts_share_one_pass_and_the_target_stops_early(passes: list[Any]) -> None:
    loss = content_and_style()
    passes.clear()
    loss(*pair())
    assert passes == [(False, ("relu2_2", "relu1_1")), (True, ("relu2_2", "relu1_2", "relu3_3", "relu1_1"))]


def test_the_shared_pass_gives_what_the_parts_give_alone() -> None:
    style = torch.rand(3, 32, 32)
    parts = {
        "content": FeatureReconstructionLoss("compact", {"relu2_2": 1.0, "conv1_2": 0.1}),
        "style": StyleReconstructionLoss("compact", {"relu1_2": 1.0, "relu3_3": 1.0}, style=style),
    }
    output, target = pair()
    alone = {name: loss(output, target) for name, loss in parts.items()}
    terms = WeightedLoss(parts, {"style": 3.0}).terms(output, target)
    assert list(terms) == ["content/relu2_2", "content/conv1_2", "style/relu1_2", "style/relu3_3"]
    torch.testing.assert_close(sum(v for k, v in terms.items() if k.startswith("content")), alone["content"])
    torch.testing.assert_close(sum(v for k, v in terms.items() if k.startswith("style")), 3 * alone["style"])


def test_lpips_shares_the_pass_too(passes: list[Any]) -> None:
    network = loss_network("squeezenet", ["fire9"], weights=None)
    loss = FeatureReconstructionLoss(network, ["fire3"]) + LPIPS(network)
    loss(*pair(40, 40))
    assert len(passes) == 2


def test_the_same_network_is_one_object_and_others_stay_apart() -> None:
    same = content_and_style()
    assert len({id(loss.network) for loss in same.losses.values() if isinstance(loss, NetworkLoss)}) == 1
    for other in (
        FeatureReconstructionLoss("judge", ["relu1_1"]),
        FeatureReconstructionLoss("compact", ["relu1_1"], weights=None),
        FeatureReconstructionLoss("compact", ["relu1_1"]).double(),
    ):
        mixed = FeatureReconstructionLoss("compact", ["relu1_1"]) + other
        first, second = mixed.losses.values()
        assert first.network is not second.network


def test_parts_of_different_ranges_are_refused_and_the_sum_says_its_own() -> None:
    shifted = FeatureReconstructionLoss("compact", ["relu1_1"], input_range=(-1, 1))
    for sum_of in (lambda: shifted + L1Loss(), lambda: WeightedLoss({"a": L1Loss(), "b": 2 * shifted})):
        with pytest.raises(InputError, match=r"same input_range.*\(-1\.0, 1\.0\)"):
            sum_of()
    loss = 0.5 * (shifted + L1Loss((-1, 1)))
    assert loss.input_range == (-1, 1)
    assert (2 * loss + MSELoss((-1, 1))).input_range == (-1, 1)
    assert content_and_style().input_range == (0, 1)
    assert PerceptualLoss("compact", ["relu1_1"], input_range="imagenet").input_range == "imagenet"
    with pytest.raises(InputError, match="255"):
        loss(*(255 * x for x in pair()))


def test_another_view_takes_another_pass(passes: list[Any]) -> None:
    loss = FeatureReconstructionLoss("compact", ["relu1_1"]) + FeatureReconstructionLoss(
        "compact", ["relu1_1"], resize=(16, 16)
    )
    loss(*pair())
    assert len(passes) == 4


def test_a_sum_follows_to_another_type_and_is_copied_whole() -> None:
    loss = content_and_style()
    output, target = pair()
    value = loss(output, target)
    twin = copy.deepcopy(loss).double()
    torch.testing.assert_close(twin(output.double(), target.double()).float(), value)
    torch.testing.assert_close(loss(output, target), value)
    assert not list(loss.parameters())
    assert not loss.state_dict()
    assert len({id(part.network) for part in twin.losses.values() if isinstance(part, NetworkLoss)}) == 1


def test_a_part_of_two_sums_stays_right() -> None:
    shallow, deep = FeatureReconstructionLoss("compact", ["relu1_1"]), FeatureReconstructionLoss("compact", ["relu3_1"])
    output, target = pair()
    values = shallow(output, target), deep(output, target)
    both, other = shallow + deep, shallow + L1Loss()
    torch.testing.assert_close(both(output, target), values[0] + values[1])
    torch.testing.assert_close(other(output, target), values[0] + L1Loss()(output, target))
    torch.testing.assert_close(shallow(output, target), values[0])


def test_sums_in_sums_are_taken_apart_and_share(passes: list[Any]) -> None:
    inner = content_and_style()
    loss = WeightedLoss({"inner": inner, "more": FeatureReconstructionLoss("compact", ["relu3_2"])}, {"inner": 2.0})
    output, target = pair()
    passes.clear()
    terms = loss.terms(output, target)
    assert len(passes) == 2
    assert "inner/l1" in terms
    torch.testing.assert_close(terms["inner/l1"], 2 * L1Loss()(output, target))


class _Doubled(FeatureReconstructionLoss):
    def _per_image(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {name: 2 * value for name, value in super()._per_image(output, target).items()}


class _Halved(WeightedLoss):
    def _per_image(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {name: value / 2 for name, value in super()._per_image(output, target).items()}


def test_what_a_subclass_defines_anew_counts_in_a_sum_too(passes: list[Any]) -> None:
    output, target = pair()
    plain = FeatureReconstructionLoss("compact", ["relu1_1"])
    value = plain(output, target)
    passes.clear()
    torch.testing.assert_close((_Doubled("compact", ["relu1_1"]) + plain)(output, target), 3 * value)
    assert len(passes) == 4
    halved = _Halved({"a": plain, "b": L1Loss()})
    torch.testing.assert_close(halved(output, target), (value + L1Loss()(output, target)) / 2)
    torch.testing.assert_close((halved + MSELoss())(output, target), halved(output, target) + MSELoss()(output, target))


def test_no_term_hides_behind_another_of_its_name() -> None:
    both = L1Loss() + MSELoss()
    with pytest.raises(InputError, match="'a/mse' twice"):
        WeightedLoss({"a": both, "a/mse": L1Loss()})
    features = FeatureReconstructionLoss("compact", ["relu1_1", "relu1_2"])
    with pytest.raises(InputError, match="'f/relu1_2' twice"):
        WeightedLoss({"f": features, "f/relu1_2": L1Loss()})(*pair())


class _Reads(TorchDispatchMode):
    """Notes every operation that hands values from the device to Python, and so waits for it."""

    NAMES = ("_local_scalar_dense", "item", "is_nonzero", "nonzero", "equal", "masked_select", "_unique", "unique_dim")

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ in self.NAMES:
            self.operations.append(str(func))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("augment", [None, "geometric"])
def test_after_the_first_call_no_step_waits_for_the_device(augment: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    loss = PerceptualLoss("squeezenet", ["fire3"], "unit", ["fire5"], lpips=1.0, weights=None, augment=augment)
    summed = loss + StyleReconstructionLoss("compact", ["relu1_1"], style=torch.rand(3, 32, 32)) + L1Loss()
    output, target = pair(40, 40)
    with _Reads() as reads:
        summed(output, target)
    assert reads.operations  # the first call checks the values
    read: list[str] = []
    for method in ("item", "cpu", "tolist", "numpy", "__bool__", "__float__", "__int__"):
        monkeypatch.setattr(Tensor, method, lambda self, *args, method=method: read.append(method))
    with _Reads() as reads:
        summed(output.requires_grad_(), target).backward()
    assert not read
    assert not reads.operations


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_compiled_it_gives_the_same_values(tiny_network: TinyNetwork) -> None:
    """As inductor takes it apart, forwards and backwards; its C++ compiler alone takes half a minute."""
    torch.compiler.reset()
    loss: Loss = PerceptualLoss(tiny_network("relu1_1", "relu2_1"), ["relu1_1"], "unit", {"relu2_1": 5.0})
    output, target = pair()
    twin = output.clone().requires_grad_()
    compiled = torch.compile(loss, backend="aot_eager_decomp_partition", fullgraph=True)
    value = compiled(output.requires_grad_(), target)
    expected = loss(twin, target)
    value.backward()
    expected.backward()
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(output.grad, twin.grad)


def test_gradcheck_of_the_shared_pass(tiny_network: TinyNetwork) -> None:
    loss = PerceptualLoss(
        tiny_network("conv1_1", "relu1_1", "pool1", "relu2_1"),
        ["conv1_1", "relu1_1"],
        "charbonnier",
        ["pool1", "relu2_1"],
    ).double()
    output, target = (x.double() for x in pair(4, 6))
    assert torch.autograd.gradcheck(lambda x: loss(x, target), output.requires_grad_())


def test_fp16_autocast_on_large_pictures_of_extreme_contrast(tiny_network: TinyNetwork) -> None:
    loss = PerceptualLoss(tiny_network("relu1_1", "relu2_1"), ["relu2_1"], style_layers=["relu1_1"])
    output = torch.zeros(1, 3, 1024, 1024)
    output[:, :, ::2] = 1
    exact = loss(output, 1 - output)
    for dtype in (torch.float16, torch.bfloat16):
        with torch.autocast("cpu", dtype):
            assert loss(output, 1 - output).item() == pytest.approx(exact.item(), rel=0.02)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: PerceptualLoss("compact", ["relu1_1"], augment="geometrical"), "Did you mean 'geometric'"),
        (lambda: PerceptualLoss("compact", layers=None), "none of them"),
        (lambda: PerceptualLoss("compact", ["relu1_1"], style=torch.rand(3, 8, 8)), "style_layers"),
        (lambda: PerceptualLoss("compact", ["relu1_1"], lpips=1.0), "network of LPIPS"),
        (lambda: PerceptualLoss("compact", "relu1_1"), "layers with their weights"),
        (lambda: PerceptualLoss("compact", {"relu1_1": "much"}), "weight of every layer"),
        (lambda: FeatureReconstructionLoss(loss_network("compact", ["relu1_1"]), ["relu1_2"]), "layer to be one of"),
        (lambda: PerceptualLoss("compact", ["relu1_1"])(*torch.rand(2, 1, 3, 8, 8).double()), r"\.double\(\)"),
        (lambda: WeightedLoss({}), "at least one loss"),
    ],
)
def test_errors_name_the_remedy(wrong: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        wrong()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_16_bit_pictures_are_taken_outside_autocast(dtype: torch.dtype) -> None:
    loss = PerceptualLoss("compact", ["relu2_2"])
    output, target = pair()
    value = loss(output.to(dtype), target.to(dtype))
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(loss(output, target).item(), rel=0.05)


def test_a_loss_without_a_definition_says_so(tiny_network: TinyNetwork) -> None:
    with pytest.raises(TypeError, match="from_features"):
        NetworkLoss(tiny_network(), ["relu2_1"])(*pair())
