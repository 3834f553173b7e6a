"""Weights that imitate a teacher without training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from perceptualloss.features.modules import FactorisedConv2d, HeadedConv2d, convolution
from perceptualloss.studies.loss_network.layerwise import fit_layerwise, least_squares, telling_channels


def test_least_squares_is_numpys() -> None:
    generator = torch.Generator().manual_seed(0)
    x, noise = torch.randn(400, 6, generator=generator), torch.randn(400, 3, generator=generator)
    y = x @ torch.randn(6, 3, generator=generator) + 2 + 0.1 * noise
    matrix, bias = least_squares(x, y)
    wanted = np.linalg.lstsq(np.hstack([x.numpy(), np.ones((400, 1))]), y.numpy(), rcond=None)[0]
    assert np.allclose(matrix, wanted[:-1], atol=1e-3)
    assert np.allclose(bias, wanted[-1], atol=1e-3)


@pytest.mark.parametrize("reduced", [None, 6])
def test_a_student_with_room_for_everything_becomes_the_teacher(reduced: int | None) -> None:
    torch.manual_seed(0)
    teacher = nn.Sequential(convolution(3, 6), nn.ReLU(), convolution(6, 8), nn.ReLU())
    student = nn.Sequential(HeadedConv2d(3, 6, 6), nn.ReLU(), FactorisedConv2d(6, reduced, 8, 8), nn.ReLU())
    images = torch.randn(4, 3, 24, 24)
    fit_layerwise(student, teacher, images)
    new = torch.randn(2, 3, 16, 16)
    first = student[0]
    assert isinstance(first, HeadedConv2d)
    assert torch.allclose(first.head(first(new)), teacher[0](new), atol=2e-2)
    error = (student(new) - teacher(new)).square().mean() / teacher(new).var()
    assert error < 1e-4


def test_a_student_with_less_room_keeps_what_varies_most() -> None:
    torch.manual_seed(0)
    teacher = nn.Sequential(convolution(3, 8))
    with torch.no_grad():
        teacher[0].weight[2:].mul_(0.01)  # type: ignore[union-attr, index]
    student = nn.Sequential(FactorisedConv2d(3, None, 2, 8))
    images = torch.randn(4, 3, 24, 24)
    fit_layerwise(student, teacher, images)
    error = (student(images) - teacher(images)).square().mean((0, 2, 3))
    assert torch.all(error[:2] < 1e-4 * teacher(images).var((0, 2, 3))[:2])


def test_the_channels_that_tell_the_most_are_chosen_once_each() -> None:
    features = torch.randn(100, 5, generator=torch.Generator().manual_seed(0))
    features = torch.cat([features, features], dim=1)
    chosen = telling_channels(features, 5)
    assert sorted(number % 5 for number in chosen) == [0, 1, 2, 3, 4]
