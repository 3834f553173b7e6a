"""The recipes that ship: listed, printed, and trained by their names."""

from __future__ import annotations

from pathlib import Path

import pytest

import perceptualloss
from perceptualloss import cli
from perceptualloss.cli.recipe_options import recipe_in
from perceptualloss.errors import InputError
from perceptualloss.networks.named import load_network
from perceptualloss.training.game import Game
from perceptualloss.training.recipe_file import read_recipe
from perceptualloss.training.shipped_recipes import FOLDER, find_recipe, shipped_recipes


def run(*words: object) -> int:
    return cli.main([str(word) for word in words])


def test_they_lie_in_the_package_and_say_what_they_are() -> None:
    assert FOLDER.is_relative_to(Path(perceptualloss.__file__).parent)
    for name, recipe in shipped_recipes().items():
        assert recipe.summary[-1] in ".?", name
        assert len(recipe.summary) < 120
        assert read_recipe(recipe.file).get("name", name) == name
        assert recipe.command == ("train-loss-network" if name.startswith("loss-network") else "train")
    unmeasured = {name for name, recipe in shipped_recipes().items() if not recipe.cost}
    assert unmeasured <= {"loss-network-judge", "upscale2x-perceptual", "upscale4x-perceptual"}


@pytest.mark.parametrize("name", [name for name in shipped_recipes() if name.startswith("course-")])
def test_the_courses_recipes_have_its_settings_alone(name: str) -> None:
    """Its losses and nothing before, after or beside them that the course does not print."""
    recipe = read_recipe(FOLDER / f"{name}.yaml")
    course = {"VGG16PerceptualLoss": {"weights": "imagenet"}}
    losses = {"vgg": course, "mse": "MSELoss", "adversarial": {**course, "TotalVariationLoss": 0.01}}
    assert recipe["loss"] == losses[name.rpartition("-")[2]]
    assert not {"warm_up_steps", "ema", "gradient_clip", "start_from"} & set(recipe)
    assert recipe["network"]["init_args"] == {"zero_last": False}
    assert recipe["schedule"] == {"kind": "constant"}
    if "4x" in name:
        assert recipe["crop"] == 4 * 64
    if "adversarial" in name:
        game = Game(**recipe["adversarial"])
        assert (game.kind, game.penalty, game.fresh_fakes, game.ramp_steps) == ("wasserstein", None, True, 0)
        assert game.clip
        assert game.n_critic > 1


def test_the_list_has_each_with_its_summary_and_cost(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("recipes") == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    for recipe in shipped_recipes().values():
        at = lines.index(recipe.name)
        assert lines[at + 1 : at + 3] == [recipe.summary, f"Cost: {recipe.cost or 'not measured'}."]


def test_one_is_printed_as_it_is(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    for name, recipe in shipped_recipes().items():
        assert run("recipes", name) == 0
        assert capsys.readouterr().out == recipe.file.read_text(encoding="utf-8")
    assert run("recipes", "denois") == 2
    assert "Did you mean 'denoise'?" in capsys.readouterr().err


def test_a_name_trains(small_photos: Path, tmp_path: Path) -> None:
    words = ["--smoke", "--photos", small_photos, "--validation", 1, "--device", "cpu", "--out", tmp_path]
    assert run("train", "denoise", *words, "--network.width", 4, "--network.blocks", 1) == 0
    assert load_network(tmp_path / "denoise" / "network.safetensors").scale == 1
    assert read_recipe(tmp_path / "denoise" / "config.yaml")["degradation"]["class_path"].endswith("Noise")


def test_names_and_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = FOLDER / "style.yaml"
    for word in ("mine.yaml", "style", "styles.yaml"):
        Path(word).write_text("steps: 5\n", encoding="utf-8")
    assert find_recipe("style") == own
    assert find_recipe("./style") == Path("style")
    assert find_recipe("mine.yaml", "train") == Path("mine.yaml")
    assert find_recipe("styles.yaml") == Path("styles.yaml")
    for words in (["style"], ["--recipe", "style"], ["--recipe=style"]):
        assert recipe_in([*words, "--steps", "5"], "train") == (["--recipe", str(own), "--steps", "5"], own)
    assert recipe_in(["--steps=5"], "train") == (["--steps=5"], None)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "recipes/denoise.yaml"], "perceptualloss train denoise"),
        (["train", "--recipe", "../recipes/style.yaml"], "perceptualloss train style"),
        (
            ["train-loss-network", "recipes/loss-network-judge.yaml"],
            "perceptualloss train-loss-network loss-network-",
        ),
        (["train", "denois"], "Did you mean denoise? perceptualloss recipes lists"),
        (["train", "none.yaml"], "perceptualloss recipes lists those that ship"),
        (["train", "loss-network-judge"], "Say perceptualloss train-loss-network loss-network-judge"),
        (["train-loss-network", "denoise"], "Say perceptualloss train denoise"),
        (["train", "a" * 5000], "a recipe: a YAML file, or the name of one that ships"),
        (["train", "style", "--recipe", "denoise"], "one recipe, got style and denoise"),
        (["train"], "network in the recipe"),
        (["train-loss-network"], "architecture"),
    ],
)
def test_a_word_that_is_no_recipe_is_told_in_a_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*words) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_name_with_what_no_name_has() -> None:
    with pytest.raises(InputError, match="a recipe"):
        find_recipe("a\0b")
