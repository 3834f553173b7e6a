"""Curves: one plot per metric with all losses in it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from PIL import Image

from perceptualloss.studies.compare.curves import (
    curve_metrics,
    describe_curves,
    draw_curves,
    plot_curves,
    run_colours,
)
from perceptualloss.studies.compare.results import Comparison


def _axes(comparison: Comparison, **options: int) -> Axes:
    (axes,) = draw_curves(comparison, comparison.metrics[0], **options).axes
    return axes


def _texts(axes: Axes) -> str:
    return " ".join([axes.get_title(loc="left"), *(text.get_text() for text in axes.texts)])


def test_every_metric_with_a_history_gets_a_picture(comparison: Comparison, tmp_path: Path) -> None:
    paths = plot_curves(comparison, tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == [
        "curves/psnr.png",
        "curves/ssim.png",
        "curves/perceptual_distance.png",
    ]
    with Image.open(paths[0]) as picture:
        assert picture.size == (1080, 780)


def test_a_plot_holds_all_losses_and_interpolation_as_a_level_line(comparison: Comparison) -> None:
    axes = _axes(comparison)
    lines = {line.get_label(): line for line in axes.lines}
    assert list(lines) == ["bilinear", "MSE", "perceptual"]
    assert set(lines["bilinear"].get_ydata()) == {26.0}
    assert lines["bilinear"].is_dashed()
    np.testing.assert_array_equal(lines["MSE"].get_xydata(), comparison.runs[1].history["psnr"])
    styles = {(lines[name].get_color(), lines[name].get_marker()) for name in ("MSE", "perceptual")}
    assert len({colour for colour, _ in styles}) == len({marker for _, marker in styles}) == 2


def test_a_plot_says_what_it_measures_and_which_way_is_better(comparison: Comparison) -> None:
    axes = _axes(comparison)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("training steps", "PSNR (dB)")
    assert "PSNR" in _texts(axes)
    assert "higher is better ↑" in _texts(axes)
    (distance,) = draw_curves(comparison, comparison.metrics[2]).axes
    assert "lower is better ↓" in _texts(distance)
    assert distance.get_ylabel() == "Perceptual distance"


def test_the_warm_up_is_shaded_as_far_as_it_went(comparison: Comparison) -> None:
    (shade,) = _axes(comparison).patches
    assert shade.get_extents().transformed(_inverse(shade)).x1 == pytest.approx(200)
    (shade,) = _axes(comparison, warm_up_steps=50).patches
    assert shade.get_extents().transformed(_inverse(shade)).x1 == pytest.approx(50)
    assert not _axes(comparison, warm_up_steps=0).patches


def _inverse(shade):  # type: ignore[no-untyped-def]
    return shade.axes.transData.inverted()


def test_an_untrained_start_does_not_squash_the_rest(comparison: Comparison) -> None:
    low = [
        replace(run, history={"psnr": [(0, 5.0), *run.history["psnr"][1:]]}) if run.trained else run
        for run in comparison.runs
    ]
    bottom, top = _axes(replace(comparison, runs=low)).get_ylim()
    assert 20 < bottom < 26
    assert 32.5 < top < 40


def test_what_is_not_finite_is_left_out(comparison: Comparison) -> None:
    broken = replace(comparison.runs[1], history={"psnr": [(50, 20.0), (0, 10.0), (100, float("nan"))]})
    axes = _axes(replace(comparison, runs=[broken]))
    assert axes.lines[0].get_xydata().tolist() == [[0, 10], [50, 20]]


def test_without_history_there_is_nothing_to_plot(comparison: Comparison, tmp_path: Path) -> None:
    still = replace(comparison, runs=comparison.runs[:1])
    assert curve_metrics(still) == []
    assert plot_curves(still, tmp_path) == []


def test_the_words_say_what_the_curves_show(comparison: Comparison) -> None:
    words = describe_curves(comparison, comparison.metrics[0])
    assert words.startswith("Plot of PSNR (dB) over training steps, higher is better: bilinear stays at 26.00; ")
    assert "MSE goes from 34.80 at step 0 to 29.04 at step 500" in words


@pytest.mark.parametrize("dark", [False, True])
def test_colours_stand_out_from_the_paper(comparison: Comparison, dark: bool) -> None:
    paper = _luminance(draw_curves(comparison, comparison.metrics[0], dark=dark).get_facecolor())
    for colour in run_colours(comparison, dark).values():
        low, high = sorted((paper, _luminance(colour)))
        assert (high + 0.05) / (low + 0.05) > 3  # WCAG's least contrast for graphics


def _luminance(colour: object) -> float:
    channels = np.asarray(to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_many_runs_still_differ(comparison: Comparison) -> None:
    runs = [replace(comparison.runs[1], name=f"loss {n}", label=f"loss number {n}") for n in range(6)]
    axes = _axes(replace(comparison, runs=runs))
    assert len({(line.get_color(), line.get_marker()) for line in axes.lines}) == 6


def test_drawing_leaves_pyplot_and_its_global_state_alone() -> None:
    code = "import sys, perceptualloss.studies.compare.curves; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
