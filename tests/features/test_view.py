from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from perceptualloss.errors import InputError
from perceptualloss.features.view import Change, PixelShift, View, draw_change, draw_shift, geometric, shifted
from perceptualloss.losses.feature import FeatureReconstructionLoss
from perceptualloss.losses.style import StyleReconstructionLoss


def change(affine: list[list[float]], hole: list[float] | None = None) -> Change:
    return Change(torch.tensor([affine]), torch.tensor([hole or [0.0, 0.0, 0.0, 0.0]]))


def test_no_change_changes_nothing_and_a_mirror_mirrors() -> None:
    images = torch.rand(1, 3, 9, 12)
    same = geometric(images, change([[1, 0, 0], [0, 1, 0]]))
    mirrored = geometric(images, change([[-1, 0, 0], [0, 1, 0]]))
    torch.testing.assert_close(same, images, atol=1e-5, rtol=0)
    torch.testing.assert_close(mirrored, images.flip(3), atol=1e-5, rtol=0)


def test_the_hole_is_where_it_says() -> None:
    images = torch.zeros(1, 3, 8, 8)
    images[..., 0] = 1
    found = geometric(images, change([[1, 0, 0], [0, 1, 0]], [0.0, -1.0, 1.0, 0.0]))
    expected = images.clone()
    expected[:, :, :4, 4:] = images.mean()
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_a_rotation_keeps_angles_in_pictures_that_are_not_square() -> None:
    torch.manual_seed(2)
    images = torch.rand(64, 3, 20, 50)
    affine = draw_change(images).affine
    to_pixels = torch.tensor([25.0, 10.0]).view(1, 2, 1)
    axes = affine[:, :, :2] * to_pixels / torch.tensor([25.0, 10.0])
    assert axes[:, :, 0].mul(axes[:, :, 1]).sum(1).abs().max() < 1e-5
    lengths = axes.norm(dim=1)
    torch.testing.assert_close(lengths[:, 0], lengths[:, 1])
    assert lengths.min() > 1 / 1.21
    assert lengths.max() < 1.21
    assert (affine[:, 0, 0] < 0).any()
    assert (affine[:, 0, 0] > 0).any()


def test_torchs_seed_repeats_it() -> None:
    images = torch.rand(3, 3, 8, 8)
    torch.manual_seed(4)
    first = draw_change(images)
    torch.manual_seed(4)
    again = draw_change(images)
    assert torch.equal(first.affine, again.affine)
    assert torch.equal(first.hole, again.hole)
    assert not torch.equal(first.affine, draw_change(images).affine)


def test_gradcheck() -> None:
    images = torch.rand(2, 3, 5, 6, dtype=torch.float64)
    drawn = draw_change(images)
    assert torch.autograd.gradcheck(lambda x: geometric(x, drawn), images.requires_grad_())


def augmented(output: Tensor, target: Tensor, seed: int) -> Tensor:
    loss = FeatureReconstructionLoss("compact", ["relu1_2", "relu2_2"], "unit", augment="geometric")
    torch.manual_seed(seed)
    return loss(output, target)


def test_output_and_target_are_changed_alike() -> None:
    images = torch.rand(4, 3, 32, 32)
    assert augmented(images, images, 1).item() == 0
    output, target = torch.rand(2, 4, 3, 32, 32).unbind(0)
    assert torch.equal(augmented(output, target, 1), augmented(output, target, 1))
    assert augmented(output, target, 1) != augmented(output, target, 2)


def test_a_net_that_is_blind_to_something_sees_it_after_a_change() -> None:
    """A difference between the places that a strided net looks at costs nothing without the change."""
    net_sees = lambda x: F.avg_pool2d(x, 1, stride=4)  # noqa: E731
    target = torch.full((1, 3, 32, 32), 0.5)
    output = target.clone()
    output[:, :, 2::4] += 0.2
    assert torch.equal(net_sees(output), net_sees(target))
    torch.manual_seed(1)
    drawn = draw_change(output)
    assert (net_sees(geometric(output, drawn)) - net_sees(geometric(target, drawn))).abs().max() > 0.01


def test_one_target_is_changed_with_every_output() -> None:
    loss = StyleReconstructionLoss("compact", ["relu1_2"], augment="geometric")
    output, target = torch.rand(3, 3, 32, 32), torch.rand(1, 3, 24, 40)
    values = []
    for wanted in (target, target.expand(3, -1, -1, -1)):
        torch.manual_seed(3)
        values.append(loss(output, wanted))
    torch.testing.assert_close(*values)


SIXTEEN = [torch.float16, torch.bfloat16]


@pytest.mark.parametrize("dtype", SIXTEEN)
def test_in_16_bits_large_pictures_are_changed_as_in_32(dtype: torch.dtype) -> None:
    for seed in range(40):
        torch.manual_seed(seed)
        images = torch.rand(1, 3, 256, 240).to(dtype)
        drawn = draw_change(images)
        assert drawn.affine.dtype == torch.float32
        assert torch.equal(geometric(images, drawn), geometric(images.float(), drawn))


@pytest.mark.parametrize("dtype", SIXTEEN)
@pytest.mark.parametrize("other", [*SIXTEEN, torch.float32])
def test_a_16_bit_output_and_a_target_of_another_type_are_moved_to_the_same_places(
    dtype: torch.dtype, other: torch.dtype
) -> None:
    loss = FeatureReconstructionLoss("compact", ["relu1_1"], "l1", augment="geometric")
    pictures = (torch.rand(1, 3, 256, 256) * 128).round() / 128  # numbers that every type holds
    for seed in range(10):
        torch.manual_seed(seed)
        assert loss(pictures.to(dtype), pictures.to(other)).item() == 0


@pytest.mark.parametrize("dtype", SIXTEEN)
def test_resized_and_halved_in_16_bits_as_in_32(dtype: torch.dtype) -> None:
    images = torch.rand(1, 3, 250, 260).to(dtype)
    view = View(resize=(224, 224), halvings=2)
    assert torch.equal(view.show(images, None), view.show(images.float(), None))
    output, target = torch.rand(2, 1, 3, 64, 64).to(dtype)
    loss = FeatureReconstructionLoss("compact", ["relu1_1"], augment="geometric")
    loss(output.requires_grad_(), target).backward()
    assert output.grad is not None
    assert output.grad.dtype == dtype
    assert output.grad.isfinite().all()
    with torch.autocast("cpu", dtype):
        assert torch.equal(view.show(images, None), view.show(images.float(), None))


def test_the_default_type_does_not_reach_the_places() -> None:
    images = torch.rand(1, 3, 256, 256)
    torch.manual_seed(1)
    expected = geometric(images, draw_change(images))
    try:
        torch.set_default_dtype(torch.bfloat16)
        torch.manual_seed(1)
        assert torch.equal(geometric(images, draw_change(images)), expected)
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_shift_keeps_the_pixels_and_moves_the_place_of_the_grid() -> None:
    images = torch.rand(2, 3, 20, 23)
    for top, left in ((0, 0), (7, 7), (3, 5)):
        expected = images[..., top : top + 13, left : left + 16]
        assert torch.equal(shifted(images, PixelShift(torch.tensor([top, left]))), expected)
    with pytest.raises(InputError, match="at least 8 x 8"):
        shifted(images[..., :7], PixelShift(torch.tensor([0, 0])))


def test_shifts_reach_every_place_of_the_grid_and_follow_the_seed() -> None:
    drawn = [tuple(draw_shift(torch.rand(1, 3, 8, 8)).offset.tolist()) for _ in range(1000)]
    assert set(drawn) == {(top, left) for top in range(8) for left in range(8)}
    loss = FeatureReconstructionLoss("compact", ["relu1_2"], augment="shift")
    output, target = torch.rand(2, 1, 3, 40, 40)
    torch.manual_seed(5)
    value = loss(output, target)
    torch.manual_seed(5)
    top, left = draw_shift(output).offset.tolist()
    plain = FeatureReconstructionLoss("compact", ["relu1_2"])
    cut = (slice(None), slice(None), slice(top, top + 33), slice(left, left + 33))
    assert torch.equal(value, plain(output[cut], target[cut]))
