"""Which pixels a layer's positions see, beside published receptive fields and beside what a NaN spreads to."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from perceptualloss.features.base import LossNetwork
from perceptualloss.features.chain import Chain
from perceptualloss.features.network import loss_network


@pytest.mark.parametrize(
    ("network", "reaches"),
    [
        ("vgg16", {"relu1_2": 5, "relu2_2": 14, "relu3_3": 40, "relu4_3": 92, "relu5_3": 196}),
        ("alexnet", {"relu1_1": 11, "relu2_1": 51, "relu3_3": 163}),
        ("compact", {"relu1_2": 5, "relu2_2": 16}),
    ],
)
def test_receptive_fields_are_those_that_are_known(network: str, reaches: dict[str, int]) -> None:
    with torch.device("cpu"):
        found = loss_network(network, reaches, "default" if network == "compact" else None)
    assert {layer: found.reach(layer) for layer in reaches} == reaches


@pytest.mark.parametrize(
    ("network", "layer", "size"),
    [
        ("compact", "relu4_3", (37, 42)),
        ("judge", "relu3_2", (33, 26)),
        ("squeezenet", "fire5", (43, 46)),
        ("alexnet", "relu3_1", (69, 66)),
    ],
)
def test_a_marked_pixel_touches_what_a_nan_in_its_place_spreads_to(
    network: str, layer: str, size: tuple[int, int]
) -> None:
    weights = "default" if network in ("compact", "judge") else None
    loss = loss_network(network, [layer], weights).double()  # in 64 bits no convolution looks further than it must
    picture = torch.rand(1, 3, *size, dtype=torch.float64)
    loss(picture)  # reads its values
    for row, column in ((0, 0), (20, 13), (size[0] - 1, 17)):
        spoilt, marks = picture.clone(), torch.zeros(1, 1, *size, dtype=torch.float64)
        spoilt[..., row, column], marks[..., row, column] = torch.nan, 1
        features, touched = loss(spoilt, loss.names), loss.touched(marks, loss.names)
        for name, found in features.items():
            assert torch.equal(found.isnan().any(dim=1, keepdim=True).double(), touched[name]), name


def test_a_chain_of_ones_own_with_strides_dilation_and_mirrored_borders() -> None:
    chain = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=2, dilation=2, padding_mode="reflect"),
        nn.ReLU(),
        nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
        nn.Conv2d(4, 4, (1, 3)),
    )
    loss = LossNetwork(Chain(chain, ["conv2_1"]), ["conv2_1"]).double()
    picture = torch.rand(1, 3, 21, 24, dtype=torch.float64)
    loss(picture)
    for row in (0, 9, 20):
        marks = torch.zeros(1, 1, 21, 24, dtype=torch.float64)
        marks[..., row, 11] = 1
        features, touched = loss(torch.where(marks == 1, torch.nan, picture)), loss.touched(marks, ["conv2_1"])
        seen = features["conv2_1"].isnan().any(dim=1, keepdim=True).double()
        assert torch.equal(seen, touched["conv2_1"])
