"""Metrics under masks: ones are no mask, what is outside an exact mask does not count, what takes none says so."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.features.architectures import ARCHITECTURES
from perceptualloss.metrics import PSNR, SSIM, SSIMULACRA2, ImageMetric, embedded, st_lpips
from perceptualloss.metrics.protocol import protocol
from perceptualloss.metrics.psnr import psnr
from perceptualloss.metrics.registry import MetricFunction, list_metrics, metric_function, why_missing
from perceptualloss.metrics.report import measure
from perceptualloss.metrics.ssim import ssim

CONVENTION = protocol("sr", crop_border=3)


def pictures(height: int, width: int, batch: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(height)
    noise, target = torch.rand(2, batch, 3, height, width, generator=generator).unbind(0)
    return 0.7 * target + 0.3 * noise, target


def rectangle(size: tuple[int, int], top: int, left: int, height: int, width: int) -> Tensor:
    mask = torch.zeros(1, 1, *size)
    mask[..., top : top + height, left : left + width] = 1
    return mask


MASKED = [name for name in list_metrics() if name not in ("ssimulacra2", "lpips-alex", "lpips-vgg")]


@pytest.fixture(scope="module")
def squeezenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("weights") / "squeezenet.safetensors"
    save_file(ARCHITECTURES["squeezenet"]().state_dict(), file)
    return file


def function(name: str, weights: Path) -> MetricFunction:
    if not name.startswith("lpips") and (why := why_missing(name)):
        pytest.skip(why)
    return metric_function(
        {"ms_ssim": "ms_ssim:scales=2", "lpips-squeeze": f"{name}:weights={weights}"}.get(name, name)
    )


@pytest.mark.parametrize("name", MASKED)
def test_a_mask_of_ones_is_no_mask_bit_for_bit(name: str, squeezenet: Path) -> None:
    output, target = pictures(42, 45)
    measure = function(name, squeezenet)
    plain = measure(output, target, CONVENTION)
    for masking in ("area", "exact"):
        assert torch.equal(measure(output, target, CONVENTION, weight=torch.ones(2, 1, 42, 45), masking=masking), plain)
    assert (measure(output, target, CONVENTION, weight=rectangle((42, 45), 8, 8, 20, 25)) != plain).all()


@pytest.mark.parametrize("name", [name for name in MASKED if name != "st_lpips_vgg"])
def test_what_stands_outside_an_exact_mask_changes_no_bit(name: str, squeezenet: Path) -> None:
    size = (230, 100) if "lpips" in name else (108, 112)
    mask = rectangle(size, 0, 0, size[0] - 4, size[1])
    output, target = pictures(*size, batch=1)
    measure, convention = function(name, squeezenet), protocol("rgb")
    value = measure(output, target, convention, weight=mask, masking="exact")
    other = [torch.where(mask == 1, x, torch.rand_like(x)) for x in (output, target)]
    assert torch.equal(measure(*other, convention, weight=mask, masking="exact"), value)
    assert not torch.equal(
        measure(*other, convention, weight=mask), measure(output, target, convention, weight=mask)
    ) or (name in ("mse", "psnr"))


def test_under_a_rectangle_they_are_those_of_the_cut_out() -> None:
    output, target = pictures(40, 44)
    mask, cut = rectangle((40, 44), 6, 8, 24, 30), (..., slice(6, 30), slice(8, 38))
    torch.testing.assert_close(psnr(output, target, weight=mask), psnr(output[cut], target[cut]))
    inside = ssim(output, target, weight=mask, masking="exact", y_channel=True)
    torch.testing.assert_close(inside, ssim(output[cut], target[cut], y_channel=True))
    bordered = psnr(output, target, weight=mask, crop_border=10)  # the border is not in the mask any more
    torch.testing.assert_close(bordered, psnr(output[..., 10:30, 10:34], target[..., 10:30, 10:34]))


def test_a_metric_that_takes_no_mask_is_refused_by_name() -> None:
    output, target = pictures(40, 44)
    with pytest.raises(InputError, match="metrics that take a mask, got SSIMULACRA 2"):
        SSIMULACRA2().update(output, target, rectangle((40, 44), 0, 0, 9, 9))


def test_classes_and_functions_take_masks() -> None:
    output, target = pictures(40, 44)
    masks = torch.rand(2, 1, 40, 44)
    mean = PSNR()
    mean.update(output, target, masks)
    mean.update(output[:1], target[:1])
    expected = torch.cat([psnr(output, target, weight=masks), psnr(output[:1], target[:1])]).mean()
    torch.testing.assert_close(mean.compute(), expected)
    exact = SSIM(masking="exact")
    exact.update(output, target, rectangle((40, 44), 0, 0, 20, 44))
    torch.testing.assert_close(exact.compute(), ssim(output[..., :20, :], target[..., :20, :]).mean())
    for distance in (embedded.perceptual_distance, embedded.structure_texture, st_lpips.st_lpips):
        assert torch.equal(distance(output, target, weight=torch.ones_like(masks)), distance(output, target))
        assert (distance(output, target, weight=masks) != distance(output, target)).all()
    for wrong in (masks[..., 1:], masks[:, 0], masks * 2, masks * 0):
        with pytest.raises(InputError, match="mask"):
            ImageMetric("psnr").update(output, target, wrong)
    with pytest.raises(InputError, match="Did you mean 'exact'"):
        PSNR(masking="exakt")


def test_a_validation_leaves_out_what_finds_nothing_that_counts() -> None:
    output, target = pictures(40, 44, 1)
    found = measure(output, target, rectangle((40, 44), 0, 0, 4, 4))
    assert "ssim" not in found
    torch.testing.assert_close(found["psnr"], psnr(output[..., :4, :4], target[..., :4, :4]))
    with pytest.raises(InputError, match="mask"):
        measure(output, target, rectangle((40, 40), 0, 0, 4, 4))
