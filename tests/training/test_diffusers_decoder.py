"""The decoder of an autoencoder of diffusers, trained on by the command line, and opened by diffusers again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from perceptualloss import cli
from perceptualloss.errors import InputError
from perceptualloss.networks.checkpoint import read_metadata
from perceptualloss.networks.diffusers_autoencoder import WEIGHTS, DiffusersAutoencoder
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.training.checkpoints import newest_checkpoint
from perceptualloss.training.recipe import Recipe
from perceptualloss.training.recipe_checks import check_recipe
from perceptualloss.training.recipe_settings import build_recipe

diffusers = pytest.importorskip("diffusers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained autoencoder with cells of two pixels."""
    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("autoencoder")
    types = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    diffusers.AutoencoderKL(block_out_channels=(8, 8), norm_num_groups=4, **types).save_pretrained(place)
    return place


def run(*words: object) -> int:
    return cli.main(["train", *(str(word) for word in words)])


@pytest.fixture(scope="module")
def trained(folder: Path, small_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of three steps, in bf16 where the processor computes in it."""
    out = tmp_path_factory.mktemp("runs")
    small = ["--crop", 24, "--batch-size", 2, "--validation", 1, "--device", "cpu"]
    words = [
        "autoencoder-decoder",
        "--autoencoder",
        os.path.relpath(folder),
        "--photos",
        small_photos,
        "--out",
        out,
        *small,
    ]
    assert run(*words, "--steps", 3, "--ema", 0.9, "--checkpoint-every", 2, "--name", "whole") == 0
    assert run(*words, "--steps", 2, "--ema", 0.9, "--name", "parts") == 0
    assert run("--resume", out / "parts", "--steps", 3) == 0
    return out


def test_diffusers_opens_it_and_gives_the_same_pictures(trained: Path) -> None:
    place = trained / "whole" / "autoencoder"
    model = diffusers.AutoencoderKL.from_pretrained(place)
    picture = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        wanted = (model(2 * picture - 1).sample + 1) / 2
    assert torch.allclose(DiffusersAutoencoder(place).eval()(picture), wanted, atol=1e-6)
    assert not (trained / "whole" / "network.safetensors").exists()
    assert "L1Loss" in read_metadata(place / WEIGHTS)["loss"]


def test_the_encoder_keeps_its_bits_and_the_decoder_is_the_average(trained: Path, folder: Path) -> None:
    before, after = load_file(folder / WEIGHTS), load_file(trained / "whole" / "autoencoder" / WEIGHTS)
    checkpoint = newest_checkpoint(trained / "whole")
    assert checkpoint is not None
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    for name, value in before.items():
        if name.startswith(("encoder.", "quant_conv.")):
            assert torch.equal(after[name], value), name
        else:
            assert not torch.equal(after[name], value), name
        assert torch.equal(after[name], state[f"average.module.model.{name}"]), name
    last = "decoder.conv_out.weight"
    assert not torch.equal(after[last], state[f"network.model.{last}"])


def test_resuming_ends_in_the_same_bits(trained: Path) -> None:
    whole, parts = (load_file(trained / name / "autoencoder" / WEIGHTS) for name in ("whole", "parts"))
    assert all(torch.equal(parts[name], value) for name, value in whole.items())


def test_what_does_not_go_together_says_why(folder: Path) -> None:
    settings = {"loss": "L1Loss", "degradation": "Unchanged", "autoencoder": str(folder)}
    with pytest.raises(InputError, match="a network or an autoencoder, got both"):
        build_recipe({**settings, "network": "Autoencoder"})
    with pytest.raises(InputError, match="no start_from for an autoencoder"):
        build_recipe({**settings, "start_from": "subpixel4x-mse"})
    with pytest.raises(InputError, match="a network or an autoencoder, got both"):
        check_recipe(Recipe(ResidualUpscaler(1, width=4, blocks=1), "L1Loss", autoencoder=folder))


def test_against_a_critic_under_a_balance(folder: Path, small_photos: Path, tmp_path: Path) -> None:
    shares = "{l1: 1.0, adversarial: 0.5}"
    words = ["autoencoder-decoder", "--autoencoder", folder, "--photos", small_photos, "--out", tmp_path, "--smoke"]
    words += ["--loss", "L1Loss", "--adversarial.kind", "hinge", "--critic", "PatchCritic", "--critic.width", 4]
    words += ["--balance.shares", shares, "--balance.of", "model.decoder.conv_out", "--device", "cpu"]
    assert run(*words, "--validation", 1) == 0
    before, after = (load_file(place / WEIGHTS) for place in (folder, tmp_path / "autoencoder-decoder" / "autoencoder"))
    assert all(torch.equal(after[name], before[name]) == name.startswith(("encoder", "quant")) for name in before)
