import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from perceptualloss.errors import InputError
from perceptualloss.networks.course import ResNetBlock
from perceptualloss.networks.registry import NETWORKS


def test_upscale2x_has_the_courses_size() -> None:
    assert sum(p.numel() for p in NETWORKS["Upscale2x"]().parameters()) == 521_459


def test_upscale4x_has_the_size_of_the_courses_layers() -> None:
    def block(a: int, b: int, k: int) -> int:
        return a * b * k * k + b * b * k * k + a * b + 4 * b

    expected = block(3, 64, 9) + block(64, 48, 7) + block(48, 32, 5) + block(32, 24, 5) + 24 * 3 * 25 + 3
    assert sum(p.numel() for p in NETWORKS["Upscale4x"]().parameters()) == expected


def test_the_block_computes_what_the_course_draws() -> None:
    block = ResNetBlock(3, 8, kernel_size=5).eval()
    nn.init.normal_(block.norm1.weight)
    nn.init.normal_(block.norm2.running_mean)
    x = torch.rand(2, 3, 9, 7)
    y = block.norm1(torch.relu(torch.conv2d(x, block.conv1.weight, padding=2)))
    y = torch.conv2d(y, block.conv2.weight, padding=2) + torch.conv2d(x, block.shortcut.weight)
    torch.testing.assert_close(block(x), block.norm2(torch.relu(y)))
    assert isinstance(ResNetBlock(8, 8).shortcut, nn.Identity)


def test_an_even_kernel_is_refused() -> None:
    with pytest.raises(InputError, match="odd"):
        ResNetBlock(3, 8, kernel_size=4)


@pytest.mark.parametrize("name", NETWORKS)
@settings(deadline=None, max_examples=5)
@given(height=st.integers(2, 12), width=st.integers(2, 12))
def test_any_size_comes_out_scale_times_as_large(name: str, height: int, width: int) -> None:
    network = NETWORKS[name]().eval()
    output = network(torch.rand(1, 3, height, width))
    assert output.shape == (1, 3, network.scale * height, network.scale * width)


@pytest.mark.parametrize("name", ["Upscale2x", "Upscale4x"])
def test_without_its_residual_it_interpolates(name: str) -> None:
    network = NETWORKS[name]()
    nn.init.zeros_(network.model[-1].weight)
    nn.init.zeros_(network.model[-1].bias)
    x: Tensor = torch.rand(1, 3, 6, 5)
    expected = nn.functional.interpolate(x, scale_factor=network.scale, mode="bilinear", align_corners=True)
    torch.testing.assert_close(network(x), expected)


@pytest.mark.parametrize("name", ["Upscale2x", "Upscale4x", "Generator"])
def test_the_last_convolution_starts_from_zero_or_as_torch_makes_it(name: str) -> None:
    assert not NETWORKS[name]().model[-1].weight.any()
    torch.manual_seed(3)
    last = NETWORKS[name](zero_last=False).model[-1]
    bound = (last.in_channels * last.kernel_size[0] ** 2) ** -0.5  # of torch's uniform draw, for weight and bias
    assert 0.9 * bound < last.weight.abs().max() <= bound
    assert 0 < last.bias.abs().max() <= bound
