from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from perceptualloss.errors import InputError
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.course import Generator, ResNetBlock
from perceptualloss.networks.named import load_network


def course_generator() -> nn.Sequential:
    """The layers that the course lists."""
    blocks = [ResNetBlock(a, b, kernel_size=7) for a, b in ((3, 16), (16, 32), (32, 64), (64, 128), (128, 256))]
    return nn.Sequential(*blocks, nn.PixelShuffle(4), nn.Conv2d(16, 3, 7, padding=3))


def test_it_is_the_courses_network() -> None:
    course, network = course_generator().eval(), Generator().eval()
    network.model.load_state_dict(course.state_dict())
    x = torch.rand(1, 3, 6, 5)
    up = F.interpolate(x, scale_factor=4, mode="bilinear", align_corners=True)
    torch.testing.assert_close(network(x), up + course(x))


def test_the_documented_number_of_parameters() -> None:
    count = sum(p.numel() for p in Generator().parameters())
    assert f"{count:,} parameters" in str(Generator.__doc__)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_untrained_it_interpolates(scale: int) -> None:
    x = torch.rand(2, 3, 4, 7)
    wanted = F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=True)
    torch.testing.assert_close(Generator(scale, width=2)(x), wanted)


def test_saved_with_its_arguments(tmp_path) -> None:
    network = Generator(2, width=2).eval()
    nn.init.normal_(network.model[-1].weight)
    x = torch.rand(1, 3, 4, 4)
    assert torch.equal(load_network(save_network(network, tmp_path / "g.safetensors"))(x), network(x))


def test_channels_that_cannot_be_spread_are_refused() -> None:
    with pytest.raises(InputError, match="scale² to divide"):
        Generator(3, width=2)
