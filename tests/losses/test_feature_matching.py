from __future__ import annotations

import pytest
import torch
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.losses.feature_matching import feature_matching
from perceptualloss.networks.critics import MultiScaleCritic, PatchCritic

SHAPES = [(2, 4, 5, 6), (2, 8, 3, 3), (2, 8, 7)]


def features(seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, dtype=torch.float64, generator=generator) for shape in SHAPES]


def test_equals_the_papers_formulas() -> None:
    fake, real = features(0), features(1)
    layers = [torch.nn.functional.l1_loss(f, r) for f, r in zip(fake, real, strict=True)]
    torch.testing.assert_close(feature_matching(fake, real), sum(layers) / 3)  # pix2pixHD, but for its weight
    torch.testing.assert_close(feature_matching(fake, real, "sum"), sum(layers))  # HiFi-GAN


def test_it_is_zero_for_equal_pictures_with_a_zero_gradient() -> None:
    critic = MultiScaleCritic(2, width=2, n_layers=1)
    images = torch.rand(2, 3, 16, 16, requires_grad=True)
    _, fake = critic(images, features=True)
    _, real = critic(images.detach(), features=True)
    assert len(fake) == 4
    value = feature_matching(fake, real)
    value.backward()
    assert value == 0
    assert images.grad is not None
    assert not images.grad.any()


def test_gradients_reach_generated_pictures_alone() -> None:
    fake, real = ([x.requires_grad_() for x in features(seed)] for seed in (0, 1))
    assert torch.autograd.gradcheck(lambda *f: feature_matching(f, real), fake)
    feature_matching(fake, real).backward()
    assert all(x.grad is None for x in real)


def test_in_16_bits_it_is_computed_in_32() -> None:
    critic = PatchCritic(width=2, n_layers=1)
    with torch.autocast("cpu", torch.bfloat16):
        seen = [critic(torch.rand(2, 3, 16, 16), features=True)[1] for _ in range(2)]
        value = feature_matching(*seen)
    assert seen[0][0].dtype == torch.bfloat16
    assert value.dtype == torch.float32


def test_features_of_something_else_are_refused() -> None:
    with pytest.raises(InputError, match="the features of as many layers of both, got 3 and 2"):
        feature_matching(features(0), features(1)[:2])
    with pytest.raises(InputError, match="got 0 and 0"):
        feature_matching([], [])
    with pytest.raises(InputError, match="same shape"):
        feature_matching([torch.ones(2, 1)], [torch.ones(1, 1)])  # it would be broadcast
    with pytest.raises(InputError, match="reduction to be one of mean, sum"):
        feature_matching(features(0), features(1), "none")  # type: ignore[arg-type]
