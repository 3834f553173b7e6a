"""The measures that benchmarks/loss_network.py prints, on pictures with a known answer."""

from __future__ import annotations

import argparse
import importlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor
from torch.nn.functional import avg_pool2d
from torch.utils.tensorboard import SummaryWriter

from perceptualloss.data.distortions import STRENGTHS
from perceptualloss.pictures.images import write_image

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(scope="module", name="benchmarks")
def _benchmarks() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield patch


@pytest.fixture(name="grid")
def _grid(benchmarks: pytest.MonkeyPatch) -> ModuleType:
    return importlib.import_module("loss_network_grid")


def cosine(period: int, amplitude: float, size: int = 64) -> Tensor:
    wave = amplitude * torch.cos(2 * math.pi * torch.arange(size) / period)
    return wave.expand(1, 3, size, size).contiguous()


def grainy(size: int = 128) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return 0.5 + 0.01 * torch.randn(1, 3, size, size, generator=generator)


def test_photo_against_itself_is_one(grid: ModuleType) -> None:
    photo = grainy()
    for figures in grid.figures_of([photo], [photo]).values():
        assert figures == pytest.approx((1, 1))


@pytest.mark.parametrize("period", [2, 4, 8])
def test_energy_of_a_cosine_is_what_its_amplitude_says(grid: ModuleType, period: int) -> None:
    power = grid.spectrum(grid.windows(cosine(period, 0.1)))
    # a^2 / 4 at each of +f and -f, which fall together at a period of 2; one of four directions
    expected = (0.1**2 if period == 2 else 0.1**2 / 4) / 4
    # the plane that is taken away holds a little of the longer waves
    assert grid.energy(power, period) == pytest.approx(expected, rel=0.05)
    others = [grid.energy(power, other) for other in grid.PERIODS if other != period]
    assert max(others) < 0.01 * expected


def test_slope_has_no_energy(grid: ModuleType) -> None:
    slope = torch.linspace(0, 1, 64).expand(1, 3, 64, 64)
    power = grid.spectrum(grid.windows(slope + slope.transpose(2, 3)))
    assert power.max() < 1e-12


@pytest.mark.parametrize("period", [2, 4, 8])
def test_faint_grid_on_the_truth_stands_out_at_its_period_alone(grid: ModuleType, period: int) -> None:
    truth = grainy()
    found = grid.figures_of([truth + cosine(period, 1 / 255, 128)], [truth])
    for other, (energy, peak) in found.items():
        if other == period:
            assert energy > 1.5
            assert peak > 1.5
        else:
            assert energy == pytest.approx(1, abs=0.1)


def test_grid_on_a_smoothed_photo_shows_as_a_peak(grid: ModuleType) -> None:
    truth = grainy()
    smooth = avg_pool2d(avg_pool2d(truth, 2, stride=1, padding=1), 2, stride=1)  # [1, 2, 1] / 4
    energy, peak = grid.figures_of([smooth], [truth])[4]
    assert energy < 0.5
    assert peak < 2
    gridded, high = grid.figures_of([smooth + cosine(4, 0.25 / 255, 128)], [truth])[4]
    assert gridded < 1.1  # the loss of grain hides it from the energy
    assert high > 1.3 * peak


def test_flat_windows_are_those_that_vary_least_in_any_photo(grid: ModuleType) -> None:
    half, rough = grainy(64), 2 * grainy(64)
    half[..., :32] = 0.5 + 0.1 * half[..., :32]
    chosen, none = grid.flat([half, rough])
    assert chosen.view(2, 2)[:, 0].all()
    assert chosen.sum() == 2
    assert not none.any()


def test_pattern_of_the_controls_has_every_period(grid: ModuleType) -> None:
    power = grid.spectrum(grid.windows(grid.with_pattern(torch.full((1, 3, 32, 32), 0.5), 0.01)))
    for period in grid.PERIODS:
        one = 0.01**2 if period == 2 else 0.01**2 / 4
        assert grid.energy(power, period) == pytest.approx(one / 2, rel=0.2)  # two directions of four


def test_weights_are_named_by_their_network(benchmarks: pytest.MonkeyPatch) -> None:
    weights_file = importlib.import_module("loss_network").weights_file
    assert weights_file("judge=a/b=c.safetensors") == ("judge", "a/b=c.safetensors")
    for text in ("judge", "vgg16=file", "compact="):
        with pytest.raises(argparse.ArgumentTypeError):
            weights_file(text)


def test_curves_of_adversarial_trainings(
    benchmarks: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = importlib.import_module("adversarial")
    with SummaryWriter(str(tmp_path / "run")) as writer:
        for step in range(20):
            for name in module.CURVES:
                writer.add_scalar(name, step + 1, step)
    arguments = ["adversarial.py", "--show", str(tmp_path / "run"), "--out", str(tmp_path / "out")]
    benchmarks.setattr("sys.argv", arguments)
    module.main()
    assert "| run | critic/gap | 1.5 | 20 | 19.5 |" in capsys.readouterr().out
    assert (tmp_path / "out" / "curves.png").stat().st_size > 1000


@pytest.fixture(name="yardsticks")
def _yardsticks(benchmarks: pytest.MonkeyPatch) -> ModuleType:
    return importlib.import_module("loss_network_yardsticks")


def ranked(yardsticks: ModuleType, **candidates: float) -> dict[str, Any]:
    """Return yardsticks that agree, and candidates that are those and a share of noise."""
    generator = np.random.default_rng(0)
    truth = generator.random((4, 5, 20))
    values = {name: truth + 0.05 * generator.random(truth.shape) for name in yardsticks.YARDSTICKS}
    return values | {
        f"judge, {n}".replace("_", " "): truth + s * generator.random(truth.shape) for n, s in candidates.items()
    }


def test_correlations_of_the_same_of_the_reverse_and_of_kinds_apart(yardsticks: ModuleType) -> None:
    truth = ranked(yardsticks)["ssimulacra2"]
    for figure in (yardsticks.pooled, yardsticks.within):
        for kendall in (False, True):
            assert figure(truth**3, truth, kendall) == pytest.approx(1)
            assert figure(-truth, truth, kendall) == pytest.approx(-1)
    apart = truth + 10 * np.arange(4)[::-1].reshape(-1, 1, 1)  # right within each kind, wrong between them
    assert yardsticks.within(apart, truth + 10 * np.arange(4).reshape(-1, 1, 1)) == pytest.approx(1)
    assert yardsticks.pooled(apart, truth + 10 * np.arange(4).reshape(-1, 1, 1)) < 0


def test_correlations_are_scipys(yardsticks: ModuleType) -> None:
    first, second = np.random.default_rng(0).integers(0, 9, (2, 3, 4, 5)).astype(float)
    assert yardsticks.pooled(first, second) == pytest.approx(spearmanr(first, second, axis=None).statistic)


def test_the_networks_of_one_yardstick_count_once(yardsticks: ModuleType) -> None:
    generator = np.random.default_rng(0)
    values = {name: generator.random((4, 5, 20)) for name in yardsticks.YARDSTICKS}
    assert yardsticks.score(values["ssimulacra2"], values) == pytest.approx(0.5, abs=0.1)
    assert yardsticks.score(values["st_lpips_vgg"], values) == pytest.approx(0.25, abs=0.1)


def test_the_judge_changes_for_a_sure_lead_alone(yardsticks: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yardsticks, "DRAWS", 40)
    best, low, _ = yardsticks.choose(ranked(yardsticks, geometric_mean=2.0, mean=0.5))
    assert (best, low > 0) == ("judge, mean", True)
    values = ranked(yardsticks, geometric_mean=0.5, mean=0.5)
    best, low, high = yardsticks.choose(values)
    assert low <= 0 <= high
    values["compact, mean"] = values["ssimulacra2"]
    assert yardsticks.choose(values)[0] == best  # it trains
    assert "what ships" in yardsticks.verdict(values)
    assert "takes the place" in yardsticks.verdict(ranked(yardsticks, geometric_mean=2.0, mean=0.5))
    assert "No variant" in yardsticks.verdict(ranked(yardsticks, geometric_mean=0.1, mean=2.0))


def test_yardsticks_of_a_photo_grow_with_every_distortion(
    yardsticks: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = {name: (STRENGTHS[name][0], STRENGTHS[name][1][1::3]) for name in ("blur", "noise")}
    monkeypatch.setattr(yardsticks, "STRENGTHS", kinds)
    monkeypatch.setattr(yardsticks, "DRAWS", 5)
    yardsticks.yardsticks(None, tmp_path, size=32)
    values = json.loads((tmp_path / "yardsticks.json").read_text())["values"]
    for name, each in values.items():
        array = np.array(each)
        assert array.shape == (2, 2, 2)
        assert (array[:, 1] > array[:, 0]).all(), name
    layers = np.array([values[f"judge, {layer}"] for layer in yardsticks.LAYERS["judge"]])
    np.testing.assert_allclose(values["judge, mean"], layers.mean(0), rtol=1e-5)
    np.testing.assert_allclose(values["judge, geometric mean"], np.exp(np.log(layers).mean(0)), rtol=1e-5)
    printed = capsys.readouterr().out
    assert "within a kind, ST-LPIPS VGG" in printed
    assert "judge, geometric mean" in printed


def test_counted_costs_of_loss_networks_are_those_of_their_filters(benchmarks: pytest.MonkeyPatch) -> None:
    backbones = importlib.import_module("backbones")
    weights, products, kept, shape = backbones.cost("judge", "relu3_1")
    assert shape == "96 x 56 x 56"
    sizes = [
        (3 * 24, 49, 1),
        (24 * 48, 25, 4),
        (48 * 96, 25, 16),
    ]  # channels, filter, pixels for a place: judge_features
    assert products * 1e3 == pytest.approx(sum(channels * taps / pixels for channels, taps, pixels in sizes))
    assert weights * 1e6 == pytest.approx(sum(channels * taps for channels, taps, _ in sizes) + 24 + 48 + 96)
    assert kept > 0


def test_a_row_of_the_courses_details_ends_with_the_truth(benchmarks: pytest.MonkeyPatch) -> None:
    course = importlib.import_module("course")
    target = torch.rand(1, 3, 90, 100)
    drawn = course.row(target, 20, 10, [course.Upscale2x()])
    side = course.DETAIL * course.ZOOM
    assert drawn.shape == (1, 3, side, 3 * side)  # bicubic, the network's, the truth
    assert torch.equal(drawn[..., -side:][..., ::3, ::3], target[..., 10:82, 20:92])


def test_the_courses_pictures_say_what_is_missing(benchmarks: pytest.MonkeyPatch, tmp_path: Path) -> None:
    course = importlib.import_module("course")
    write_image(torch.rand(3, 100, 100), tmp_path / "photo.png")
    with pytest.raises(SystemExit, match=r"a run's checkpoints in .*kept, got none. Copy"):
        course.main(["--photos", str(tmp_path), "--runs", str(tmp_path), str(tmp_path)])
    with pytest.raises(SystemExit, match="a folder with pictures"):
        course.main(["--photos", str(tmp_path / "nowhere")])
