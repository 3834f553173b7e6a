"""Loss maps as pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from perceptualloss.losses.feature import FeatureReconstructionLoss
from perceptualloss.studies.layers.loss_map import layer_losses, loss_map_panel, overlay


def test_losses_are_those_of_the_layers_and_maps_have_the_pictures_size() -> None:
    output, target = torch.rand(2, 1, 3, 24, 40)
    found = layer_losses(output, target, ["relu1_1", "relu2_1"])
    expected = FeatureReconstructionLoss("compact", ["relu1_1", "relu2_1"]).terms(output, target)
    assert {one.layer: one.loss for one in found} == pytest.approx({k: v.item() for k, v in expected.items()}, rel=1e-4)
    assert all(one.map.shape == (24, 40) for one in found)


def test_more_difference_is_brighter() -> None:
    values = torch.linspace(0, 1, 50).expand(4, 50)
    bright = np.asarray(overlay(values, 1.0, torch.full((1, 3, 4, 50), 0.5)).convert("L"), dtype=int)
    assert (np.diff(bright[0]) >= 0).all()
    assert bright[0, -1] > bright[0, 0] + 100


def test_the_panel_has_a_column_for_each_picture_and_layer() -> None:
    output, target = torch.rand(2, 1, 3, 24, 24)
    one, two = (layer_losses(output, target, layers) for layers in (["relu1_1"], ["relu1_1", "relu2_1"]))
    wide = [loss_map_panel(found, output, target, column=200).width for found in (one, two)]
    assert wide[1] - wide[0] > 200


def test_equal_pictures_show_nothing() -> None:
    picture = torch.rand(1, 3, 24, 24)
    (found,) = layer_losses(picture, picture, ["relu1_1"])
    assert found.loss == 0
    panel = np.asarray(loss_map_panel([found], picture, torch.zeros_like(picture), column=100))
    assert (panel[40:100, -100:-40] < 30).all(axis=2).any()  # black over a black target
