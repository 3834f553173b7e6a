"""Finished trainings side by side, by the command line: autoencoders of both codes, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from perceptualloss import cli
from perceptualloss.errors import InputError
from perceptualloss.metrics.registry import list_metrics
from perceptualloss.studies.compare.runs import compare_runs

SMALL = ["--smoke", "--validation", 1, "--device", "cpu"]


def run(*words: object) -> int:
    return cli.main([str(word) for word in words])


@pytest.fixture(scope="module")
def runs(small_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two tiny trainings of autoencoders."""
    out = tmp_path_factory.mktemp("runs")
    for name in ("autoencoder-kl-l1", "autoencoder-fsq-perceptual"):
        small = ["--network.width", 4, "--network.detail", 2, "--photos", small_photos, "--out", out]
        assert run("train", name, *SMALL, *small) == 0
    return sorted(out.iterdir(), reverse=True)


def test_table_and_panel_have_what_was_asked_for(runs: list[Path], tmp_path: Path) -> None:
    assert run("compare", "--runs", *runs, "--out", tmp_path, "--name", "both") == 0
    folder = tmp_path / "both"
    found = json.loads((folder / "metrics.json").read_text())
    assert [one["name"] for one in found["runs"]] == ["autoencoder-kl-l1", "autoencoder-fsq-perceptual"]
    kl, fsq = (one["scores"] for one in found["runs"])
    assert (kl["bits_per_pixel"], round(fsq["bits_per_pixel"], 4)) == (1.0, 0.2495)
    wanted = {"bits_per_pixel", *list_metrics("comparison"), "seconds"} - set(found["missing"])
    assert {one["key"] for one in found["metrics"]} == wanted >= {"psnr", "ssim", "st_lpips_alex", "ssimulacra2"}
    assert [step for step, _ in found["runs"][0]["history"]["psnr"]] == [4]
    heads, _, *rows = (folder / "table.md").read_text(encoding="utf-8").splitlines()
    assert "size of the code (bits/pixel) ↓".capitalize() in heads
    assert [row.split(" | ")[1] for row in rows] == ["1.000", "**0.249**"]
    (panel,) = (folder / "panels").iterdir()
    with Image.open(panel) as picture:
        assert picture.width > 3 * 392  # both, and the input
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "each run's own" in page.replace("&#39;", "'")
    assert "was shrunk to" not in page
    assert "dashed line" not in page


def test_an_input_that_is_damaged_is_a_run_of_its_own(small_photos: Path, tmp_path: Path) -> None:
    small = ["--network.width", 4, "--network.blocks", 1, "--photos", small_photos, "--out", tmp_path]
    assert run("train", "denoise", *SMALL, *small, "--name", "one") == 0
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    comparison = compare_runs([tmp_path / "one", tmp_path / "two"], tmp_path / "both")
    assert [one.name for one in comparison.runs] == ["input", "one", "two"]
    assert "bits_per_pixel" not in {one.key for one in comparison.metrics}
    assert "The dashed line is the input" in (tmp_path / "both" / "report.html").read_text(encoding="utf-8")


def test_what_cannot_be_compared_says_why(runs: list[Path], small_photos: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two or more folders"):
        compare_runs(runs[:1], tmp_path / "new")
    with pytest.raises(InputError, match="a finished training, got no config"):
        compare_runs([*runs, tmp_path], tmp_path / "new")
    small = [SMALL[0], "--device", "cpu", "--network.width", 4, "--out", tmp_path]
    assert run("train", "autoencoder-kl-l1", *small, "--name", "other") == 0
    with pytest.raises(InputError, match="runs with the same photos"):
        compare_runs([runs[0], tmp_path / "other"], tmp_path / "new")
    assert not (tmp_path / "new").exists()
    masked = Path(shutil.copytree(runs[0], tmp_path / "masked"))
    with (masked / "config.yaml").open("a") as file:
        file.write("masks: alpha\n")
    with pytest.raises(InputError, match="runs without masks, whose targets are whole photos"):
        compare_runs([runs[1], masked], tmp_path / "new")
    assert run("compare", "--runs", *runs, "--steps", 5, "--out", tmp_path) == 2
