from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from perceptualloss.data.folder import builtin_photos
from perceptualloss.errors import InputError
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.named import load_network
from perceptualloss.networks.style_norm import StyleNorm, style_shares
from perceptualloss.networks.style_transfer import StyleTransferNetwork, mirror
from perceptualloss.pictures.color import luminance
from perceptualloss.pictures.images import read_image

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def painter(styles: int = 1, **options: object) -> StyleTransferNetwork:
    """A small network whose norms do something, each style's something else."""
    network = StyleTransferNetwork(width=4, blocks=1, styles=styles, **options).eval()  # type: ignore[arg-type]
    for module in network.modules():
        if isinstance(module, StyleNorm):
            nn.init.normal_(module.scale, 1, 0.3)
            nn.init.normal_(module.shift, 0, 0.3)
    return network


@pytest.mark.parametrize("upsampling", ["nearest", "bilinear", "transposed"])
@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize("size", [(1, 1), (1, 50), (7, 4), (41, 95)])
def test_any_size_comes_out_as_it_went_in(upsampling: str, norm: str, size: tuple[int, int]) -> None:
    network = StyleTransferNetwork(4, blocks=2, norm=norm, upsampling=upsampling).eval()  # type: ignore[arg-type]
    output = network(torch.rand(2, 3, *size))
    assert output.shape == (2, 3, *size)
    assert -0.1 < output.min() <= output.max() < 1.1


def test_the_papers_layers() -> None:
    network = StyleTransferNetwork(upsampling="transposed", norm="batch")
    layers = [(m.out_channels, m.kernel_size[0], m.stride[0]) for m in network.modules() if isinstance(m, CONVOLUTIONS)]
    residual = [(128, 3, 1)] * 10
    assert layers == [(32, 9, 1), (64, 3, 2), (128, 3, 2), *residual, (64, 3, 2), (32, 3, 2), (3, 9, 1)]
    transposed = [m.out_channels for m in network.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert transposed == [64, 32]
    sizes: list[torch.Size] = []
    for module in network.modules():
        if isinstance(module, CONVOLUTIONS):
            module.register_forward_hook(lambda _, __, output: sizes.append(output.shape[2:]))
    with torch.no_grad():
        network.eval()(torch.rand(1, 3, 256, 256))
    body = [82, 80, 78, 76, 74, 72, 70, 68, 66, 64]  # the supplement's table: 84 to 64 in five blocks
    assert [side for side, _ in sizes] == [336, 168, 84, *body, 128, 256, 256]


def test_a_block_adds_to_the_middle_of_its_input_without_relu() -> None:
    block = StyleTransferNetwork(width=4, blocks=1).body[0]
    nn.init.zeros_(block.norm2.scale)
    features = -torch.rand(1, 16, 9, 8)
    assert torch.equal(block(features, None), features[..., 2:-2, 2:-2])


def test_padding_is_reflection_and_goes_on_where_the_picture_is_small() -> None:
    x = torch.rand(2, 3, 9, 7)
    torch.testing.assert_close(mirror(x, (3, 8), (6, 2)), F.pad(x, (6, 2, 3, 8), mode="reflect"))
    twice = F.pad(F.pad(x, (6, 6, 8, 8), mode="reflect"), (4, 0, 0, 12), mode="reflect")
    torch.testing.assert_close(mirror(x, (8, 20), (10, 6)), twice)
    assert torch.equal(mirror(x[..., :1, :1], (2, 1), (0, 3)), x[..., :1, :1].expand(-1, -1, 4, 4))


@pytest.mark.parametrize("styles", [1, 3])
@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize("skip", [False, True])
def test_a_flat_picture_stays_flat_to_the_border(skip: bool, norm: str, styles: int) -> None:
    network = painter(styles, norm=norm, luminance_skip=skip)
    output = network(torch.tensor([0.2, 0.5, 0.9]).view(1, 3, 1, 1).expand(-1, -1, 51, 62))
    assert output.std(dim=(2, 3)).max() < 5e-4  # instance norm multiplies what interpolation rounds


def test_no_frame_on_a_texture() -> None:
    """What a pixel becomes does not depend on how near the border is: on average it is what it is inside."""
    network = painter()
    picture = torch.rand(8, 3, 96, 96)
    with torch.no_grad():
        difference = network(picture).mean(dim=(0, 1)) - network(picture).mean()
    rim = torch.cat([difference[:4].flatten(), difference[-4:].flatten(), difference[:, :4].flatten()]).mean()
    assert rim.abs() < 0.01


def test_interpolation_leaves_no_checkerboard() -> None:
    spread = {}
    for upsampling in ("nearest", "bilinear", "transposed"):
        network = painter(norm="batch", upsampling=upsampling)
        spread[upsampling] = network(torch.full((1, 3, 64, 64), 0.3))[..., 24:40, 24:40].std(dim=(2, 3)).max()
    assert max(spread["nearest"], spread["bilinear"]) < 1e-5
    assert spread["transposed"] > 1e-3


def test_black_and_white_can_be_reached() -> None:
    network = painter()
    for bias, wanted in ((-20.0, 0.0), (20.0, 1.0)):
        nn.init.constant_(network.last.bias, bias)
        assert torch.equal(network(torch.rand(1, 3, 8, 8)).clamp(0, 1), torch.full((1, 3, 8, 8), wanted))


def test_the_skip_adds_normalised_luminance_before_the_tanh() -> None:
    network, x = painter(styles=2, luminance_skip=True), torch.rand(2, 3, 21, 30)
    nn.init.zeros_(network.last.weight)
    grey = (torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1) * x).sum(dim=1, keepdim=True)
    grey = (grey - grey.mean(dim=(2, 3), keepdim=True)) / grey.std(dim=(2, 3), correction=0, keepdim=True)
    inner = network.skip.scale[1].view(3, 1, 1) * grey + (network.skip.shift[1] + network.last.bias).view(3, 1, 1)
    torch.testing.assert_close(network(x, 1), 0.5 + 150 / 255 * inner.tanh(), atol=1e-3, rtol=0)


def test_with_the_skip_fresh_weights_give_nearly_a_grey_photo() -> None:
    photo = read_image(builtin_photos("validation")[0])[..., :128, :128]
    output = StyleTransferNetwork(width=16, luminance_skip=True)(photo)
    light = torch.stack([luminance(output).flatten(), luminance(photo).flatten()])
    assert torch.corrcoef(light)[0, 1] > 0.95
    assert output.std(dim=1).mean() < 0.05


def test_instance_norm_is_torchs_and_looks_at_each_picture_alone() -> None:
    norm = StyleNorm(5)
    nn.init.normal_(norm.scale)
    nn.init.normal_(norm.shift)
    x = 3 + 2 * torch.rand(2, 5, 8, 9).to(memory_format=torch.channels_last)
    wanted = F.instance_norm(x, weight=norm.scale[0], bias=norm.shift[0])
    torch.testing.assert_close(norm(x), wanted, atol=1e-5, rtol=1e-5)
    network, pictures = painter().train(), torch.rand(3, 3, 20, 20)
    torch.testing.assert_close(network(pictures)[1:2], network(pictures[1:2]), atol=1e-5, rtol=1e-5)


def test_batch_norm_is_torchs_in_training_and_in_use() -> None:
    norm, reference = StyleNorm(5, "batch"), nn.BatchNorm2d(5)
    x = 3 + 2 * torch.rand(2, 5, 8, 9)
    torch.testing.assert_close(norm(x), reference(x))
    torch.testing.assert_close(norm.eval()(x), reference.eval()(x))


@pytest.mark.parametrize("skip", [False, True])
def test_contrast_does_not_matter_to_instance_norm(skip: bool) -> None:
    network, x = painter(luminance_skip=skip), torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(network(0.5 + 0.5 * (x - 0.5)), network(x), atol=2e-3, rtol=0)


def test_every_way_to_name_a_style() -> None:
    network, x = painter(styles=3), torch.rand(2, 3, 16, 16)
    first, second, third = (network(x, style) for style in range(3))
    assert not torch.allclose(first, second)
    torch.testing.assert_close(network(x), first)
    torch.testing.assert_close(network(x, torch.tensor([1, 2])), torch.stack([second[0], third[1]]))
    torch.testing.assert_close(network(x, [0.0, 0.0, 1.0]), third)
    rows = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    torch.testing.assert_close(network(x, rows), torch.stack([first[0], third[1]]))
    network.style = 2
    torch.testing.assert_close(network(x), third)
    torch.testing.assert_close(painter()(x[:1]).shape, network(x[:1], torch.tensor(1)).shape)


def test_a_blend_has_the_blend_of_scales_and_shifts() -> None:
    network, single, x = painter(styles=2), painter(), torch.rand(1, 3, 16, 16)
    state = {
        name: 0.3 * value[:1] + 0.7 * value[1:] if name.endswith((".scale", ".shift")) else value
        for name, value in network.state_dict().items()
    }
    single.load_state_dict(state)
    torch.testing.assert_close(network(x, [0.3, 0.7]), single(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("style", [2, -1, [1.0], [0.2, 0.3, 0.5], [0, 1, 0], torch.rand(3, 2), torch.tensor([0, 5])])
def test_styles_that_there_are_not(style: object) -> None:
    with pytest.raises(InputError, match=r"style|weights"):
        style_shares(style, 2, torch.rand(2, 3, 4, 4))  # type: ignore[arg-type]


def test_compiled_in_one_graph_it_paints_the_same() -> None:
    torch.compiler.reset()
    network, x = painter(styles=2), torch.rand(2, 3, 12, 16)
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    for style in (None, torch.tensor(1)):
        torch.testing.assert_close(compiled(x, style), network(x, style))
    with pytest.raises((InputError, IndexError, RuntimeError)):  # a tensor's numbers are not read, but looked up
        compiled(x, torch.tensor(-1))


def test_one_style_needs_no_naming_and_knows_no_other() -> None:
    network = painter()
    x = torch.rand(1, 3, 9, 9)
    assert torch.equal(network(x, 0), network(x))
    with pytest.raises(InputError, match="from 0 to 0"):
        network(x, 1)


def test_it_learns_several_styles_at_once() -> None:
    network = StyleTransferNetwork(width=4, blocks=1, styles=2)
    x = torch.rand(2, 3, 16, 16)
    wanted, styles = torch.stack([1 - x[0], x[1]]), torch.tensor([0, 1])
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    first = F.mse_loss(network(x, styles), wanted).item()
    for _ in range(40):
        loss = F.mse_loss(network(x, styles), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.7 * first
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("skip", [False, True])
def test_bf16_stays_near(skip: bool) -> None:
    network, x = painter(luminance_skip=skip), torch.rand(1, 3, 32, 32)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        low = network(x)
    assert (low - network(x)).abs().mean() < 0.02


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_saved_with_its_arguments(norm: str, tmp_path: Path) -> None:
    network, x = painter(styles=2, norm=norm, luminance_skip=True), torch.rand(1, 3, 10, 12)
    loaded = load_network(save_network(network, tmp_path / "style.safetensors"))
    assert torch.equal(loaded(x, 1), network(x, 1))  # type: ignore[arg-type]


@pytest.mark.parametrize("arguments", [{"width": 0}, {"styles": 0}, {"norm": "layer"}, {"upsampling": "nearst"}])
def test_impossible_arguments_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(InputError):
        StyleTransferNetwork(**arguments)  # type: ignore[arg-type]
