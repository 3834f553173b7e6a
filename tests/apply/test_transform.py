from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import perceptualloss
from perceptualloss.apply.restore import FAULTS, restore, restorer
from perceptualloss.apply.stylist import InStyle
from perceptualloss.apply.transform import transform
from perceptualloss.errors import InputError
from perceptualloss.networks import named as shipped
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.named import list_networks, load_network, shipped_restorers
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.networks.sub_pixel import SubPixelUpscaler
from perceptualloss.pictures.images import open_picture, write_image
from perceptualloss.pictures.resize import resize


def changing(scale: int = 1) -> SubPixelUpscaler:
    """A network that changes something, each channel in its own way."""
    network = SubPixelUpscaler(scale, width=4, blocks=1, reduce=3 - min(scale, 2))
    nn.init.normal_(network.last.weight, std=0.1)
    return network.eval()


@pytest.fixture
def restorers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, SubPixelUpscaler]:
    """Two networks that ship for restoring, and none for blur."""
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "trained")
    networks = {name: changing() for name in ("denoise", "dejpeg")}
    for name, network in networks.items():
        save_network(network, tmp_path / "trained" / f"restore-{name}.safetensors")
    return networks


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_a_network_of_any_scale_and_strength_for_every_kind_of_picture(scale: int, tmp_path: Path) -> None:
    network, image = changing(scale), torch.randint(0, 256, (3, 9, 7)) / 255
    wanted = network(image[None])[0].clamp(0, 1).detach()
    array = (255 * image).round().byte().permute(1, 2, 0).numpy()
    file = save_network(network, tmp_path / "network.safetensors")
    write_image(image, tmp_path / "a.png")
    torch.testing.assert_close(transform(image, network), wanted)
    torch.testing.assert_close(transform(image[None], str(file))[0], wanted)
    for like in (array, Image.fromarray(array), tmp_path / "a.png"):
        found = transform(like, network)  # type: ignore[call-overload]
        np.testing.assert_allclose(np.asarray(found), 255 * wanted.permute(1, 2, 0).numpy(), atol=0.51)
    plain = resize(image[None], scale)[0].clamp(0, 1)
    torch.testing.assert_close(transform(image, network, strength=0.25), 0.75 * plain + 0.25 * wanted)
    torch.testing.assert_close(transform(image, network, strength=0), plain)
    torch.testing.assert_close(transform(image, nn.Identity()), image)  # a plain module has scale 1
    assert perceptualloss.transform is transform
    assert perceptualloss.restore is restore


def test_grey_stays_grey_unless_the_network_colours() -> None:
    grey, network = torch.rand(1, 20, 20), changing()
    own = network(grey[None].expand(-1, 3, -1, -1)).clamp(0, 1)[0].detach()
    assert transform(grey, network).shape == (1, 20, 20)
    torch.testing.assert_close(transform(grey, network, color=True), own)
    style = StyleTransferNetwork(4, blocks=1, styles=2)
    for painter in (style, InStyle(style, [0.5, 0.5])):
        assert transform(grey, painter).shape == (3, 20, 20)


def test_transparency_and_16_bits_in_files(tmp_path: Path) -> None:
    write_image(torch.rand(3, 9, 8), tmp_path / "deep.png", bits=16, alpha=(alpha := torch.rand(1, 9, 8).round()))
    perceptualloss.apply.transform.transformer(changing()).file(tmp_path / "deep.png", tmp_path / "out.png")
    found = open_picture(tmp_path / "out.png")
    assert found.bits == 16
    assert found.alpha is not None
    assert torch.equal(found.alpha[0], alpha)


def test_restorers_by_fault_and_by_name_alone_and_in_turn(restorers: dict[str, SubPixelUpscaler]) -> None:
    image = torch.rand(3, 12, 10)
    denoise, dejpeg = (network(image[None])[0].clamp(0, 1).detach() for network in restorers.values())
    for word in ("noise", "denoise", "restore-denoise", ["noise"]):
        torch.testing.assert_close(restore(image, word), denoise)
    torch.testing.assert_close(restore(image, "jpeg", strength=0.5), (image + dejpeg) / 2)
    torch.testing.assert_close(restore(image, ["jpeg", "noise"]), restorers["denoise"](dejpeg[None])[0].clamp(0, 1))
    kinds = {card.name: (card.kind, card.scale) for card in list_networks()}
    assert kinds == {"restore-dejpeg": ("restore", 1), "restore-denoise": ("restore", 1)}
    torch.testing.assert_close(transform(image, "dejpeg"), dejpeg)


@pytest.mark.parametrize(
    ("of", "message"),
    [
        ("nois", r"one of noise, jpeg, blur, denoise.*Did you mean 'noise'\?.*transform --network"),
        ("blur", "a network restore-deblur in this installation, got restore-dejpeg, restore-denoise. Train one"),
        ([], "what to take away: noise, jpeg or blur, got nothing"),
    ],
)
def test_what_cannot_be_restored_is_said(of: str, message: str, restorers: dict[str, SubPixelUpscaler]) -> None:
    with pytest.raises(InputError, match=message):
        restorer(of)
    with pytest.raises(InputError, match="strength from 0 to 1"):
        restore(torch.rand(3, 4, 4), "noise", strength=1.5)
    for name in restorers:
        (shipped.FOLDER / f"restore-{name}.safetensors").unlink()
    with pytest.raises(InputError, match="none that restores"):
        restorer("noise")


def test_those_that_really_ship_restore() -> None:
    for name in shipped_restorers():
        assert load_network(name).scale == 1
        image = torch.linspace(0.2, 0.8, 33).view(1, 1, 33).expand(3, 31, 33)
        assert restore(image, name).sub(image).abs().mean() < 0.05  # a clean slope stays what it is
    assert {FAULTS.get(name, name) for name in FAULTS} == {"denoise", "dejpeg", "deblur"}


def test_onnxruntime_gives_the_same(restorers: dict[str, SubPixelUpscaler], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(shipped.FOLDER / "hub"))
    image = torch.rand(3, 13, 11)
    found = restore(image, ["jpeg", "noise"], backend="onnx")
    torch.testing.assert_close(found, restore(image, ["jpeg", "noise"]), atol=1e-3, rtol=0)
    found = transform(image, "denoise", backend="onnx", strength=0.5)
    torch.testing.assert_close(found, transform(image, "denoise", strength=0.5), atol=1e-3, rtol=0)
