"""A loss is a good part of somebody's module: copied, pickled, saved, wrapped, compiled and built in any mode."""

from __future__ import annotations

import copy
import io
import pickle
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from perceptualloss.errors import InputError, warn_once
from perceptualloss.features.base import LossNetwork
from perceptualloss.features.network import loss_network
from perceptualloss.losses.base import Loss
from perceptualloss.losses.feature import FeatureReconstructionLoss
from perceptualloss.losses.lpips import LPIPS
from perceptualloss.losses.perceptual import PerceptualLoss
from perceptualloss.losses.pixel import L1Loss
from perceptualloss.losses.sliced_wasserstein import SlicedWassersteinLoss
from perceptualloss.losses.ssim import SSIMLoss
from perceptualloss.losses.style import StyleReconstructionLoss

STYLE = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def normed() -> nn.Module:
    """Return a network whose output depends on whether it trains."""
    torch.manual_seed(2)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.GELU())


def chain() -> nn.Module:
    torch.manual_seed(2)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3, padding=1))


KINDS: dict[str, Callable[[], Loss]] = {
    "pixels": lambda: L1Loss() + SSIMLoss(),
    "chain": lambda: FeatureReconstructionLoss(LossNetwork(chain(), ["conv2_1"]), ["conv2_1"]),
    "backbone": lambda: FeatureReconstructionLoss(LossNetwork(normed(), ["3"]), ["3"], "unit"),
    "style": lambda: StyleReconstructionLoss("compact", ["relu1_2"]),
    "a fixed style": lambda: StyleReconstructionLoss("compact", ["relu1_2"], style=STYLE),
    "wasserstein": lambda: SlicedWassersteinLoss("compact", ["relu1_2"], style=STYLE).eval(),
    "sum": lambda: PerceptualLoss("compact", ["relu1_2"], style_layers=["relu1_1"]) + L1Loss(),
    "lpips": lambda: LPIPS("alex", weights=None),
}
AUGMENTED = {
    **KINDS,
    "augmented": lambda: FeatureReconstructionLoss("compact", ["relu1_1"], augment="geometric"),
    "resized": lambda: FeatureReconstructionLoss("compact", ["relu1_1"], "charbonnier", resize=(12, 12)),
}


class Model(nn.Module):
    """Somebody's module, with a loss in it."""

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.network = nn.Conv2d(3, 3, 3, padding=1)
        self.loss = loss

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        value: Tensor = self.loss(self.network(low).sigmoid(), high)
        return value


def pair(size: int = 40) -> tuple[Tensor, Tensor]:
    output, target = torch.rand(2, 2, 3, size, size, generator=torch.Generator().manual_seed(3)).unbind(0)
    return output, target


def slope(loss: nn.Module, size: int = 40) -> Tensor:
    output, target = pair(size)
    loss(output.requires_grad_(), target).backward()
    assert output.grad is not None
    return output.grad


@pytest.mark.parametrize("kind", ["chain", "backbone"])
def test_training_mode_does_not_reach_the_loss_network(kind: str) -> None:
    loss, (output, target) = KINDS[kind](), pair()
    expected = loss.eval()(output, target)
    model = Model(loss).train()
    network = model.get_submodule("loss.network")
    assert model.network.training
    assert loss.training
    assert not any(part.training for module in network.modules_in_turn() for part in module.modules())
    assert torch.equal(loss(output, target), expected)
    for module in network.modules_in_turn():
        module.train()  # by somebody who holds the network, too
    before = copy.deepcopy([module.state_dict() for module in network.modules_in_turn()])
    assert torch.equal(loss(output, target), expected)
    for module, state in zip(network.modules_in_turn(), before, strict=True):
        assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize("kind", KINDS)
def test_built_and_moved_and_called_in_inference_mode_it_trains_all_the_same(kind: str) -> None:
    expected = slope(KINDS[kind]())
    with torch.inference_mode():
        torch.manual_seed(0)
        loss = KINDS[kind]().double().float()
        loss(*pair())
    if kind != "lpips":  # whose weights are drawn anew
        torch.testing.assert_close(slope(loss), expected)
    assert slope(loss).abs().sum() > 0


@pytest.mark.parametrize("name", ["torchvision/resnet18", "timm/test_vit", "vgg16"])
def test_networks_built_in_inference_mode_are_trained_through(name: str) -> None:
    layers = {"torchvision/resnet18": "conv1", "timm/test_vit": "blocks.0", "vgg16": "relu1_1"}
    with torch.inference_mode():
        network = loss_network(name, [layers[name]], weights=None)
    assert slope(FeatureReconstructionLoss(network, [layers[name]]), 32).abs().sum() > 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: loss_network("compact", ["relu1_1"]),
        lambda: loss_network("torchvision/resnet18", ["layer1"], weights=None),
        lambda: LossNetwork(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), ["relu1_1"]),
        KINDS["sum"],
        KINDS["a fixed style"],
        KINDS["lpips"],
    ],
)
def test_on_the_meta_device_it_says_what_to_do(make: Callable[[], nn.Module]) -> None:
    with warnings.catch_warnings(record=True) as caught, torch.device("meta"):
        warnings.simplefilter("always")
        with pytest.raises(InputError, match=r"Build it outside of torch\.device\('meta'\)"):
            make()
        with torch.device("cpu"):
            built = make()
    assert not caught
    assert isinstance(built, nn.Module)


def test_a_network_without_values_is_refused() -> None:
    with torch.device("meta"):
        body = chain()
    with pytest.raises(InputError, match="weight on the device 'meta'"):
        LossNetwork(body, ["conv2_1"])
    loss = KINDS["chain"]().to("meta")
    with pytest.raises(InputError, match="Its values are lost"):
        loss(*pair())


@pytest.mark.parametrize("kind", KINDS)
def test_emptied_for_a_checkpoint_it_keeps_its_values(kind: str) -> None:
    loss = KINDS[kind]()
    expected = loss(*pair())
    assert torch.equal(Model(loss).to_empty(device="cpu").loss(*pair()), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_copied_and_pickled_and_saved_whole_it_gives_the_same(kind: str) -> None:
    model = Model(KINDS[kind]())
    expected, file = model(*pair()), io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    copies = [copy.deepcopy(model), pickle.loads(pickle.dumps(model)), torch.load(file, weights_only=False)]
    for other in copies:
        assert torch.equal(other(*pair()), expected)
        torch.testing.assert_close(slope(other.loss), slope(model.loss))
    copies[0].double()  # the copy has tensors of its own
    assert torch.equal(model(*pair()), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_go_strictly_between_modules_with_a_loss_and_without(kind: str) -> None:
    model, plain = Model(KINDS[kind]()), nn.ModuleDict({"network": nn.Conv2d(3, 3, 3, padding=1)})
    assert set(model.state_dict()) == {"network.weight", "network.bias"}
    assert [name for name, _ in model.named_parameters()] == ["network.weight", "network.bias"]
    plain.load_state_dict(model.state_dict(), strict=True)
    model.load_state_dict(plain.state_dict(), strict=True)
    average = torch.optim.swa_utils.AveragedModel(model)
    average.update_parameters(model)
    assert torch.equal(average(*pair()), model(*pair()))


@pytest.mark.parametrize("kind", AUGMENTED)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_a_module_with_a_loss_compiles_in_one_graph(kind: str) -> None:
    torch.compiler.reset()
    model, (output, target) = Model(AUGMENTED[kind]()).train(), pair()
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    torch.manual_seed(4)
    value = compiled(output, target)
    torch.manual_seed(4)
    torch.testing.assert_close(value, model(output, target))


@pytest.mark.parametrize(
    ("name", "layer", "least", "enough"),
    [("vgg16", "relu5_1", 16, 48), ("vgg16", "relu2_1", 2, 6), ("torchvision/resnet18", "layer1", None, 12)],
)
def test_small_patches_are_said_once_or_refused(name: str, layer: str, least: int | None, enough: int) -> None:
    network = loss_network(name, [layer], weights=None)

    def warned(side: int) -> list[str]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            network(torch.rand(1, 3, side, side))
        return [str(one.message) for one in caught]

    warn_once.cache_clear()
    assert not warned(enough)
    (line,) = warned(enough - 4)
    assert "mostly padding. Take earlier layers or larger pictures." in line
    assert "\n" not in line
    assert not warned(enough - 4)
    if least is not None:
        assert not warned(least)
        with pytest.raises(InputError, match=f"at least {least} x {least} pixels to see {layer}"):
            network(torch.rand(1, 3, least - 1, least - 1))
