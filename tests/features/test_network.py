import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision.models.vgg import cfgs, make_layers

from perceptualloss.errors import InputError
from perceptualloss.features.architectures import compact_features, layer_names, vgg16_features, vgg19_features
from perceptualloss.features.base import LossNetwork
from perceptualloss.features.network import loss_network

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def test_names_of_vgg16_are_the_literatures() -> None:
    names = layer_names(vgg16_features())
    assert [n for n in names if n.startswith("conv")] == [
        f"conv{b}_{i}" for b, count in enumerate((2, 2, 3, 3, 3), 1) for i in range(1, count + 1)
    ]
    assert names.index("relu2_2") == 8  # the indices that the literature's code uses
    assert names.index("relu3_3") == 15
    assert names.index("relu4_3") == 22
    assert names[-1] == "pool5"


def test_names_of_vgg19_and_of_the_embedded_network() -> None:
    names = layer_names(vgg19_features())
    assert sum(n.startswith("conv") for n in names) == 16
    assert names.index("conv5_4") == 34  # ESRGAN's layer, called '34' elsewhere
    assert {"relu1_2", "relu2_2", "relu3_3", "relu4_3"} <= set(layer_names(compact_features()))


def test_features_equal_torchvisions() -> None:
    reference = make_layers(cfgs["D"]).eval()
    network = LossNetwork(copy.deepcopy(reference), ["conv2_2", "relu2_2", "relu3_3", "pool3"])
    images = torch.rand(2, 3, 32, 40)
    with torch.no_grad():
        found = network(images)
        x, kept = (images - MEAN) / STD, {}
        for i, module in enumerate(reference):
            x = module(x)
            kept[i] = x.clone()  # torchvision's ReLUs overwrite the convolutions' outputs
            if i == 16:
                break
    for layer, index in {"conv2_2": 7, "relu2_2": 8, "relu3_3": 15, "pool3": 16}.items():
        torch.testing.assert_close(found[layer], kept[index], rtol=1e-4, atol=1e-5)


def test_features_before_a_relu_are_not_overwritten_by_it() -> None:
    found = loss_network("vgg16", ["conv1_1", "relu1_1"], weights=None)(torch.rand(1, 3, 16, 16))
    assert (found["conv1_1"] < 0).any()
    assert torch.equal(found["conv1_1"].relu(), found["relu1_1"])


def test_runs_no_further_than_the_deepest_layer() -> None:
    assert len(loss_network("vgg19", ["relu1_2", "relu2_1"], weights=None).body.modules) == 7


@pytest.mark.parametrize("input_range", [(-1.0, 1.0), (0.0, 255.0), "imagenet"])
def test_every_range_gives_the_same_features(input_range: tuple[float, float] | str) -> None:
    images = torch.rand(1, 3, 24, 24)
    torch.manual_seed(1)
    plain = loss_network("vgg16", ["relu2_2"], weights=None)
    torch.manual_seed(1)
    other = loss_network("vgg16", ["relu2_2"], weights=None, input_range=input_range)
    moved = (
        (images - MEAN) / STD
        if input_range == "imagenet"
        else images * (input_range[1] - input_range[0]) + input_range[0]
    )
    torch.testing.assert_close(other(moved)["relu2_2"], plain(images)["relu2_2"], rtol=1e-4, atol=1e-5)


def test_is_frozen_for_good() -> None:
    network = loss_network("compact", ["relu2_2"])
    owner = nn.Sequential(network, nn.Linear(2, 2))
    owner.train()
    owner.requires_grad_(True)
    assert not list(network.parameters())
    assert not network.state_dict()
    assert all(not p.requires_grad and not m.training for m in network.body.modules for p in m.parameters())
    assert set(owner.state_dict()) == {"1.weight", "1.bias"}
    owner.load_state_dict(owner.state_dict())


def test_follows_its_owner_to_another_type_and_is_copied_whole() -> None:
    network = loss_network("compact", ["relu1_1"]).double()
    twin = copy.deepcopy(network)
    images = torch.rand(1, 3, 8, 8, dtype=torch.float64)
    assert twin(images)["relu1_1"].dtype == torch.float64
    assert torch.equal(twin(images)["relu1_1"], network(images)["relu1_1"])
    assert twin.body.modules[0] is not network.body.modules[0]


@settings(deadline=None, max_examples=10)
@given(height=st.integers(8, 40), width=st.integers(8, 40), batch=st.integers(1, 3))
def test_takes_any_size_and_gives_what_channels_says(height: int, width: int, batch: int) -> None:
    network = loss_network("compact", ["relu1_2", "relu2_2", "relu3_3"])
    found = network(torch.rand(batch, 3, height, width))
    assert {layer: f.shape[1] for layer, f in found.items()} == network.channels()
    assert found["relu1_2"].shape[-2:] == (height, width)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: loss_network("vgg-16", ["relu1_1"], weights=None), "Did you mean 'vgg16'"),
        (lambda: loss_network("vgg16", ["relu3_4"], weights=None), "layer to be one of"),
        (lambda: loss_network("vgg16", [], weights=None), "at least one layer"),
        (lambda: loss_network("vgg16", ["relu1_1"], weights=None, input_range=(1, 0)), "low < high"),
        (lambda: loss_network("compact", ["relu1_1"])(torch.rand(3, 8, 8)), "unsqueeze"),
        (lambda: loss_network("compact", ["relu1_1"])(torch.rand(1, 1, 8, 8)), "expand"),
        (lambda: loss_network("compact", ["relu1_1"])(torch.zeros(1, 3, 8, 8, dtype=torch.uint8)), "255"),
    ],
)
def test_errors_name_the_remedy(wrong: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        wrong()  # type: ignore[operator]


def test_vgg19_matches_torchvision() -> None:
    ours = [type(m).__name__ for m in vgg19_features()]
    assert ours == [type(m).__name__ for m in make_layers(cfgs["E"])]
