from __future__ import annotations

import pytest
import torch
from torch import nn

from perceptualloss.errors import InputError
from perceptualloss.losses.critic_penalties import gradient_penalty
from perceptualloss.networks.course import Critic


def test_it_is_the_courses_network_at_the_courses_size() -> None:
    critic = Critic(width=2)
    layers = [m for m in critic.features if isinstance(m, nn.Conv2d)]
    images = torch.rand(1, 3, 256, 256)
    x = images - 0.5
    for conv in layers:
        x = torch.nn.functional.leaky_relu(torch.conv2d(x, conv.weight, conv.bias, 2, conv.weight.shape[-1] // 2), 0.2)
    assert x.shape[2:] == (4, 4)
    torch.testing.assert_close(critic(images), critic.score(nn.AvgPool2d(4)(x).flatten(1)))


def test_its_layers_and_documented_number_of_parameters() -> None:
    shapes = [tuple(p.shape) for p in Critic().parameters() if p.ndim == 4]
    assert [shape[:2] for shape in shapes] == [(32, 3), (64, 32), (128, 64), (256, 128), (512, 256), (1024, 512)]
    assert [shape[2] for shape in shapes] == [9, 5, 5, 5, 5, 5]
    assert f"{sum(p.numel() for p in Critic().parameters()):,} parameters" in str(Critic.__doc__)


@pytest.mark.parametrize("size", [(1, 1), (16, 24), (65, 33)])
def test_any_size_gets_one_score_of_its_own(size: tuple[int, int]) -> None:
    critic = Critic(width=2)
    images = torch.rand(3, 3, *size)
    scores = critic(images)
    assert scores.shape == (3, 1)
    torch.testing.assert_close(scores[1:2], critic(images[1:2]))  # whatever else is in the batch


def test_it_learns_under_a_gradient_penalty() -> None:
    critic = Critic(width=4)
    real, fake = 0.5 + 0.5 * torch.rand(4, 3, 16, 16), 0.5 * torch.rand(4, 3, 16, 16)
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3)
    for _ in range(25):
        loss = critic(fake).mean() - critic(real).mean() + gradient_penalty(critic, real, fake)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert critic(real).min() > critic(fake).max()
    assert all(p.grad is not None for p in critic.parameters())


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="width from 1"):
        Critic(width=0)
    with pytest.raises(InputError, match="images of shape"):
        Critic(width=2)(torch.rand(1, 1, 16, 16))
