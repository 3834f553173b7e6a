"""Masks of clips and volumes, and the loss along a flow."""

import copy

import pytest
import torch
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.losses.base import Loss
from perceptualloss.losses.feature import FeatureReconstructionLoss
from perceptualloss.losses.motion import Shift
from perceptualloss.losses.pixel import L1Loss, MSELoss
from perceptualloss.losses.style import StyleReconstructionLoss
from perceptualloss.losses.temporal import TemporalLoss
from perceptualloss.losses.video import VideoLoss
from perceptualloss.losses.volume import VolumeLoss
from perceptualloss.losses.warping import WarpingLoss
from perceptualloss.losses.wrapped import GreyLoss
from perceptualloss.training.stability import Jolt, instability

FEATURES = FeatureReconstructionLoss("compact", {"relu1_2": 1.0, "relu2_1": 0.5}, "l1")
MASKED: dict[str, Loss] = {
    "video": VideoLoss(FEATURES, chunk=2),
    "grey video": VideoLoss(GreyLoss(FEATURES, channels=3)),
    "a sum": VideoLoss(L1Loss()) + TemporalLoss(FEATURES),
    "temporal": TemporalLoss(FEATURES),
    "temporal, some": TemporalLoss(L1Loss(), share=0.5).eval(),
    "temporal, in chunks": TemporalLoss(FEATURES, chunk=1),
    "volume": VolumeLoss(L1Loss() + FeatureReconstructionLoss("compact", ["relu1_2"]), axes=("depth", "height")),
}


def clips(seed: int = 0, frames: int = 4, size: int = 16) -> tuple[Tensor, Tensor]:
    output, target = torch.rand(2, 2, 3, frames, size, size, generator=torch.Generator().manual_seed(seed)).unbind(0)
    return output, target


def gradient(loss: Loss, output: Tensor, *rest: Tensor, **options: str) -> tuple[Tensor, Tensor]:
    leaf = output.clone().requires_grad_()
    value = loss(leaf, *rest, **options)
    value.backward()
    assert leaf.grad is not None
    return value.detach(), leaf.grad


@pytest.mark.parametrize("name", MASKED)
def test_a_mask_of_ones_is_none_and_outside_of_an_exact_one_nothing_counts(name: str) -> None:
    loss = MASKED[name]
    output, target = clips(size=12, frames=12) if name == "volume" else clips()
    ones = torch.ones_like(output[:, :1])
    for masking in ("area", "exact"):
        for with_mask, without in zip(
            gradient(loss, output, target, ones, masking=masking), gradient(loss, output, target), strict=True
        ):
            assert torch.equal(with_mask, without)
    mask = ones.clone()
    mask[:, :, :, :, :4] = 0
    mask[0, :, -1] = 0  # a frame that only fills the batch up
    noise = torch.rand_like(output)
    other = torch.where(mask > 0, output, noise)
    whole, part = (
        gradient(loss, output, target, mask, masking="exact"),
        gradient(loss, other, target, mask, masking="exact"),
    )
    for one, same in zip(whole, part, strict=True):
        assert torch.equal(one, same)
    assert whole[1].masked_select((mask == 0).expand_as(output)).abs().max() == 0
    fresh = copy.deepcopy(loss)
    fresh._values_checked = False  # as before its first call, which reads the values
    assert torch.equal(fresh(torch.where(mask > 0, output, torch.nan), target, mask, masking="exact"), whole[0])
    assert loss(output, target, mask) != loss(output, target)


def test_pixels_count_as_the_mask_says_over_all_frames() -> None:
    output, target = clips()
    mask = torch.rand(2, 1, 4, 16, 16)
    mask[0, :, 2] = 0
    expected = ((output - target).abs() * mask).sum(dim=(1, 2, 3, 4)) / (3 * mask.sum(dim=(1, 2, 3, 4)))
    torch.testing.assert_close(VideoLoss(L1Loss(), reduction="none")(output, target, mask), expected)
    turned = [x.transpose(1, 2) for x in (output, target, mask)]
    torch.testing.assert_close(VideoLoss(L1Loss(), "NTCHW", reduction="none")(*turned), expected)
    volume = VolumeLoss(L1Loss(), axes=("depth", "width")).terms(output, target, mask)
    for value in volume.values():
        torch.testing.assert_close(value, expected.mean())
    pairs = torch.minimum(mask[:, :, 1:], mask[:, :, :-1])
    changes = ((output - target).diff(dim=2).abs() * pairs).sum(dim=(1, 2, 3, 4)) / (3 * pairs.sum(dim=(1, 2, 3, 4)))
    torch.testing.assert_close(TemporalLoss(L1Loss(), reduction="none")(output, target, mask), changes)
    one_for_all = VideoLoss(L1Loss())(output, target, mask[1:])
    torch.testing.assert_close(one_for_all, VideoLoss(L1Loss())(output, target, mask[1:].expand(2, -1, -1, -1, -1)))


def test_frames_that_fill_a_batch_up_do_not_count() -> None:
    output, target = clips()
    mask = torch.ones(2, 1, 4, 16, 16)
    mask[:, :, 2:] = 0
    for inner in (L1Loss(), FEATURES):
        for loss in (VideoLoss(inner), TemporalLoss(inner)):
            torch.testing.assert_close(loss(output, target, mask), loss(output[:, :, :2], target[:, :, :2]))


def test_masks_that_do_not_go_are_refused() -> None:
    output, target = clips()
    ones = torch.ones(2, 1, 4, 16, 16)
    empty = ones * torch.tensor([1.0, 0.0]).view(2, 1, 1, 1, 1)
    style = VideoLoss(StyleReconstructionLoss("compact", ["relu1_2"]))
    for make, message in {
        lambda: VideoLoss(L1Loss())(output, target, ones[:, :, :3]): "layout of the output",
        lambda: VideoLoss(L1Loss())(output, target, ones.transpose(1, 2)): "layout of the output",
        lambda: VideoLoss(L1Loss())(output, target, 2 * ones): r"\[0, 1\]",
        lambda: VideoLoss(L1Loss())(output, target, empty): "something counts",
        lambda: VideoLoss(L1Loss())(output, target, 0.5 * ones, masking="exact"): "in full",
        lambda: VideoLoss(L1Loss())(output, target, masking="exact"): "without a mask",
        lambda: style(output, target[..., :8], ones): "one size",
        lambda: VideoLoss(L1Loss()) + TemporalLoss(L1Loss(), "NTCHW"): "one layout",
    }.items():
        with pytest.raises(InputError, match=message):
            make()


def moving(frames: int = 4, size: int = 16) -> tuple[Tensor, Tensor]:
    """A clip (1, 3, T, size, size) in which all moves 1 down and 2 to the right a frame, and its backward flow."""
    scene = torch.rand(1, 3, 40, 40)
    clip = torch.stack([scene[..., 8 - t : 8 - t + size, 8 - 2 * t : 8 - 2 * t + size] for t in range(frames)], dim=2)
    return clip, torch.tensor([-2.0, -1.0]).view(1, 2, 1, 1, 1).expand(1, 2, frames - 1, size, size)


@pytest.mark.parametrize("inner", [MSELoss(), FEATURES, GreyLoss(L1Loss(), channels=3)])
def test_what_moves_as_the_flow_says_is_no_flicker(inner: Loss) -> None:
    clip, flow = moving()
    for options in ({}, {"chunk": 2}, {"share": 0.5}):
        loss = WarpingLoss(inner, **options)  # type: ignore[arg-type]
        still, no_motion = loss(clip, flow), loss(clip, 0 * flow)
        assert float(no_motion) > 0.01
        assert float(still) < (0.3 if inner is FEATURES else 1e-4) * float(no_motion)  # features see the picture's edge
    sign = 0.1 * torch.tensor([1.0, -1.0, 1.0, -1.0]).view(1, 1, 4, 1, 1)
    assert float(WarpingLoss(MSELoss())(clip + sign, flow)) == pytest.approx(0.04, rel=1e-4)
    turned = WarpingLoss(L1Loss(), "NTCHW")((clip + sign).transpose(1, 2), flow.transpose(1, 2))
    assert float(turned) == pytest.approx(0.2, rel=1e-4)


def test_along_a_flow_of_whole_pixels_it_is_the_stability_of_styles() -> None:
    before, after = torch.rand(2, 2, 3, 12, 16).double()
    jolt = Jolt(-2, 3, torch.zeros(2, 3, 12, 16))
    flow = torch.tensor([-3.0, 2.0]).view(1, 2, 1, 1, 1).expand(2, 2, 1, 12, 16).double()
    loss = WarpingLoss(MSELoss(), reduction="none")
    torch.testing.assert_close(loss(torch.stack([before, after], dim=2), flow), instability(before, after, jolt))
    assert Shift(-2, 3).inner(after).shape == (2, 3, 10, 13)


def test_what_is_hidden_does_not_count_and_both_frames_get_a_gradient() -> None:
    clip, flow = moving()
    clip[:, :, 2, 4:8, 4:8] = 0.0  # something passes in one frame
    seen = torch.ones(1, 1, 3, 16, 16)
    seen[:, :, 1, 4:8, 4:8] = 0.0
    seen[:, :, 2, 5:9, 6:10] = 0.0
    loss = WarpingLoss(L1Loss())
    assert float(loss(clip, flow, seen)) < 1e-5 < float(loss(clip, flow))
    assert torch.equal(loss(clip, flow, torch.ones(1, 1, 3, 16, 16)), loss(clip, flow))
    for inner in (MSELoss(), FEATURES):
        _, slope = gradient(WarpingLoss(inner), torch.rand_like(clip), flow)
        assert (slope.abs().amax(dim=(0, 1, 3, 4)) > 0).all()
    small, motion = (x[..., :3, :3].double() for x in moving(frames=3))
    assert torch.autograd.gradcheck(lambda x: WarpingLoss(MSELoss())(x, 0.3 * motion), small.clone().requires_grad_())


def test_flows_that_do_not_go_are_refused() -> None:
    clip, flow = moving()
    spot = torch.zeros(1, 1, 3, 16, 16)
    spot[..., 8, 8] = 1.0
    loss = WarpingLoss(L1Loss())
    for make, message in {
        lambda: loss(clip): "no flow",
        lambda: loss(clip, clip): "flow of shape",
        lambda: loss(clip, flow[:, :, :2]): "flow in floating point",
        lambda: loss(clip, flow.long()): "int64",
        lambda: loss(clip, flow.transpose(1, 2)): "NTCHW",
        lambda: WarpingLoss(L1Loss())(clip, flow + 100): "in pixels",
        lambda: loss(
            clip, flow, torch.nn.functional.pad(torch.ones(1, 1, 3, 1, 16), (0, 0, 0, 15))
        ): "something counts",
        lambda: WarpingLoss(FEATURES)(clip, flow, spot, masking="exact"): "region of full weight",
        lambda: WarpingLoss(L1Loss())(255 * clip, flow): "255",
        lambda: loss(clip[:, :, :1], flow[:, :, :1]): "two frames",
    }.items():
        with pytest.raises(InputError, match=message):
            make()
