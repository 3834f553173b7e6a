"""What each damage does, that it keeps size and range, and that its random numbers decide all."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from perceptualloss.data.damage import (
    Blur,
    Faded,
    Grey,
    InTurn,
    Jpeg,
    MotionBlur,
    Noise,
    OldPhoto,
    Scratches,
    line,
)
from perceptualloss.data.degrade import Degradation, Downscale
from perceptualloss.data.disturb import Blocks, Clouds, Enlarged, Light, OneOf
from perceptualloss.errors import InputError
from perceptualloss.pictures.resize import resize

ALL = [Noise(), Jpeg(), Blur(), MotionBlur(), Grey(), Faded(), Scratches((1, 4)), OldPhoto(), InTurn([Noise(), Jpeg()])]
ALL += [Enlarged(), Blocks(), Light(), Clouds(), OneOf([Noise(), Blur()])]
PICTURES = torch.rand(2, 3, 20, 27, generator=torch.Generator().manual_seed(3))


def name_of(damage: Degradation) -> str:
    return type(damage).__name__


@pytest.mark.parametrize("damage", ALL, ids=name_of)
def test_size_and_range_are_kept_and_the_input_too(damage: Degradation) -> None:
    before = PICTURES.clone()
    for seed in range(8):
        found = damage(PICTURES, np.random.default_rng(seed))
        assert found.shape == PICTURES.shape
        assert found.dtype == torch.float32
        assert 0 <= float(found.min()) <= float(found.max()) <= 1
    assert torch.equal(PICTURES, before)
    assert damage.scale == 1


@pytest.mark.parametrize("damage", ALL, ids=name_of)
def test_the_seed_decides_all(damage: Degradation) -> None:
    torch.manual_seed(1)
    first = damage(PICTURES, np.random.default_rng(5))
    torch.manual_seed(2)
    assert torch.equal(first, damage(PICTURES, np.random.default_rng(5)))
    others = [damage(PICTURES, np.random.default_rng(seed)) for seed in range(6, 12)]
    assert any(not torch.equal(first, other) for other in others) != isinstance(damage, Grey)


def test_noise_has_the_deviation_asked_for() -> None:
    flat = torch.full((1, 3, 80, 80), 0.5)
    found = Noise((0.1, 0.1))(flat, np.random.default_rng(0))
    assert float(found.mean()) == pytest.approx(0.5, abs=0.005)
    assert float(found.std()) == pytest.approx(0.1, rel=0.03)
    assert abs(float(torch.corrcoef(found[0].flatten(1))[0, 1])) < 0.05  # each channel has its own


def test_blur_is_gaussian() -> None:
    found = Blur((1.7, 1.7))(PICTURES, np.random.default_rng(0))
    expected = gaussian_filter(PICTURES.numpy(), (0, 0, 1.7, 1.7), mode="nearest", radius=(0, 0, 5, 5))
    assert float((found - torch.from_numpy(expected)).abs().max()) < 1e-5
    assert torch.equal(Blur((0, 0))(PICTURES, np.random.default_rng(0)), PICTURES)


def test_streaks_point_where_they_should() -> None:
    for length in (1.0, 2.5, 8.0):
        for angle in (0.0, 1.0, 2.0):
            kernel = line(length, angle)
            assert float(kernel.sum()) == pytest.approx(1)
            torch.testing.assert_close(kernel, kernel.flip(0, 1))  # its middle stays where it is
    assert torch.equal(line(1.0, 0.3), torch.ones(1, 1))
    assert int((line(9.0, 0.0).sum(dim=1) > 0).sum()) == 1
    assert int((line(9.0, torch.pi / 2).sum(dim=0) > 0).sum()) == 1


def test_grey_is_what_pillow_makes_of_it() -> None:
    from PIL import Image  # noqa: PLC0415

    array = (PICTURES[0] * 255).round().byte()
    expected = np.array(Image.fromarray(array.permute(1, 2, 0).numpy()).convert("L"), dtype=np.float32)
    found = Grey()(array[None].float() / 255, np.random.default_rng(0))[0] * 255
    assert torch.equal(found[0], found[2])
    assert float((found[0] - torch.from_numpy(expected)).abs().max()) <= 1.0


def test_jpeg_is_worse_at_lower_quality() -> None:
    smooth = resize(PICTURES, 4).clamp(0, 1)
    errors = [float((Jpeg((q, q))(smooth, np.random.default_rng(0)) - smooth).abs().mean()) for q in (10, 50, 95)]
    assert errors[0] > errors[1] > errors[2] > 0


def test_fading_and_scratches_leave_what_they_do_not_touch() -> None:
    random = np.random.default_rng(0)
    torch.testing.assert_close(Faded((0, 0))(PICTURES, random), PICTURES)
    assert torch.equal(Scratches((0, 0))(PICTURES, random), PICTURES)
    wide = torch.rand(1, 3, 64, 64)
    changed = (Scratches((3, 3))(wide, random) != wide).any(dim=1).float().mean()
    assert 0.02 < float(changed) < 0.5
    faded = Faded((1.0, 1.0))(PICTURES, random)
    assert float(faded.std(dim=(2, 3)).mean()) < float(PICTURES.std(dim=(2, 3)).mean())


def test_in_turn() -> None:
    both = InTurn([Blur((1, 1)), Downscale(2)])
    assert both.scale == 2
    found = both(PICTURES[..., :26], np.random.default_rng(0))
    expected = Downscale(2, blur=1.0)(PICTURES[..., :26], np.random.default_rng(0))
    assert torch.equal(found, expected)
    never = [InTurn([Grey()], 0.5)(PICTURES, np.random.default_rng(seed)).equal(PICTURES) for seed in range(20)]
    assert 3 < sum(never) < 17


def test_johnsons_inputs_are_blurred_and_then_shrunk() -> None:
    target = torch.rand(1, 3, 32, 32)
    blurred = gaussian_filter(target.numpy(), (0, 0, 1, 1), mode="nearest", radius=(0, 0, 3, 3))
    expected = resize(torch.from_numpy(blurred), 1 / 4).clamp(0, 1)
    torch.testing.assert_close(Downscale(4, blur=1.0)(target, np.random.default_rng(0)), expected)


def test_settings_that_make_no_sense_are_refused() -> None:
    for wrong in (
        lambda: Noise((0.2, 0.1)),
        lambda: Noise((-0.1, 0.1)),
        lambda: Jpeg((0, 50)),
        lambda: InTurn([]),
        lambda: InTurn([Grey()], 0),
        lambda: InTurn([Downscale(2)], 0.5),
        lambda: Downscale(2, blur=-1),
    ):
        with pytest.raises(InputError):
            wrong()


def test_one_of_gives_every_picture_one_of_its_parts() -> None:
    parts = [Blur((1.0, 1.0)), Grey()]
    both = [part(PICTURES, np.random.default_rng(0)) for part in parts]
    counts = [0, 0]
    for seed in range(20):
        for number, picture in enumerate(OneOf(list(parts))(PICTURES, np.random.default_rng(seed))):
            equal = [torch.allclose(picture, one[number], atol=1e-6) for one in both]
            assert sum(equal) == 1
            counts[equal.index(True)] += 1
    assert min(counts) > 8
    with pytest.raises(InputError, match="at least one part, all of one scale"):
        OneOf([Grey(), Downscale(2)])


def test_light_is_another_contrast_and_brightness() -> None:
    for seed in range(5):
        random = np.random.default_rng(seed)
        found = Light((0.2, 0.2)).damage(PICTURES[:1], [0.2], [random])[0]
        slope = (found.max() - found.min()) / (PICTURES[0].max() - PICTURES[0].min())
        assert 0.8 <= float(slope) <= 1.2
        assert torch.allclose(found - found.mean(), slope * (PICTURES[0] - PICTURES[0].mean()), atol=1e-5)


def test_clouds_have_the_deviation_asked_for_where_their_grain_is_a_pixel() -> None:
    flat = torch.full((1, 3, 12, 12), 0.5)
    found = torch.cat([Clouds((0.1, 0.1))(flat, np.random.default_rng(seed)) for seed in range(60)])
    assert float(found.std()) == pytest.approx(0.1, rel=0.15)
    assert float(found.mean()) == pytest.approx(0.5, abs=0.02)
