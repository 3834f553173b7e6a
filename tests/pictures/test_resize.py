from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from perceptualloss.errors import InputError
from perceptualloss.metrics.psnr import psnr
from perceptualloss.pictures.color import luminance
from perceptualloss.pictures.images import read_image
from perceptualloss.pictures.resize import Method, resize

SIDES = st.integers(1, 90)
SCALES = st.one_of(st.sampled_from([0.5, 1 / 3, 0.25, 2.0, 3.0, 4.0, 1.0]), st.floats(0.2, 4))
METHODS = st.sampled_from(["bicubic", "bilinear"])


def imresize_line(line: np.ndarray, scale: float, method: Method, antialias: bool) -> np.ndarray:
    """Resize one line of numbers, one output at a time, straight from the definition of imresize."""

    def kernel(x: float) -> float:
        x = abs(x)
        if method == "bilinear":
            return max(0.0, 1 - x)
        if x <= 1:
            return 1.5 * x**3 - 2.5 * x**2 + 1
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x <= 2 else 0.0

    shrink = min(scale, 1.0) if antialias else 1.0
    reach = (2 if method == "bicubic" else 1) / shrink
    mirrored = np.concatenate([line, line[::-1]])
    out = []
    for n in range(math.ceil(len(line) * scale - 1e-9)):
        centre = (n + 0.5) / scale - 0.5
        taps = range(math.floor(centre - reach), math.ceil(centre + reach) + 1)
        weights = [kernel(shrink * (centre - tap)) for tap in taps]
        values = [mirrored[tap % len(mirrored)] for tap in taps]
        out.append(np.dot(weights, values) / sum(weights))
    return np.array(out)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 40), st.integers(1, 40), SCALES, METHODS, st.booleans(), st.integers(0, 99))
def test_equals_the_definition(
    height: int, width: int, scale: float, method: Method, antialias: bool, seed: int
) -> None:
    picture = np.random.default_rng(seed).random((height, width))
    rows = np.stack([imresize_line(row, scale, method, antialias) for row in picture])
    expected = np.stack([imresize_line(column, scale, method, antialias) for column in rows.T]).T
    actual = resize(torch.from_numpy(picture)[None, None], scale, method=method, antialias=antialias)
    np.testing.assert_allclose(actual[0, 0].numpy(), expected, atol=1e-12)


def test_weights_of_halving_are_those_worked_out_by_hand() -> None:
    line = torch.zeros(1, 1, 8, 32, dtype=torch.float64)
    line[..., 16] = 1  # 3.5, 1.5, 0.5 and 2.5 input pixels away from the centres of outputs 6 to 9
    out = resize(line, 0.5)[0, 0, 1]
    assert out[6:10].tolist() == pytest.approx([-0.01171875, 0.11328125, 0.43359375, -0.03515625])
    assert out[:6].abs().max() == 0
    assert out[10:].abs().max() == 0


@pytest.mark.parametrize(("method", "scale"), [(m, s) for m in ("bicubic", "bilinear") for s in (0.5, 0.25, 2, 3)])
def test_equals_pytorchs_antialiased_kernels_inside_the_border(method: Method, scale: float) -> None:
    images = torch.rand(2, 3, 60, 72, dtype=torch.float64)
    ours = resize(images, scale, method=method)
    theirs = F.interpolate(images, scale_factor=scale, mode=method, antialias=True)
    margin = math.ceil(2 * max(1, scale))
    inside = (..., slice(margin, -margin), slice(margin, -margin))
    torch.testing.assert_close(ours[inside], theirs[inside], rtol=0, atol=1e-9)


@pytest.mark.parametrize("size", [(30, 70), (64, 41)])
def test_bilinear_without_antialias_is_pytorchs_bilinear(size: tuple[int, int]) -> None:
    images = torch.rand(1, 3, 29, 40, dtype=torch.float64)
    theirs = F.interpolate(images, size=size, mode="bilinear", align_corners=False)
    ours = resize(images, size=size, method="bilinear", antialias=False)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)


@settings(deadline=None, max_examples=60)
@given(SIDES, SIDES, SCALES, METHODS, st.booleans(), st.floats(-2, 2))
def test_a_constant_stays_that_constant(
    height: int, width: int, scale: float, method: Method, antialias: bool, value: float
) -> None:
    images = torch.full((1, 3, height, width), value)
    out = resize(images, scale, method=method, antialias=antialias)
    assert out.shape[-2:] == (math.ceil(height * scale - 1e-9), math.ceil(width * scale - 1e-9))
    torch.testing.assert_close(out, torch.full_like(out, value), rtol=0, atol=1e-5)


@settings(deadline=None, max_examples=20)
@given(SIDES, SIDES, METHODS)
def test_scale_1_changes_nothing(height: int, width: int, method: Method) -> None:
    images = torch.rand(2, 3, height, width)
    assert resize(images, 1, method=method).equal(images)
    assert resize(images, size=(height, width), method=method).equal(images)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 20), st.integers(1, 20), st.sampled_from([2, 3, 4]), st.booleans(), METHODS)
def test_mirroring_and_transposing_commute_with_resizing(
    height: int, width: int, factor: int, enlarge: bool, method: Method
) -> None:
    scale = float(factor) if enlarge else 1 / factor
    images = torch.rand(1, 3, height * factor, width * factor, dtype=torch.float64)
    out = resize(images, scale, method=method)
    torch.testing.assert_close(resize(images.flip(-1), scale, method=method), out.flip(-1))
    torch.testing.assert_close(resize(images.flip(-2), scale, method=method), out.flip(-2))
    torch.testing.assert_close(resize(images.mT, scale, method=method), out.mT)


def test_a_ramp_stays_a_ramp_inside_the_border() -> None:
    ramp = torch.arange(64, dtype=torch.float64).expand(1, 3, 16, 64)
    halved = resize(ramp, 0.5)[0, 0, 4, 3:-3]
    torch.testing.assert_close(halved, torch.arange(3, 29, dtype=torch.float64) * 2 + 0.5)


def test_output_size_ignores_the_rounding_of_the_product() -> None:
    assert 100 * 1.1 > 110
    assert resize(torch.rand(1, 3, 100, 50), 1.1).shape[-2:] == (110, 55)
    assert resize(torch.rand(1, 3, 255, 256), 1 / 3).shape[-2:] == (85, 86)


def test_size_is_height_and_width_and_agrees_with_scale() -> None:
    images = torch.rand(1, 3, 130, 200)
    assert resize(images, size=(65, 100)).equal(resize(images, 0.5))
    assert resize(images, size=(7, 300)).shape == (1, 3, 7, 300)


@pytest.mark.parametrize("scale", [0.5, 2.0, 0.37])
def test_gradient(scale: float) -> None:
    images = torch.rand(1, 1, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: resize(x, scale), images)


def test_half_precision_and_autocast_compute_in_float32() -> None:
    images = torch.rand(1, 3, 40, 40)
    exact = resize(images, 0.5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert resize(images, 0.5).equal(exact)
    low = images.bfloat16()
    assert resize(low, 0.5).equal(resize(low.float(), 0.5).bfloat16())


def test_a_first_call_in_inference_mode_leaves_later_gradients_alone() -> None:
    with torch.inference_mode():
        resize(torch.rand(1, 3, 47, 53), 0.5)
    images = torch.rand(1, 3, 47, 53, requires_grad=True)
    resize(images, 0.5).sum().backward()
    assert images.grad is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either scale or size"),
        ({"scale": 2.0, "size": (4, 4)}, "either scale or size"),
        ({"scale": 0.0}, "positive"),
        ({"scale": float("nan")}, "positive"),
        ({"scale": float("inf")}, "positive"),
        ({"size": (0, 4)}, "at least 1 pixel"),
        ({"size": (4,)}, "height, width"),
        ({"scale": 2.0, "method": "bicubik"}, "Did you mean 'bicubic'"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        resize(torch.rand(1, 3, 8, 8), **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "images", [torch.rand(3, 8, 8), torch.ones(1, 3, 8, 8, dtype=torch.uint8), torch.rand(0, 3, 8, 8)]
)
def test_only_batches_of_floating_point(images: torch.Tensor) -> None:
    with pytest.raises(InputError, match=r"\(N, C, H, W\)"):
        resize(images, 2)


@pytest.mark.parametrize(("scale", "published"), [(2, 33.66), (3, 30.39), (4, 28.42)])
def test_set5_gives_the_published_figures(shared: Path, scale: int, published: float) -> None:
    def to_8_bits(x: torch.Tensor) -> torch.Tensor:
        return x.clamp(0, 1).mul(255).round() / 255

    values = []
    for file in sorted((shared / f"data/benchmarks/Set5/image_SRF_{scale}").glob("*_HR.png")):
        target = read_image(file)
        height, width = (side // scale * scale for side in target.shape[-2:])
        target = target[..., :height, :width]
        output = to_8_bits(resize(to_8_bits(resize(target, 1 / scale)), scale))
        pair = [to_8_bits(luminance(x)).expand(-1, 3, -1, -1) for x in (output, target)]
        values.append(psnr(*pair, crop_border=scale).item())
    assert len(values) == 5
    assert sum(values) / 5 == pytest.approx(published, abs=0.05)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_low_resolution_files_made_by_matlab_are_reproduced(shared: Path, scale: int) -> None:
    """They were made from 8-bit pictures, rounded after each axis, by a version that repeated the border."""

    def to_8_bits(x: torch.Tensor) -> torch.Tensor:
        return (x.clamp(0, 1) * 255 + 0.5 + 1e-9).floor() / 255

    unequal = total = 0
    for file in sorted((shared / f"data/benchmarks/Set5/image_SRF_{scale}").glob("*_HR.png")):
        high = read_image(file).double()
        low = read_image(file.with_name(file.name.replace("_HR", "_LR"))).double()
        height, width = low.shape[-2:]
        margin = 4 * scale
        repeated = F.pad(high, (margin, margin, margin, margin), mode="replicate")
        rows = to_8_bits(resize(repeated, size=(height + 8, width * scale + 2 * margin)))
        ours = to_8_bits(resize(rows, size=(height + 8, width + 8)))[..., 4:-4, 4:-4]
        steps = ((ours - low) * 255).round().abs()
        assert steps.max() <= 1
        unequal, total = unequal + int(steps.sum()), total + steps.numel()
    assert unequal < 1e-4 * total  # halves that the two round differently
