from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from perceptualloss.data.damage import Noise
from perceptualloss.data.degrade import Downscale
from perceptualloss.errors import InputError
from perceptualloss.losses.settings import loss_from_settings
from perceptualloss.losses.style_objective import saved_objective, saved_styles
from perceptualloss.networks.checkpoint import read_metadata, save_network
from perceptualloss.networks.course import Critic
from perceptualloss.networks.named import load_network
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.networks.sub_pixel import SubPixelUpscaler
from perceptualloss.pictures.images import read_image
from perceptualloss.training.checkpoints import checkpoint_files
from perceptualloss.training.game import Game
from perceptualloss.training.recipe import Recipe, whole_places
from perceptualloss.training.schedule import Schedule
from perceptualloss.training.train import train

WRITTEN = {
    "MSELoss": {},
    "L1Loss": {"input_range": [-1, 1]},
    "CharbonnierLoss": {"epsilon": 0.01},
    "TotalVariationLoss": {"kind": "power", "exponent": 1.5, "pixels": "sum"},
    "EdgeLoss": {"threshold": 0.2, "mask": "hard", "distance": "mse"},
    "AngularColorLoss": {"input_range": "imagenet"},
    "BlurredColorLoss": {"kernel_size": 9, "sigma": 2.0},
    "LatticeLoss": {"threshold": 4.0, "size": 16},
    "SSIMLoss": {"input_range": [0, 255]},
    "MSSSIMLoss": {"weights": [0.4, 0.6]},
}


@pytest.mark.parametrize("name", WRITTEN)
def test_losses_are_written_in_a_recipe_as_in_python(name: str) -> None:
    loss = loss_from_settings({"class_path": name, "init_args": WRITTEN[name]})
    assert type(loss).__name__ == name
    for setting, value in WRITTEN[name].items():
        own = getattr(loss, setting)
        assert (list(own) if isinstance(value, list) else own) == value


def test_a_weighted_sum_of_them() -> None:
    losses = {"pixels": "CharbonnierLoss", "structure": "SSIMLoss", "smooth": "TotalVariationLoss"}
    loss = loss_from_settings(
        {"class_path": "WeightedLoss", "init_args": {"losses": losses, "weights": {"smooth": 0.1}}}
    )
    terms = loss.terms(torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16))
    assert list(terms) == list(losses)


def small(photos: Path, **settings: Any) -> Recipe:
    torch.manual_seed(0)
    network = ResidualUpscaler(1, width=4, blocks=1)
    usual: dict[str, Any] = {"photos": photos, "validation": 1, "crop": 40, "batch_size": 2, "steps": 3}
    usual |= {"device": "cpu", "precision": "fp32", "degradation": Noise((0.1, 0.1)), "loss": "L1Loss"}
    return Recipe(network, **(usual | settings))


def test_the_average_is_what_is_saved(small_photos: Path, tmp_path: Path) -> None:
    scores = train(small(small_photos, ema=0.9), tmp_path)
    saved = load_network(tmp_path / "network.safetensors").state_dict()
    state = torch.load(checkpoint_files(tmp_path)[0], weights_only=True)["state_dict"]
    assert all(torch.equal(value, state[f"average.module.{name}"]) for name, value in saved.items())
    assert not torch.equal(saved["last.weight"], state["network.last.weight"])
    assert scores["psnr"] > 10


def test_what_is_saved_is_the_fused_form_of_what_is_trained(small_photos: Path, tmp_path: Path) -> None:
    network = SubPixelUpscaler(2, width=4, blocks=1, expand=2)
    recipe = small(small_photos, degradation=Downscale(2))
    train(replace(recipe, network=network), tmp_path)
    saved, x = load_network(tmp_path / "network.safetensors"), torch.rand(1, 3, 6, 5)
    assert isinstance(saved, SubPixelUpscaler)
    assert saved.expand == 0
    assert not any("middle" in name for name in saved.state_dict())
    torch.testing.assert_close(saved(x), network(x), rtol=1e-5, atol=1e-5)


def test_a_run_at_a_constant_rate_is_finished_by_falls_of_its_own(small_photos: Path, tmp_path: Path) -> None:
    constant, falls = Schedule("constant"), Schedule("steps", at=(4, 5), factor=0.5)
    train(small(small_photos, schedule=constant), tmp_path / "a")
    train(small(small_photos, steps=6, schedule=falls), tmp_path / "a", resume=True)
    train(small(small_photos, steps=6, schedule=falls), tmp_path / "b")
    finished, whole = (load_network(tmp_path / f"{x}/network.safetensors").state_dict() for x in "ab")
    assert all(torch.equal(value, whole[name]) for name, value in finished.items())


def test_an_adversarial_recipe_resumes_exactly(small_photos: Path, tmp_path: Path) -> None:
    def recipe(steps: int) -> Recipe:
        torch.manual_seed(0)
        game = Game(penalty=10, weight=0.1)
        options = {"adversarial": game, "schedule": Schedule("constant"), "ema": 0.9, "freeze": ("first",)}
        return small(small_photos, critic=Critic(width=2), steps=steps, **options)

    train(recipe(4), tmp_path / "whole")
    train(recipe(2), tmp_path / "cut")
    train(recipe(4), tmp_path / "cut", resume=True)
    whole, cut = (load_network(tmp_path / name / "network.safetensors").state_dict() for name in ("whole", "cut"))
    assert all(torch.equal(value, cut[name]) for name, value in whole.items())
    assert torch.equal(whole["first.weight"], recipe(1).network.state_dict()["first.weight"])


def test_a_start_from_another_network(small_photos: Path, tmp_path: Path) -> None:
    other = ResidualUpscaler(1, width=4, blocks=1)
    torch.nn.init.constant_(other.last.bias, 0.125)
    file = save_network(other, tmp_path / "start.safetensors")
    recipe = small(small_photos, start_from=file, freeze=("last",), steps=1)
    train(recipe, tmp_path / "run")
    assert torch.equal(
        load_network(tmp_path / "run" / "network.safetensors").state_dict()["last.bias"], other.last.bias
    )


def test_a_start_from_a_network_of_another_scale(
    small_photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = SubPixelUpscaler(4, width=8, blocks=1, detail=4)
    file = save_network(other, tmp_path / "start.safetensors")
    network = SubPixelUpscaler(2, width=8, blocks=1)
    options = {"degradation": Downscale(2), "start_from": file, "freeze": ("body",), "steps": 1}
    train(replace(small(small_photos, **options), network=network), tmp_path / "run")
    assert "start_from gives 9 of 10 weights; these begin anew: last.weight" in caplog.text
    ours = load_network(tmp_path / "run" / "network.safetensors").state_dict()
    assert torch.equal(ours["body.1.weight"], other.state_dict()["body.1.weight"])
    wide = SubPixelUpscaler(2, width=9, blocks=1)
    with pytest.raises(InputError, match="1 of 10 weights fit"):
        train(replace(small(small_photos, **options), network=wide), tmp_path / "wide")


def test_pairs_of_folders_train(small_photos: Path, tmp_path: Path) -> None:
    assert train(small(small_photos, degradation=None, inputs=small_photos), tmp_path)["mse"] < 0.1


def test_where_inputs_come_from_is_said_once(small_photos: Path, tmp_path: Path) -> None:
    recipe = small(small_photos)
    for settings, message in (
        ({"degradation": None}, "a degradation, or the folders"),
        ({"inputs": small_photos}, "a degradation, or the folders"),
        ({"degradation": None, "inputs": small_photos, "photos": None}, "a degradation, or the folders"),
        ({"degradation": Downscale(2)}, "a degradation of scale 1"),
        ({"freeze": ("lost",)}, "Did you mean 'last'"),
        ({"style": small_photos}, "a style without degradation"),
        ({"degradation": None, "style": small_photos, "adversarial": Game()}, "a style without adversarial"),
        ({"degradation": None, "loss": "johnson_style"}, "the picture of a style, got none"),
        ({"degradation": None, "inputs": small_photos, "shorter_side": 32}, "a shorter_side without inputs"),
        ({"shorter_side": 32}, "a shorter side from 40 pixels, the crop"),
    ):
        with pytest.raises(InputError, match=message):
            train(replace(recipe, **settings), tmp_path / "none")


STYLED: dict[str, Any] = {"PerceptualLoss": {"network": "compact", "layers": ["relu1_2"], "style_layers": ["relu1_2"]}}


def test_a_style_is_trained_and_its_objective_saved(small_photos: Path, tmp_path: Path) -> None:
    styles = sorted(small_photos.iterdir())
    settings = {"degradation": None, "loss": STYLED, "style_size": 32, "style_strength": 2.0}
    scores = train(small(small_photos, style=styles[0], **settings), tmp_path / "one")
    metadata = read_metadata(tmp_path / "one" / "network.safetensors")
    assert saved_styles(metadata) == [styles[0].stem]
    photo = read_image(styles[-1])  # the validation photo
    with torch.no_grad():
        output = load_network(tmp_path / "one" / "network.safetensors")(photo)
        assert float(saved_objective(metadata, styles[0])(output, photo)) == pytest.approx(
            scores["objective"], rel=1e-4
        )

    for name, style in (("folder", small_photos), ("list", styles)):
        network = StyleTransferNetwork(4, blocks=1, styles=4)
        train(replace(small(small_photos, style=style, **settings), network=network), tmp_path / name)
        assert saved_styles(read_metadata(tmp_path / name / "network.safetensors")) == [file.stem for file in styles]
    with pytest.raises(InputError, match=r"as many style pictures .* got 4"):
        train(small(small_photos, style=small_photos, **settings), tmp_path / "none")


def test_paths_are_noted_whole_and_words_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "style.png").touch()
    shards = small(Path("shards/{00..09}.tar"), masks="alpha", start_from=Path("compact"), style=[Path("style.png")])
    whole = {"photos": f"{tmp_path}/shards/{{00..09}}.tar", "style": [f"{tmp_path}/style.png"]}
    words = {"masks": "alpha", "start_from": "compact", "inputs": None, "autoencoder": None}
    assert whole_places(shards) == whole | words
    assert whole_places(replace(shards, photos="s3://a/b.tar"))["photos"] == "s3://a/b.tar"
