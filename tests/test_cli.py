"""The command line as a user meets it."""

import inspect
import json
import re
import shutil
from pathlib import Path

import pytest
import torch

from perceptualloss import cli, training
from perceptualloss.data.degrade import Downscale
from perceptualloss.networks.named import load_network
from perceptualloss.networks.registry import NETWORKS
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.studies.loss_network import report as network_report
from perceptualloss.training.recipe import Recipe, smoke

FOLDER = Path(training.__file__).parent / "recipes"
RECIPES = sorted(file for file in FOLDER.glob("*.yaml") if not file.stem.startswith("loss-network"))
WITH_WIDTH = [name for name, kind in NETWORKS.items() if "width" in inspect.signature(kind).parameters]
SMALL = ["--crop", "16", "--batch-size", "2", "--validation", "1", "--device", "cpu"]


def run(*words: object) -> int:
    return cli.main([str(word) for word in words])


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_trains(recipe: Path, small_photos: Path, tmp_path: Path) -> None:
    words: list[object] = ["--smoke", "--photos", small_photos, "--validation", 1, "--device", "cpu", "--out", tmp_path]
    text = recipe.read_text(encoding="utf-8")
    if "inputs:" in text:
        words += ["--inputs", small_photos]
    if "VGG16PerceptualLoss" in text:  # whose weights need a download
        words += ["--loss.VGG16PerceptualLoss", "{weights: null, resize: [32, 32]}"]
    elif "vgg16" in text:
        loss = "PerceptualLoss" if "PerceptualLoss" in text else "FeatureReconstructionLoss"
        words += [f"--loss.{loss}.network", "compact"]
    if "StyleTransferNetwork" in text:
        pictures = sorted(small_photos.iterdir())
        words += ["--style", small_photos if "styles: 4" in text else pictures[0], "--style-size", 64]
    if "autoencoder:" in text:  # with one of diffusers: tests/training/test_diffusers_decoder.py
        return
    if narrow := re.search(rf"(network|class_path): ({'|'.join(WITH_WIDTH)})\n", text):
        words += ["--network.init_args.width", 4]
    if "adversarial:" not in text:  # critics want smoke's 48 pixels
        words += ["--crop", 32 if narrow else 16]
    if "critic:" in text:  # the wide ones take seconds
        words += ["--critic.init_args.width", 4]
    if "ProjectedCritic" in text:
        words += ["--critic.init_args.network", "compact"]
    assert run("train", recipe, *words) == 0
    network = load_network(tmp_path / recipe.stem / "network.safetensors")
    scales = re.findall(r"\d(?=x-)|(?<=-x)\d", recipe.stem)
    assert network.scale == int(scales[0] if scales else 1)
    assert torch.isfinite(network(torch.rand(1, 3, 8, 8))).all()


def test_recipes_were_found() -> None:
    assert len(RECIPES) >= 20


def test_a_smoke_run_is_small_and_starts_afresh() -> None:
    network = ResidualUpscaler(4, width=4, blocks=1)
    recipe = Recipe(network, "L1Loss", Downscale(4), crop=98, steps=9999, start_from=Path("none.safetensors"))
    small = smoke(recipe)
    assert (small.steps, small.crop, small.batch_size, small.start_from) == (4, 48, 2, None)
    assert small.network is network


def test_settings_are_overridden_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    recipe = next(path for path in RECIPES if path.stem == "upscale2x-perceptual")
    with pytest.raises(SystemExit):
        run(
            "train",
            recipe,
            "--loss.L1Loss=7",
            "--loss.FeatureReconstructionLoss.distance",
            "l1",
            "--crop=32",
            "--print-config",
        )
    shown = capsys.readouterr().out
    assert re.search(r"L1Loss: 7", shown)
    assert re.search(r"distance: l1", shown)
    assert re.search(r"relu3_3: 4.0", shown)  # what is not named stays
    assert re.search(r"crop: 32", shown)


def test_compare_prints_a_table_and_where_the_report_is(
    small_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--photos", small_photos, "--steps", 2, "--warm-up-steps", 1, "--losses", "mse", "l1", "--out", tmp_path]
    assert run("compare", *words, *SMALL) == 0
    shown = capsys.readouterr().out
    for word in ("bilinear", "MSE", "L1", "PSNR", "report.html"):
        assert word in shown
    assert (tmp_path / "upscale2x" / "report.html").is_file()


@pytest.mark.parametrize("labelled", [False, True], ids=["photos", "classes"])
def test_train_loss_network_ends_with_a_report(
    labelled: bool,
    small_photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(network_report, "SIZE", 32)  # of the built-in photos
    monkeypatch.setattr(network_report, "DRAWS", 1)
    blank = {"size": (1, 1), "light": "data:,", "dark": "data:,"}  # 28 plots, which test_network_report looks at
    monkeypatch.setattr(network_report, "themed", lambda draw, alt: {"alt": alt, **blank})
    source = ["--photos", small_photos, "--validation", 2]
    if labelled:
        for file in small_photos.iterdir():
            for n in range(2):
                (tmp_path / "classes" / file.stem).mkdir(parents=True, exist_ok=True)
                shutil.copy(file, tmp_path / "classes" / file.stem / f"{n}.png")
        source = ["--classes", tmp_path / "classes"]
    words = ["--architecture", "judge", "--out", tmp_path / "mine.safetensors", "--folder", tmp_path / "run", *source]
    assert run("train-loss-network", *words, "--steps", 2, "--batch-size", 4, "--crop", 16, "--device", "cpu") == 0
    shown = capsys.readouterr().out
    for text in ("mine.safetensors", "Measuring random network", "Any photos", "of the pairs", "report.html"):
        assert text in shown
    page = (tmp_path / "run" / "report" / "report.html").read_text(encoding="utf-8")
    assert "perceptualloss train-loss-network --architecture judge" in page
    assert "--progress" not in page
    assert ("astronaut" in page) == labelled  # the built-in photos
    assert json.loads((tmp_path / "run" / "report" / "metrics.json").read_text())["verdict"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["compare", "--photos", "{empty}"], "picture"),
        (["compare", "--photos", "{photos}", "--crop", "600"], "crop"),
        (["compare", "--losses", "mes"], "Did you mean 'mse'"),
        (["compare", "--loss-network", "vgg"], "network to be one of"),
        (["compare", "--resume", "{empty}"], "interrupted comparison"),
        (["train", "none.yaml"], "a recipe"),
        (["train", "{recipes}/style.yaml"], "the picture of a style, got none. Name one: --style picture.jpg."),
        (
            ["train", "{recipes}/denoise.yaml", "--adversarial.clip", "1", "--adversarial.penalty", "1"],
            "clip or penalty",
        ),
    ],
)
def test_bad_input_is_one_line_and_a_failing_exit(
    words: list[str], message: str, small_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"empty": tmp_path / "empty", "photos": small_photos, "recipes": FOLDER}
    code = 2 if words[0] == "train" else 1  # a recipe is options
    out = ["--out", tmp_path] if len(words) > 2 and "--resume" not in words else []
    assert run(*[word.format(**places) for word in words], *out) == code
    shown = capsys.readouterr().err
    said = [line for line in shown.splitlines() if not line.startswith("warning: ")]  # of photos that are too small
    assert len(said) == 1
    assert said[0].startswith("error: ")
    assert message in said[0]


def test_help_is_readable(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--help"], ["compare", "--help"], ["train", "--help"]):
        with pytest.raises(SystemExit) as stop:
            run(*words)
        assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert "how many steps the optimiser takes (default: 10000)" in shown
    assert "--warm-up-steps" in shown
    assert not re.search(r"--\w+_|``|:\w+:`|0x[0-9a-f]{6}|<class|type: |null", shown)


def test_sizes_of_a_loss_network_need_not_be_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--architecture", "judge", "--photos", tmp_path / "none", "--out", tmp_path / "mine.safetensors"]
    assert run("train-loss-network", *words) == 1  # for want of photos
    assert "none" in capsys.readouterr().err
    assert run("train-loss-network", *words, "--crop", 8192) == 2
    assert "pixels in a batch" in capsys.readouterr().err
