from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

import perceptualloss
from perceptualloss.apply import tiles
from perceptualloss.apply.stylist import parse_blend, stylist
from perceptualloss.apply.stylize import stylize
from perceptualloss.apply.tiles import transform_in_tiles
from perceptualloss.data.folder import builtin_photos
from perceptualloss.errors import InputError
from perceptualloss.losses.style_objective import objective_note
from perceptualloss.networks import named as shipped
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.johnson import SuperResolutionNetwork
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.networks.style_norm import StyleNorm
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.pictures.color import luminance
from perceptualloss.pictures.images import open_picture, read_image, write_image


def painter(styles: int = 1) -> StyleTransferNetwork:
    network = StyleTransferNetwork(4, blocks=1, styles=styles).eval()
    for module in network.modules():
        if isinstance(module, StyleNorm):
            nn.init.normal_(module.scale, 1, 0.3)
            nn.init.normal_(module.shift, 0, 0.3)
    return network


@pytest.fixture
def network() -> StyleTransferNetwork:
    return painter()


@pytest.fixture
def several(tmp_path: Path) -> tuple[StyleTransferNetwork, Path]:
    """A network for two styles with names, and its file."""
    network = painter(2)
    notes = objective_note("johnson_style", ["wave", "udnie"], None, 1.0)
    return network, save_network(network, tmp_path / "several.safetensors", **notes)


def test_every_kind_of_picture_gets_the_same_pixels(network: StyleTransferNetwork, tmp_path: Path) -> None:
    image = torch.randint(0, 256, (3, 19, 18)) / 255
    wanted = network(image[None])[0].clamp(0, 1).detach()
    array = (image * 255).round().byte().permute(1, 2, 0).numpy()
    write_image(image, tmp_path / "a.png")
    file = save_network(network, tmp_path / "network.safetensors")
    torch.testing.assert_close(stylize(image, network), wanted, atol=1e-4, rtol=0)
    torch.testing.assert_close(stylize(image[None], file)[0], wanted, atol=1e-4, rtol=0)
    torch.testing.assert_close(stylize(image, network=file), wanted, atol=1e-4, rtol=0)
    for like in (array, Image.fromarray(array), tmp_path / "a.png", str(tmp_path / "a.png")):
        found = stylize(like, network)  # type: ignore[call-overload]
        assert isinstance(found, np.ndarray if isinstance(like, np.ndarray) else Image.Image)
        np.testing.assert_allclose(np.asarray(found), (wanted * 255).permute(1, 2, 0).numpy(), atol=0.6)
    assert perceptualloss.stylize is stylize


def test_grey_becomes_coloured_unless_colours_are_kept(network: StyleTransferNetwork) -> None:
    grey = torch.rand(1, 12, 12)
    assert stylize(grey, network).shape == (3, 12, 12)
    assert stylize(grey, network, keep_colors=True).shape == (1, 12, 12)
    assert stylize(grey[0].numpy(), network).shape == (12, 12, 3)
    assert stylize(Image.new("L", (12, 12), 99), network).mode == "RGB"


def test_strength_is_between_the_picture_and_the_painting(network: StyleTransferNetwork) -> None:
    image = torch.rand(3, 14, 14)
    whole = stylize(image, network)
    torch.testing.assert_close(stylize(image, network, strength=0), image)
    torch.testing.assert_close(stylize(image, network, strength=0.25), 0.75 * image + 0.25 * whole)


def test_kept_colours_change_the_luminance_alone(network: StyleTransferNetwork) -> None:
    image = 0.4 + 0.2 * torch.rand(1, 3, 14, 14)
    nn.init.zeros_(network.last.weight)  # grey everywhere: nothing leaves [0, 1]
    found = stylize(image, network, keep_colors=True)
    painted = network(image).detach()
    torch.testing.assert_close(luminance(found), luminance(painted), atol=1e-5, rtol=0)
    difference = found - image
    torch.testing.assert_close(difference, difference[:, :1].expand(-1, 3, -1, -1), atol=1e-5, rtol=0)


def test_size_is_the_longer_side(network: StyleTransferNetwork) -> None:
    rgba = torch.rand(4, 20, 40)
    assert stylize(rgba, network, size=30).shape == (4, 15, 30)
    assert stylize(rgba, network, size=60).shape == (4, 30, 60)
    assert stylize(rgba, network).shape == rgba.shape
    assert torch.equal(stylize(rgba, network)[3], rgba[3])


def test_files_of_16_bits_and_transparency(network: StyleTransferNetwork, tmp_path: Path) -> None:
    samples = torch.rand(4, 17, 16)
    write_image(samples[:3], tmp_path / "deep.png", bits=16, alpha=samples[3:])
    tool = stylist(network)
    tool.file(tmp_path / "deep.png", tmp_path / "painted.png")
    layers = open_picture(tmp_path / "painted.png")
    assert (layers.bits, layers.alpha is not None) == (16, True)
    with pytest.raises(InputError, match="keeps transparency"):
        tool.file(tmp_path / "deep.png", tmp_path / "painted.jpg")


def test_one_style_of_several(several: tuple[StyleTransferNetwork, Path]) -> None:
    network, file = several
    image = torch.rand(3, 16, 16)
    first, second = (network(image[None], style)[0].clamp(0, 1).detach() for style in (0, 1))
    for style, wanted in ((None, first), ("wave", first), ("udnie", second), (1, second), ("1", second)):
        torch.testing.assert_close(stylize(image, style, network=file), wanted, atol=1e-4, rtol=0)
    half = network(image[None], [0.5, 0.5])[0].clamp(0, 1).detach()
    for blend in ([0.5, 0.5], {"wave": 0.5, "udnie": 0.5}, "wave:0.5,udnie:0.5"):
        torch.testing.assert_close(stylize(image, blend, network=file), half, atol=1e-4, rtol=0)
    torch.testing.assert_close(stylize(image, 1, network=network), second, atol=1e-4, rtol=0)
    assert network.style == 0


def test_a_blend_is_read() -> None:
    assert parse_blend("a:0.25, b:.75") == {"a": 0.25, "b": 0.75}
    with pytest.raises(InputError, match="weights such as"):
        parse_blend("a:much")


def test_styles_that_ship(network: StyleTransferNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    save_network(network, tmp_path / "style-starry_night.safetensors")
    save_network(ResidualUpscaler(2, width=4, blocks=1), tmp_path / "subpixel2x-mse.safetensors")
    assert list(shipped.shipped_styles()) == ["starry_night"]
    assert set(shipped.shipped()) == {(2, "mse")}
    image = torch.rand(3, 12, 12)
    torch.testing.assert_close(stylize(image, "starry_night"), stylize(image, network))
    torch.testing.assert_close(stylize(image, network="starry_night"), stylize(image, network))
    torch.testing.assert_close(stylize(image, "style-starry_night"), stylize(image, network))
    with pytest.raises(InputError, match=r"one of starry_night.*Did you mean 'starry_night'.*train style"):
        stylize(image, "stary_night")


@pytest.mark.parametrize("file", builtin_photos("validation"), ids=lambda file: file.stem)
@pytest.mark.parametrize("name", shipped.shipped_styles())
def test_styles_that_really_ship_keep_the_photo_and_have_no_patches_of_one_pure_colour(name: str, file: Path) -> None:
    photo = read_image(file)[..., :256, :256]
    painted = stylize(photo, name)
    light = torch.stack([luminance(photo).flatten(), luminance(painted).flatten()])
    assert torch.corrcoef(light)[0, 1] > 0.5
    mean = F.avg_pool2d(painted, 15, stride=1)
    flat = (F.avg_pool2d(painted.square(), 15, stride=1) - mean.square()).mean(dim=1) < 0.002
    pure = (mean.amax(dim=1) > 0.97) | (mean.amin(dim=1) < 0.03)
    assert (flat & pure).float().mean() < 0.01


@pytest.mark.parametrize(
    ("style", "options", "message"),
    [
        ("painting.jpg", {}, "--method optimize"),
        (None, {}, "name of a style"),
        (painter(), {"strength": 2.0}, "strength from 0 to 1"),
        (painter(), {"size": 0}, "from 1 pixel"),
        (painter(), {"device": "gpuu"}, "a device"),
        (SuperResolutionNetwork(2, width=4, blocks=1), {}, "one of scale 2"),
        ("wavy", {"network": painter(2)}, "style to be one of 0, 1"),
        ([0.5], {"network": painter(2)}, "2 weights"),
        (0, {"network": nn.Identity()}, "Leave the style away"),
    ],
)
def test_bad_arguments(style: object, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        stylize(torch.rand(3, 8, 8), style, **options)  # type: ignore[call-overload]


def test_a_picture_is_never_cut(network: StyleTransferNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "_OUTPUT_SIDE", 16)
    image = torch.rand(1, 3, 50, 40)
    torch.testing.assert_close(transform_in_tiles(network, image), network(image).detach(), atol=1e-4, rtol=0)
    with pytest.raises(InputError, match="no tiles"):
        transform_in_tiles(network, image, tile=16)


def test_too_little_memory_is_said_before_and_after(
    network: StyleTransferNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = torch.rand(1, 3, 50, 40)
    monkeypatch.setattr(tiles, "free_memory", lambda place: 100_000)
    with pytest.raises(InputError, match=r"40 x 50 pixels.*0.0 GiB.*--size"):
        transform_in_tiles(network, image)
    monkeypatch.setattr(tiles, "free_memory", lambda place: None)
    assert transform_in_tiles(network, image).shape == image.shape

    def full(x: torch.Tensor, style: object = None) -> torch.Tensor:
        raise MemoryError

    monkeypatch.setattr(network, "forward", full)
    with pytest.raises(InputError, match=r"too little.*--size"):
        transform_in_tiles(network, image)
