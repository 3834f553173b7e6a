"""What a comparison found, as data and as metrics.json."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from perceptualloss.drawing.details import Photo, file_stems
from perceptualloss.errors import InputError
from perceptualloss.files import to_json, write_json
from perceptualloss.metrics.metric import Metric, format_value
from perceptualloss.studies.compare.results import Comparison, best_runs


def test_metrics_json_holds_every_number(comparison: Comparison, tmp_path: Path) -> None:
    path = write_json(asdict(comparison), tmp_path / "new" / "folder" / "metrics.json")
    read = json.loads(path.read_text(encoding="utf-8"))
    assert path.name == "metrics.json"
    assert read == to_json(asdict(comparison))
    assert [run["name"] for run in read["runs"]] == ["bilinear", "mse", "perceptual"]
    assert read["runs"][1]["scores"]["psnr"] == 29.0
    assert read["runs"][1]["history"]["psnr"][-1][0] == 500
    assert read["runs"][2]["per_photo"]["chelsea"]["perceptual_distance"] == 0.1
    assert read["metrics"][0]["higher_is_better"] is True
    assert read["missing"] == {"lpips-vgg": "Its weights are not here: put them there."}


def test_metrics_json_is_plain_and_strict(comparison: Comparison, tmp_path: Path) -> None:
    scores = {"psnr": float("inf"), "ssim": float("nan"), "a": np.float32(0.5), "b": torch.tensor(2.0)}
    odd = replace(comparison, runs=[replace(comparison.runs[0], scores=scores)])
    read = json.loads(write_json(asdict(odd), tmp_path / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert read["runs"][0]["scores"] == {"psnr": "inf", "ssim": None, "a": 0.5, "b": 2.0}


def test_the_best_run_follows_the_direction(comparison: Comparison) -> None:
    best = {metric.key: best_runs(metric, comparison.runs) for metric in comparison.metrics}
    assert best == {
        "psnr": {"mse"},
        "ssim": {"mse"},
        "perceptual_distance": {"perceptual"},
        "seconds": {"mse"},  # interpolation takes no part
    }


def test_the_best_may_be_shared_or_absent(comparison: Comparison) -> None:
    psnr, (bilinear, mse, perceptual) = comparison.metrics[0], comparison.runs
    near = replace(perceptual, scores={"psnr": 29.001})
    assert best_runs(psnr, [bilinear, mse, near]) == {"mse", "perceptual"}
    assert best_runs(psnr, [mse, near]) == set()  # as evaluate has it: where all look alike, none is better
    assert best_runs(psnr, [mse, replace(near, scores={"psnr": float("nan")})]) == set()
    assert best_runs(psnr, [mse, replace(near, scores={})]) == set()


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        (Metric("psnr", "PSNR", "dB", True, ""), 27.126, "27.13"),
        (Metric("ssimulacra2", "SSIMULACRA 2", "", True, "", digits=1), -5.06, "-5.1"),
        (Metric("ssimulacra2", "SSIMULACRA 2", "", True, "", digits=1), 0.0001, "0.0"),
        (Metric("ssim", "SSIM", "", True, ""), 0.81236, "0.8124"),
        (Metric("perceptual_distance", "d", "", False, ""), 0.0001234, "1.23e-04"),
        (Metric("seconds", "t", "s", False, ""), 7.26, "7.3"),
        (Metric("seconds", "t", "s", False, ""), 107.6, "108"),
        (Metric("ssim", "SSIM", "", True, ""), None, "\N{EN DASH}"),
    ],
)
def test_scores_get_the_digits_they_deserve(metric: Metric, value: float | None, text: str) -> None:
    assert format_value(metric, value) == text


def test_file_names_are_safe_and_different() -> None:
    picture = torch.zeros(1, 3, 2, 2)
    names = ["../a b", "a b", "A b", "", "\N{LATIN SMALL LETTER U WITH DIAERESIS}ber.jpg"]
    stems = file_stems([Photo(name, picture, {}) for name in names])
    assert len({stem.casefold() for stem in stems}) == len(names)
    assert all("/" not in stem and " " not in stem and not stem.startswith(".") and stem for stem in stems)
    assert stems[-1] == names[-1]


def test_a_photo_wants_pictures_of_one_shape() -> None:
    with pytest.raises(InputError, match=r"\(1, 3, 4, 8\) for mse beside \(1, 3, 8, 8\)"):
        Photo("rose", torch.zeros(1, 3, 8, 8), {"mse": torch.zeros(1, 3, 4, 8)})
    with pytest.raises(InputError, match="one shape"):
        Photo("rose", torch.zeros(3, 8, 8), {})
