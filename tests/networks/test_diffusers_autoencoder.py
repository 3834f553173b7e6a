"""Autoencoders of diffusers, small random ones: opened from their folders, and written so that diffusers opens them."""

from __future__ import annotations

import inspect
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from perceptualloss.errors import InputError
from perceptualloss.networks.diffusers_autoencoder import CONFIGURATION, WEIGHTS, DiffusersAutoencoder, _settings

diffusers = pytest.importorskip("diffusers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as ``save_pretrained`` writes it."""
    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("autoencoder")
    model = diffusers.AutoencoderKL(
        block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        norm_num_groups=4,
        scaling_factor=0.25,
    )
    model.save_pretrained(place)
    return place


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_the_settings_are_those_of_diffusers() -> None:
    own, theirs = (inspect.signature(kind).parameters for kind in (_settings, diffusers.AutoencoderKL))
    assert {name: one.default for name, one in own.items()} == {name: one.default for name, one in theirs.items()}


def test_it_gives_what_diffusers_gives(folder: Path) -> None:
    network = DiffusersAutoencoder(folder).eval()
    model = diffusers.AutoencoderKL.from_pretrained(folder)
    picture = torch.rand(2, 3, 16, 20)
    with torch.no_grad():
        code = model.encode(2 * picture - 1).latent_dist.mode()
        wanted = (model.decode(code).sample + 1) / 2
    assert torch.allclose(network.encode(picture), code, atol=1e-6)  # weights lie elsewhere in memory
    assert torch.allclose(network(picture), wanted, atol=1e-6)
    assert network.bits_per_pixel == 4 * 16 / 4**2
    assert network.precisions == ("fp32", "bf16")


def test_any_size_comes_back(folder: Path) -> None:
    network, picture = DiffusersAutoencoder(folder).eval(), torch.rand(1, 3, 9, 14)
    filled = torch.nn.functional.pad(picture, (0, 2, 0, 3), mode="replicate")
    assert torch.equal(network(picture), network(filled)[..., :9, :14])


def test_the_encoder_is_frozen_and_the_decoder_is_not(folder: Path) -> None:
    network = DiffusersAutoencoder(folder)
    trained = {name.split(".")[1] for name, p in network.named_parameters() if p.requires_grad}
    frozen = {name.split(".")[1] for name, p in network.named_parameters() if not p.requires_grad}
    assert (trained, frozen) == ({"decoder", "post_quant_conv"}, {"encoder", "quant_conv"})
    network(torch.rand(1, 3, 8, 8)).mean().backward()
    assert all((p.grad is not None) == p.requires_grad for p in network.parameters())


def test_a_code_is_drawn_in_training(folder: Path) -> None:
    network, picture = DiffusersAutoencoder(folder).train(), torch.rand(1, 3, 8, 8)
    assert not torch.equal(network.encode(picture), network.encode(picture))


def test_written_it_is_the_same_for_diffusers(folder: Path, tmp_path: Path) -> None:
    place = DiffusersAutoencoder(folder).save(tmp_path / "deep" / "again", loss="mse")
    assert sorted(file.name for file in place.iterdir()) == [CONFIGURATION, WEIGHTS]
    assert (place / CONFIGURATION).read_bytes() == (folder / CONFIGURATION).read_bytes()
    model = diffusers.AutoencoderKL.from_pretrained(place)
    assert model.config.scaling_factor == 0.25
    for name, value in load_file(folder / WEIGHTS).items():
        assert torch.equal(model.state_dict()[name], value), name


def test_the_folder_of_a_pipeline_weights_in_16_bits_and_former_names(copy: Path, tmp_path: Path) -> None:
    former = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    state = {}
    for name, value in load_file(copy / WEIGHTS).items():
        present = next((part for part in former if f".{part}." in name), "")
        state[name.replace(f".{present}.", f".{former[present]}.") if present else name] = value.half()
    assert sum(".query." in name for name in state) == 4
    save_file(state, copy / WEIGHTS, {"format": "pt"})
    shutil.move(copy, tmp_path / "pipeline" / "vae")
    network = DiffusersAutoencoder(tmp_path / "pipeline")
    model = diffusers.AutoencoderKL.from_pretrained(tmp_path / "pipeline" / "vae")
    for name, value in model.state_dict().items():
        assert torch.equal(network.model.state_dict()[name], value.float()), name
        assert network.model.state_dict()[name].dtype == torch.float32


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"_class_name": "UNet2DModel"}, "of an AutoencoderKL, got 'UNet2DModel'"),
        ({"in_channels": 1}, "RGB pictures, got 1 and 3"),
        ({"auto_map": {"AutoencoderKL": "evil.Model"}}, "option of the AutoencoderKL"),
        ({"quantization_config": {}}, "option of the AutoencoderKL"),
        ({"down_block_types": "DownEncoderBlock2D"}, "down_block_types of the AutoencoderKL .* to be a list"),
        ({"down_block_types": ["os.system"] * 3}, "can be built"),
        ({"act_fn": "evil"}, "can be built"),
        ({"layers_per_block": 60_000}, "with at most"),
        ({"block_out_channels": [8, 8, 60_000]}, "with at most"),
        ({"block_out_channels": [8, 8, 16]}, "with conv_in|of shape|with at most"),
        ({"norm_num_groups": 3}, "can be built"),
    ],
)
def test_another_configuration_is_refused(changed: dict[str, Any], message: str, copy: Path) -> None:
    file = copy / CONFIGURATION
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))
    with pytest.raises(InputError, match=message):
        DiffusersAutoencoder(copy)


def test_what_is_no_autoencoder_says_why(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none in .*Nothing is downloaded"):
        DiffusersAutoencoder(tmp_path / "none")
    state = load_file(copy / WEIGHTS)
    save_file({**state, "more": torch.zeros(1)}, copy / WEIGHTS)
    with pytest.raises(InputError, match="'more', too"):
        DiffusersAutoencoder(copy)
    state["decoder.conv_out.bias"][0] = float("nan")
    save_file(state, copy / WEIGHTS)
    with pytest.raises(InputError, match=r"finite weights for decoder\.conv_out\.bias"):
        DiffusersAutoencoder(copy)
    (copy / WEIGHTS).rename(copy / "diffusion_pytorch_model.bin")
    with pytest.raises(InputError, match="pickles are not opened"):
        DiffusersAutoencoder(copy)
    (copy / WEIGHTS).touch()
    (copy / CONFIGURATION).write_text("{")
    with pytest.raises(InputError, match="in JSON"):
        DiffusersAutoencoder(copy)


def test_weights_that_are_not_finite_are_not_written(folder: Path, tmp_path: Path) -> None:
    network = DiffusersAutoencoder(folder)
    network.model.decoder.conv_out.bias.data[0] = float("inf")
    with pytest.raises(InputError, match=r"infinity in decoder\.conv_out\.bias"):
        network.save(tmp_path / "new")
    assert not (tmp_path / "new").exists()
