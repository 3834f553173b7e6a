"""Measures by name: against scikit-image on the same arrays, and against the functions they stand for."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from perceptualloss import cli
from perceptualloss.cli.evaluate import build_parser
from perceptualloss.data.folder import builtin_photos
from perceptualloss.errors import InputError
from perceptualloss.features.architectures import ARCHITECTURES, alexnet_features
from perceptualloss.losses.lpips import LPIPS
from perceptualloss.metrics import registry, ssimulacra2, st_lpips
from perceptualloss.metrics.embedded import perceptual_distance
from perceptualloss.metrics.metric import telling
from perceptualloss.metrics.protocol import Convention, protocol
from perceptualloss.metrics.registry import at_hand, curves, list_metrics, metric, metric_function, register_metric
from perceptualloss.metrics.report import measure
from perceptualloss.metrics.ssim import ms_ssim
from perceptualloss.pictures.images import read_image
from perceptualloss.studies.evaluate.evaluate import evaluate

OUTSIDE = list_metrics("yardsticks")


def photo_pair() -> tuple[Tensor, Tensor]:
    """A photo and a noisy copy, both of 8 bits."""
    target = read_image(builtin_photos("validation")[0])[:, :, 40:240, 60:250]
    output = (target + 0.05 * torch.randn_like(target)).clamp(0, 1)
    return (output * 255).round() / 255, target


def whole(images: Tensor) -> NDArray[np.uint8]:
    return (images[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def matlab_luminance(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """MATLAB's rgb2ycbcr of 8-bit pictures."""
    weights = np.array([65.481, 128.553, 24.966]) / 255
    return np.round(16 + pixels.astype(np.float64) @ weights).astype(np.uint8)


def similarity(output: NDArray[np.uint8], target: NDArray[np.uint8]) -> float:
    axis = {"channel_axis": 2} if output.ndim == 3 else {}
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    return float(structural_similarity(output, target, **options, **axis))


def test_rgb_equals_scikit_image() -> None:
    output, target = photo_pair()
    arrays = whole(output), whole(target)
    convention = protocol("rgb")
    decibels = metric_function("psnr")(output, target, convention).item()
    assert decibels == pytest.approx(peak_signal_noise_ratio(arrays[1], arrays[0]), abs=1e-6)
    assert metric_function("ssim")(output, target, convention).item() == pytest.approx(similarity(*arrays), abs=1e-6)


def test_sr_equals_scikit_image_on_matlabs_luminance() -> None:
    output, target = photo_pair()
    inside = (slice(3, -3), slice(3, -3))
    arrays = matlab_luminance(whole(output))[inside], matlab_luminance(whole(target))[inside]
    convention = protocol("sr", 3)
    decibels = metric_function("psnr")(output, target, convention).item()
    assert decibels == pytest.approx(peak_signal_noise_ratio(arrays[1], arrays[0], data_range=255), abs=1e-6)
    assert metric_function("ssim")(output, target, convention).item() == pytest.approx(similarity(*arrays), abs=1e-6)


def test_course_is_20_log_max_over_root_of_mse() -> None:
    output, target = photo_pair()
    convention = protocol("course")
    mse = ((output.double() - target.double()) ** 2).mean().item()
    assert metric_function("mse")(output, target, convention).item() == pytest.approx(mse, rel=1e-9)
    for most in (1.0, 2.0, 255.0):
        decibels = metric_function(f"psnr:max={most:g}")(output, target, convention).item()
        assert decibels == pytest.approx(20 * math.log10(most / math.sqrt(mse)), abs=1e-9)


def test_parameters() -> None:
    output, target = photo_pair()
    rgb, y = protocol("rgb"), Convention(y_channel=True)
    assert metric_function("psnr:channel=y")(output, target, rgb) == metric_function("psnr")(output, target, y)
    assert metric_function("ssim:channel=rgb")(output, target, y) == metric_function("ssim")(output, target, rgb)
    assert metric_function("psnr:channel=y").metric.label == "PSNR Y"
    assert metric_function("psnr:max=2,channel=rgb").metric.label == "PSNR with MAX 2, RGB"
    exact = Convention(eight_bits=False)
    torch.testing.assert_close(metric_function("ms_ssim")(output, target, exact).float(), ms_ssim(output, target))
    assert metric_function("ms_ssim:scales=2")(output, target, exact) != metric_function("ms_ssim")(
        output, target, exact
    )


def test_networks_see_rgb_inside_the_border() -> None:
    output, target = photo_pair()
    inside = (..., slice(4, -4), slice(4, -4))
    distances = metric_function("perceptual_distance")(output, target, protocol("sr", 4))
    torch.testing.assert_close(distances, perceptual_distance(output[inside], target[inside]))


def test_lpips_is_the_loss_of_that_name(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    save_file(ARCHITECTURES["squeezenet"]().state_dict(), file)
    output, target = photo_pair()
    distances = metric_function(f"lpips-squeeze:weights={file}")(output, target, Convention())
    torch.testing.assert_close(distances, LPIPS("squeeze", weights=file).per_image(output, target)["lpips"].detach())


def test_structure_texture_forgives_texture_that_lies_elsewhere() -> None:
    measure = metric_function("structure_texture")
    texture = torch.rand(1, 3, 64, 64)
    smooth = torch.full_like(texture, 0.5)
    convention = Convention()
    assert measure(texture, texture, convention).item() == pytest.approx(0, abs=1e-6)
    moved = measure(texture.roll((3, 5), (2, 3)), texture, convention)
    assert 0 < moved < 0.75 * measure(smooth, texture, convention)


@pytest.mark.parametrize("name", [name for name in list_metrics() if not name.startswith("lpips")])
def test_one_value_per_picture_that_points_as_it_says(name: str) -> None:
    target = read_image(builtin_photos("validation")[0])[:, :, :176, :176].expand(2, 3, 176, 176)
    noise = torch.randn_like(target) * torch.tensor([0.02, 0.2]).view(2, 1, 1, 1)
    near, far = metric_function(name)(target + noise, target, Convention())
    assert (near > far) == metric(name).higher_is_better


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("pnsr", "Did you mean 'psnr'"),
        ("psnr:maks=1", "parameter of psnr"),
        ("psnr:max=white", "to be a number"),
        ("psnr:max=0", "positive"),
        ("psnr:max", "psnr:PARAMETER=VALUE"),
        ("ssim:channel=u", "channel of ssim"),
        ("ms_ssim:scales=9", "scales of ms_ssim from 1 to 5"),
        ("perceptual_distance:channel=y", "without parameters"),
        ("lpips-alex:weights=none.pth", "no file at"),
    ],
)
def test_bad_names_are_refused(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        metric_function(spec)


def test_usual_measures_leave_out_what_is_not_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv("PERCEPTUALLOSS_WEIGHTS", raising=False)
    names, missing = at_hand("sr")
    assert names == ["psnr", "ssim", *OUTSIDE, "perceptual_distance"]
    assert "alexnet" in missing["lpips-alex"]
    torch.save(alexnet_features().state_dict(), tmp_path / "alexnet-owt-7be5be79.pth")
    monkeypatch.setenv("PERCEPTUALLOSS_WEIGHTS", str(tmp_path))
    assert at_hand("sr") == (["psnr", "ssim", "lpips-alex", *OUTSIDE, "perceptual_distance"], {})
    assert at_hand("course")[0] == ["mse", "psnr", *OUTSIDE, "perceptual_distance"]
    for module in (st_lpips, ssimulacra2):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    names, missing = at_hand("sr")
    assert names == ["psnr", "ssim", "lpips-alex", "perceptual_distance"]
    assert list(missing) == list(OUTSIDE)
    assert all("pip install 'perceptualloss[metrics]'" in why for why in missing.values())


def test_documents_help_and_registry_list_the_same() -> None:
    page = (Path(__file__).parents[2] / "docs" / "evaluating.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.*?) \|", page.partition("## Measures")[2].partition("\n\n**")[0], flags=re.MULTILINE)
    assert [name for row in rows for name in re.findall(r"`(.+?)`", row)] == list(list_metrics())
    assert f"{', '.join(list_metrics())}; with parameters" in " ".join(build_parser().format_help().split())


@pytest.mark.parametrize("report", ["sr", "course", "rgb"])
def test_the_page_says_what_a_protocol_reports(report: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "evaluating.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| `{report}` \|.*\| (.*) \|$", page, flags=re.MULTILINE)
    assert row
    labels = row[1].replace("outside ones", ", ".join(metric(name).label for name in OUTSIDE)).split(", ")
    names = {"mse": "MSE", "psnr": "PSNR"}
    expected = [names.get(name, metric(name).label) for name in list_metrics(report)]  # type: ignore[arg-type]
    assert [label.split(" = ")[0] for label in labels] == expected


def test_what_is_reported_is_in_the_list_and_ours_comes_last() -> None:
    for report in ("sr", "course", "rgb", "comparison"):
        assert list_metrics(report)[-1] == "perceptual_distance"
        assert set(list_metrics(report)) <= set(list_metrics())
    assert list(curves().values()) == ["MSE", "PSNR", "SSIM", "LPIPS", "embedded judge"]
    with pytest.raises(InputError, match="report to be one of sr"):
        list_metrics("srr")  # type: ignore[arg-type]


def test_lpips_tells_better_than_the_embedded_judge_what_looks_nearer() -> None:
    for name in ("lpips-alex", "lpips-vgg"):
        assert telling([metric("psnr"), metric(name), metric("perceptual_distance")]).key == name


@pytest.fixture
def _own_metrics_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    monkeypatch.setattr(registry, "FUNCTIONS", dict(registry.FUNCTIONS))


def enter_mae() -> Callable[..., Tensor]:
    @register_metric(
        "mae", label="MAE", higher_is_better=False, curve="MAE", reports=("rgb",), parameter_words={"power": "to {:g}"}
    )
    def mae(output: Tensor, target: Tensor, *, power: float = 1.0, root: bool = False, what: str = "") -> Tensor:
        means = (output - target).abs().pow(power).mean(dim=(1, 2, 3))
        return means ** (1 / power) if root else means

    return mae


@pytest.mark.usefixtures("_own_metrics_go")
def test_a_metric_of_ones_own_is_one_like_all_others(small_photos: Path) -> None:
    for _ in range(2):  # as when a notebook's cell runs twice
        enter_mae()
    output, target = photo_pair()
    difference = (output - target).abs().double()
    convention = protocol("rgb")
    torch.testing.assert_close(metric_function("mae")(output, target, convention), difference.mean((1, 2, 3)))
    root = metric_function("mae:power=2,root=true")
    torch.testing.assert_close(root(output, target, convention), difference.square().mean((1, 2, 3)).sqrt())
    assert root.metric.label == "MAE to 2"
    assert metric_function("mae:channel=y")(output, target, convention) < difference.mean()
    assert "mae" in at_hand("rgb")[0]
    assert measure(output, target)["mae"].item() == pytest.approx(difference.mean().item(), rel=1e-5)
    evaluation = evaluate([small_photos], small_photos, metrics=["mae", "mae:power=2"])
    assert evaluation.means[small_photos.name]["mae:power=2"].value == 0


MODULE = """
import perceptualloss

@perceptualloss.register_metric("mae", label="MAE", higher_is_better=False)
def mae(output, target, power=1.0):
    return (output - target).abs().pow(power).mean(dim=(1, 2, 3))
"""


@pytest.mark.usefixtures("_own_metrics_go")
def test_a_trusted_modules_metric_is_on_the_command_line(
    small_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("perceptualloss.training.recipe_settings.FUNCTIONS", registry.FUNCTIONS)
    (tmp_path / "own_metric.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    words = ["evaluate", str(small_photos), str(small_photos), "--metrics", "mae:power=2,channel=y"]
    assert cli.main(words) == 1
    assert "One of your own is known after perceptualloss.register_metric" in capsys.readouterr().err
    assert cli.main([*words, "--trust", "own_metric"]) == 0
    assert "MAE" in capsys.readouterr().out


@pytest.mark.usefixtures("_own_metrics_go")
def test_a_metric_that_would_mislead_is_refused() -> None:
    enter_mae()
    output, target = photo_pair()
    with pytest.raises(InputError, match="root of mae to be true or false"):
        metric_function("mae:root=yes")
    facts = {"label": "x", "higher_is_better": True}
    for name, message in (("psnr", "free"), ("mae", "free"), ("a b", "letters"), ("a:b", "letters")):
        with pytest.raises(InputError, match=message):
            register_metric(name, **facts)(lambda output, target: output)
    with pytest.raises(InputError, match="parameter p with a default"):
        register_metric("x", **facts)(lambda output, target, p: output)
    with pytest.raises(InputError, match="without a parameter channel"):
        register_metric("x", **facts)(lambda output, target, channel="y": output)
    with pytest.raises(InputError, match="a curve of its own for x, got 'PSNR'"):
        register_metric("x", curve="PSNR", **facts)(lambda output, target: output)
    with pytest.raises(InputError, match="report to be one of sr, course"):
        register_metric("x", reports="rgb", **facts)(lambda output, target: output)
    register_metric("x", **facts)(lambda output, target: (output - target).mean())
    with pytest.raises(InputError, match=r"one value per picture, \(1,\), got shape \(\)"):
        metric_function("x")(output, target, Convention())
