"""Sharing: what goes to the hub comes back bit for bit; cards say what is known; no path of the machine leaves it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from perceptualloss import cli, from_pretrained, load_network, push_to_hub, save_network
from perceptualloss.errors import InputError
from perceptualloss.networks.checkpoint import read_metadata
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.networks.sub_pixel import SubPixelUpscaler
from perceptualloss.training.recipe_file import read_recipe
from perceptualloss.training.run_folder import RECORD
from perceptualloss.training.share import write_share
from perceptualloss.training.shipped_recipes import find_recipe

EVALUATION = {
    "convention": "luminance",
    "settings": {"targets": "/home/anna/Set5"},
    "metrics": [{"key": "psnr", "higher_is_better": True}, {"key": "st_lpips", "higher_is_better": False}],
    "candidates": {
        "network": {"mean": {"psnr": {"value": 31.25}, "st_lpips": {"value": "inf"}}},
        "bicubic": {"mean": {"psnr": {"value": 28.5}, "st_lpips": {"value": 0.5}}},
    },
}


SAID = (
    "# net\n\nTrained **on squirrels**.",
    "scale=2, width=4",
    "| steps | `4` |",
    "4 files.",
    "places on the machine that trained it: photos.",
    "At the last validation of the training: ",
    "upscale photo.jpg --network hf://anna/net",
    "train hf://anna/net",
    "Which pictures these are, and their licences, the run does not record.",
)


def front(card: str) -> dict[str, Any]:
    """Return the front matter of a card."""
    matter: dict[str, Any] = yaml.safe_load(card.split("---\n")[1])
    return matter


@pytest.fixture(scope="module")
def run(small_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short training, trained by the command."""
    out = tmp_path_factory.mktemp("home")
    recipe = out / "mine.yaml"
    recipe.write_text("network: {class_path: ResidualUpscaler, init_args: {scale: 2, width: 4, blocks: 1}}\n"
                      "loss: {L1Loss: 0.5}\ndegradation: Downscale\nname: mine\n")  # fmt: skip
    words = ["--smoke", "--photos", str(small_photos), "--validation", "1", "--out", str(out), "--device", "cpu"]
    assert cli.main(["train", str(recipe), *words, "--quiet"]) == 0
    return out / "mine"


def test_a_run_goes_there_and_back(run: Path, hub: Any, tmp_path: Path) -> None:
    shared = push_to_hub(run, "anna/net", token=hub.token, licence="cc-by-4.0", text="Trained **on squirrels**.")
    commit = shared.address.removeprefix("hf://anna/net@")
    assert (shared.private, shared.url) == (True, f"{hub.url}/anna/net")
    assert shared.files == ("README.md", "network.safetensors", "recipe.yaml")
    files = hub.repositories["anna/net"].commits[commit]
    here, there = (
        load_network(run / "network.safetensors"),
        from_pretrained("anna/net", revision=commit, token=hub.token),
    )
    assert list(here.state_dict()) == list(there.state_dict())
    for mine, other in zip(here.state_dict().values(), there.state_dict().values(), strict=True):
        assert mine.numpy().tobytes() == other.numpy().tobytes()
    hub.repositories["anna/net"].private = False
    recipe = read_recipe(find_recipe(shared.address))
    assert recipe["loss"] == {"L1Loss": 0.5}
    assert not {"photos", "out"} & set(recipe)
    card = files["README.md"].decode()
    assert front(card)["license"] == "cc-by-4.0"
    for text in SAID:
        assert text in card
    assert str(run.parent) in (run / RECORD).read_text()
    assert not [name for name, data in files.items() if str(run.parent).encode() in data or b"/tmp/" in data]


def test_a_network_alone_is_unknown_but_for_itself(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write_share(SubPixelUpscaler(1, 8, 1), "anna/net", folder)
    card = (folder / "README.md").read_text()
    assert sorted(file.name for file in folder.iterdir()) == ["README.md", "network.safetensors"]
    assert "Unknown: the file does not say how it was trained." in card
    assert "Unknown: the author states none." in card
    assert "Unknown which." in card
    assert "None were measured." in card
    assert front(card)["tags"] == ["perceptual-loss", "image-restoration", "SubPixelUpscaler"]
    assert not {"license", "datasets", "metrics", "model-index"} & set(front(card))


def test_figures_stand_on_the_card(tmp_path: Path) -> None:
    (tmp_path / "measured.json").write_text(json.dumps(EVALUATION))
    network = StyleTransferNetwork(4, 1)
    write_share(network, "anna/net", tmp_path, datasets=["anna/photos"], evaluation=tmp_path / "measured.json")
    card = (tmp_path / "README.md").read_text()
    assert "| network | 31.2500 | inf |\n| bicubic | 28.5000 | 0.5000 |" in card
    assert "On `Set5` (luminance)" in card
    assert "stylize photo.jpg --network hf://anna/net" in card
    result = front(card)["model-index"][0]["results"][0]
    assert result["metrics"] == [{"type": "psnr", "name": "psnr", "value": 31.25}]
    assert front(card)["datasets"] == ["anna/photos"]


def test_notes_of_a_file_lose_their_folders(tmp_path: Path) -> None:
    notes = {"loss": "{VGG: {weights: /home/anna/my vgg/vgg16.pth}}", "steps": "5"}
    data = json.dumps({"folders": ["s3://secret/photos", "/home/anna/photos"], "files": 7})
    file = save_network(SubPixelUpscaler(2, 8, 1), tmp_path / "net.safetensors", data=data, **notes)
    write_share(file, "anna/net", tmp_path / "out")
    said = read_metadata(tmp_path / "out" / "network.safetensors")
    assert json.loads(said["data"]) == {"files": 7}
    assert "anna" not in said["loss"]
    assert "vgg16.pth" in said["loss"]
    assert "| steps | `5` |" in (tmp_path / "out" / "README.md").read_text()


def test_a_recipe_alone(hub: Any, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("network: Upscale2x\nloss: L1Loss\nphotos: /home/anna/photos\nstart_from: subpixel4x-mse\n")
    push_to_hub(recipe, "anna/recipe", private=False, token=hub.token)
    settings = read_recipe(find_recipe("hf://anna/recipe"))
    assert settings == {"network": "Upscale2x", "loss": "L1Loss", "start_from": "subpixel4x-mse"}
    card = hub.newest("anna/recipe")[1]["README.md"].decode()
    assert "without weights" in card
    assert "Left out of it are places on the machine that trained it: photos." in card


def test_what_cannot_be_shared_is_refused(run: Path, tmp_path: Path) -> None:
    refused: list[tuple[Any, dict[str, Any], str]] = [
        (tmp_path, {}, "the folder of a finished training"),
        (tmp_path / "none.safetensors", {}, "no file at"),
        (tmp_path / "none.yaml", {}, "no file"),
        (tmp_path / "model.pth", {}, "a network in safetensors, or a recipe"),
        (run, {"repository": "anna"}, "a repository such as anna/my-network|an address"),
        (run, {"licence": "Do: what\nyou want"}, "a licence such as"),
        (run, {"evaluation": run / RECORD}, "what perceptualloss evaluate --json wrote"),
    ]
    for what, options, message in refused:
        with pytest.raises(InputError, match=message):
            write_share(what, **({"repository": "anna/net", "folder": tmp_path / "out"} | options))
    two = EVALUATION | {"candidates": {name: {"mean": {}} for name in ("a", "b")}}
    (tmp_path / "two.json").write_text(json.dumps(two))
    with pytest.raises(InputError, match="an evaluation of this network alone"):
        write_share(run, "anna/net", tmp_path / "out", evaluation=tmp_path / "two.json")


def test_what_the_hub_refuses_is_a_line(hub: Any) -> None:
    network = SubPixelUpscaler(2, 8, 1)
    with pytest.raises(InputError, match="needs a token: hf auth login"):
        push_to_hub(network, "anna/net")
    with pytest.raises(InputError, match="needs a token: hf auth login"):
        push_to_hub(network, "bert/net", token=hub.token)
    commit = hub.add("anna/public")
    with pytest.raises(InputError, match=r"got a public one that is there. .*Nothing was uploaded"):
        push_to_hub(network, "anna/public", token=hub.token)
    assert hub.newest("anna/public")[0] == commit


def test_no_network_is_a_line(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")  # where nobody listens
    with pytest.raises(InputError, match=r"a connection to the hub, got none .*Nothing was shared"):
        push_to_hub(SubPixelUpscaler(2, 8, 1), "anna/net", token=hub.token)


def test_the_command(
    run: Path, hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "about.md").write_text("About *it*.")
    words = ["share", str(run), "anna/net", "--text", str(tmp_path / "about.md")]
    assert cli.main([*words, "--out", str(tmp_path / "look")]) == 0
    assert "nothing was uploaded" in capsys.readouterr().out
    assert "About *it*." in (tmp_path / "look" / "README.md").read_text()
    assert hub.asked == []
    monkeypatch.setenv("HF_TOKEN", hub.token)
    assert cli.main([*words, "--public", "--licence", "mit"]) == 0
    said = capsys.readouterr().out
    assert "public: http" in said
    assert f"hf://anna/net@{hub.newest('anna/net')[0]}" in said
    assert cli.main([*words, "--out", str(tmp_path / "look"), "--public"]) == 2
