from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import perceptualloss
from perceptualloss.apply.upscale import upscale, upscaler
from perceptualloss.errors import InputError
from perceptualloss.networks import named as shipped
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.johnson import SuperResolutionNetwork
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.pictures.color import match_histogram
from perceptualloss.pictures.images import open_picture, read_image, write_image
from perceptualloss.pictures.resize import resize

INTERPOLATION = ResidualUpscaler(2, width=4, blocks=1)  # untrained


@pytest.fixture
def network() -> ResidualUpscaler:
    """A network that changes something, each channel in its own way."""
    network = ResidualUpscaler(2, width=4, blocks=1)
    nn.init.normal_(network.last.weight, std=0.05)
    return network


@pytest.fixture
def file(network: ResidualUpscaler, tmp_path: Path) -> Path:
    return save_network(network, tmp_path / "network.safetensors")


def test_every_kind_of_picture_gets_the_same_pixels(network: ResidualUpscaler, file: Path, tmp_path: Path) -> None:
    image = torch.randint(0, 256, (3, 9, 8)) / 255
    wanted = network(image[None])[0].clamp(0, 1).detach()
    array = (image * 255).round().byte().permute(1, 2, 0).numpy()
    whole = (wanted * 255).permute(1, 2, 0).numpy()
    write_image(image, tmp_path / "a.png")
    torch.testing.assert_close(upscale(image, network=network), wanted)
    torch.testing.assert_close(upscale(image[None], network=file)[0], wanted)
    for like in (array, Image.fromarray(array), tmp_path / "a.png", str(tmp_path / "a.png")):
        found = upscale(like, 2, network=network)  # type: ignore[call-overload]
        assert isinstance(found, np.ndarray if isinstance(like, np.ndarray) else Image.Image)
        np.testing.assert_allclose(np.asarray(found), whole, atol=0.51)
    assert perceptualloss.upscale is upscale


def test_any_size_is_the_next_larger_one_made_smaller(network: ResidualUpscaler) -> None:
    image = torch.cat([torch.rand(3, 9, 8), torch.linspace(0.2, 1, 72).view(1, 9, 8)])
    double = upscale(image, network=network)
    sizes: dict[tuple[int, int], dict[str, float]] = {
        (14, 12): {"scale": 1.5},
        (15, 13): {"width": 13},
        (16, 14): {"height": 16},
        (15, 14): {"megapixels": 210 / 1e6},
    }
    for size, wanted in sizes.items():
        found = upscale(image, network=network, **wanted)  # type: ignore[call-overload]
        assert found.shape == (4, *size)
        torch.testing.assert_close(found[:3], resize(double[None, :3], size=size)[0].clamp(0, 1))
        torch.testing.assert_close(found[3:], resize(image[None, 3:], size=size)[0].clamp(0, 1))
    thrice = upscale(image[:3], 6.0, network=network)  # three passes, 8 times as large, made smaller
    larger = upscale(upscale(double[:3], network=network), network=network)
    torch.testing.assert_close(thrice, resize(larger[None], size=(54, 48))[0].clamp(0, 1), atol=1e-5, rtol=0)


def test_grey_stays_grey(network: ResidualUpscaler) -> None:
    grey = torch.rand(1, 6, 6)
    wanted = network(grey[None].expand(-1, 3, -1, -1)).mean(dim=1).clamp(0, 1)
    torch.testing.assert_close(upscale(grey, network=network), wanted)
    assert upscale(Image.new("L", (6, 6), 99), network=network).mode == "L"


def test_opacity_is_interpolated_and_hidden_colours_do_not_show() -> None:
    red = torch.tensor([0.9, 0.2, 0.1, 1.0]).view(4, 1, 1).repeat(1, 16, 16)
    red[:, :, 8:] = 0.0  # transparent black
    found = upscale(red, network=INTERPOLATION)
    assert found.shape == (4, 32, 32)
    seen = found[3] > 0.01
    for channel, value in enumerate((0.9, 0.2, 0.1)):
        assert (found[channel][seen] - value).abs().max() < 1e-5
    assert found[3, :, :14].min() == 1
    assert found[3, :, 18:].max() == 0
    assert 0 < found[3, :, 15].min() < 1


def test_values_stay_in_range_and_input_stays_as_it_was(network: ResidualUpscaler) -> None:
    image = torch.rand(3, 6, 6).round()
    before = image.clone()
    found = upscale(image, network=network)
    assert 0 <= found.min() <= found.max() <= 1
    assert torch.equal(image, before)


def test_tiles_and_histogram(network: ResidualUpscaler) -> None:
    image = torch.rand(2, 3, 30, 21)
    whole = upscale(image, network=network)
    torch.testing.assert_close(upscale(image, network=network, tile=8), whole, atol=1e-5, rtol=0)
    matched = upscale(image, network=network, match_histogram=True)
    torch.testing.assert_close(matched, match_histogram(network(image).detach().clamp(0, 1), image))


def test_shipped_networks_by_scale_kind_and_perception(
    network: ResidualUpscaler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "trained")
    for kind in ("mse", "perceptual"):
        nn.init.normal_(network.last.weight, std=0.05)
        save_network(network, tmp_path / "trained" / f"subpixel2x-{kind}.safetensors")
    image = 0.3 + 0.4 * torch.rand(3, 6, 6)  # far from black and white, where values are cut off
    close, sharp = upscale(image, 2), upscale(image, 2, kind="perceptual")
    middle = upscale(image, 2, perception=0.5)
    torch.testing.assert_close(sharp, network(image[None])[0].clamp(0, 1))
    assert not torch.allclose(close, sharp)
    assert (middle - (close + sharp) / 2).abs().max() < 1e-5  # the last layer alone differs
    torch.testing.assert_close(upscale(image, 4), upscale(close, 2), atol=2e-6, rtol=0)  # in turn
    (tmp_path / "trained" / "subpixel2x-mse.safetensors").unlink()
    with pytest.raises(InputError, match="mse x4"):
        upscale(image)


def test_files_of_16_bits_grey_and_clear_ones(network: ResidualUpscaler, tmp_path: Path) -> None:
    tool = upscaler(network=network)
    samples = torch.rand(4, 7, 6)
    write_image(samples[:3], tmp_path / "deep.png", bits=16, alpha=samples[3:])
    tool.file(tmp_path / "deep.png", tmp_path / "large.png")
    layers = open_picture(tmp_path / "large.png")
    assert (layers.bits, layers.grey) == (16, False)
    assert layers.colours.shape == (1, 3, 14, 12)
    assert layers.alpha is not None
    write_image(samples[:3], tmp_path / "grey.png", bits=16, grey=True)
    tool.file(tmp_path / "grey.png", tmp_path / "grey-large.png")
    assert open_picture(tmp_path / "grey-large.png").grey
    assert open_picture(tmp_path / "grey-large.png").bits == 16
    tool.file(tmp_path / "grey.png", tmp_path / "grey-large.jpg")
    assert read_image(tmp_path / "grey-large.jpg").shape == (1, 3, 14, 12)
    with pytest.raises(InputError, match="keeps transparency"):
        tool.file(tmp_path / "deep.png", tmp_path / "large.jpg")


def test_a_picture_is_enlarged_upright(network: ResidualUpscaler, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((4, 9, 3), np.uint8)).save(tmp_path / "turned.png", exif=exif.tobytes())
    assert upscale(tmp_path / "turned.png", network=network).size == (8, 18)


def test_a_module_stays_where_and_what_it_was() -> None:
    network = SuperResolutionNetwork(2, width=4, blocks=1).train()
    upscale(torch.rand(3, 5, 5), network=network)
    assert network.training


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"network": nn.Identity()}, "that enlarges pictures.*transform"),  # a plain module has scale 1
        ({"network": INTERPOLATION, "scale": 4, "width": 9}, "one of scale, width"),
        ({"network": INTERPOLATION, "width": 6.5}, "width as a whole number of pixels, got 6.5"),
        ({"network": INTERPOLATION, "megapixels": float("nan")}, "megapixels above 0, got nan"),
        ({"network": INTERPOLATION, "width": 4}, "more pixels than the picture's 4 x 4"),
        ({"network": INTERPOLATION, "height": 65}, "at most 16 times as large, got 16.25 times"),
        ({"scale": 0.5}, "a scale above 1, got 0.5. perceptualloss.resize"),
        ({"network": INTERPOLATION, "perception": 0.5}, "a network or perception"),
        ({"network": "none.safetensors"}, "no file at"),
        ({"network": INTERPOLATION, "device": "gpuu"}, "a device"),
        ({"network": INTERPOLATION, "precision": "fp8"}, "precision"),
        ({"kind": "mes"}, "Did you mean 'mse'"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        upscale(torch.rand(3, 4, 4), **arguments)  # type: ignore[arg-type]
