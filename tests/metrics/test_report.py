"""What validations and comparisons measure: each value that of the function of its name, none silently left out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from perceptualloss import perceptual_distance, psnr, ssim, ssimulacra2, st_lpips
from perceptualloss.metrics import ssimulacra2 as ssimulacra2_module
from perceptualloss.metrics import st_lpips as st_lpips_module
from perceptualloss.metrics.metric import telling
from perceptualloss.metrics.registry import at_hand, list_metrics, metric
from perceptualloss.metrics.report import measure, measure_all

OUTSIDE = list_metrics("yardsticks")


@pytest.fixture(autouse=True)
def _no_imagenet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv("PERCEPTUALLOSS_WEIGHTS", raising=False)


def pictures() -> tuple[Tensor, Tensor]:
    target = torch.rand(2, 3, 40, 48)
    return target + 0.1 * torch.randn_like(target), target


def test_each_is_the_function_of_its_name_of_clamped_outputs() -> None:
    output, target = pictures()
    clamped = output.clamp(0, 1)
    expected = {
        "mse": (clamped - target).square().mean(dim=(1, 2, 3)),
        "psnr": psnr(clamped, target),
        "ssim": ssim(clamped, target),
        "st_lpips_alex": st_lpips(clamped, target),
        "st_lpips_vgg": st_lpips(clamped, target, net="vgg"),
        "ssimulacra2": ssimulacra2(clamped, target),
        "perceptual_distance": perceptual_distance(clamped, target),
    }
    values = measure_all({"output": output, "target": target}, target)
    assert list(values["output"]) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(values["output"][name], value)
    assert values["target"]["ssimulacra2"].tolist() == [100, 100]
    assert values["target"]["st_lpips_vgg"].tolist() == [0, 0]


def test_validations_leave_out_what_is_slow() -> None:
    values = measure(*pictures())
    assert list(values) == ["mse", "psnr", "ssim", "perceptual_distance"]


def test_what_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(at_hand("comparison")[1]) == ["lpips-vgg"]
    for module in (st_lpips_module, ssimulacra2_module):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    missing = at_hand("comparison")[1]
    assert list(missing) == ["lpips-vgg", *OUTSIDE]
    assert len(set(missing.values())) == 3  # one line for both networks of ST-LPIPS
    output, target = pictures()
    assert not set(OUTSIDE) & set(measure_all({"output": output}, target)["output"])


def test_the_most_telling_is_from_outside_where_there_is_one() -> None:
    inside = [metric("psnr"), metric("perceptual_distance")]
    assert telling(inside).key == "perceptual_distance"
    assert telling([metric("st_lpips_alex"), metric("st_lpips_vgg"), *inside]).key == "st_lpips_vgg"
    assert telling([*inside, metric("st_lpips_alex")]).key == "st_lpips_alex"
