import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.losses.base import Loss
from perceptualloss.losses.feature import FeatureReconstructionLoss
from perceptualloss.losses.lpips import LPIPS
from perceptualloss.losses.motion import Shift, inside, visible, warp
from perceptualloss.losses.pixel import CharbonnierLoss, L1Loss, MSELoss
from perceptualloss.losses.ssim import SSIMLoss
from perceptualloss.losses.temporal import TemporalLoss
from perceptualloss.losses.video import VideoLoss
from perceptualloss.losses.wrapped import GreyLoss

FEATURES = FeatureReconstructionLoss("compact", {"relu1_2": 1.0, "relu2_1": 0.5}, "l1")
INNER: dict[str, Loss] = {
    "mse": MSELoss(),
    "l1": L1Loss(),
    "features": FEATURES,
    "grey features": GreyLoss(FEATURES),
    "two channels": GreyLoss(L1Loss(), channels=2),
}


def pair(*shape: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    output, target = torch.rand(2, *shape, generator=torch.Generator().manual_seed(seed)).unbind(0)
    return output, target


def channels(loss: Loss) -> int:
    return loss.channels or 3


@settings(deadline=None, max_examples=15)
@given(size=st.floats(-0.5, 0.5), seed=st.integers(0, 2**31), frames=st.integers(2, 6))
def test_a_still_error_is_none_and_flicker_counts_what_it_changes(size: float, seed: int, frames: int) -> None:
    target = torch.rand(1, 3, frames, 4, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    sign = torch.tensor([1.0, -1.0] * 3)[:frames].double().view(1, 1, -1, 1, 1)
    places = torch.rand(1, 3, 1, 4, 5, dtype=torch.float64)
    assert float(TemporalLoss(L1Loss())(target + size * places, target)) < 1e-15
    assert float(TemporalLoss(L1Loss())(target + size * sign, target)) == pytest.approx(2 * abs(size), abs=1e-12)
    assert float(TemporalLoss(MSELoss())(target + size * sign, target)) == pytest.approx(4 * size**2, abs=1e-12)


@pytest.mark.parametrize("name", INNER)
def test_it_is_the_distance_of_changes_frame_by_frame(name: str) -> None:
    inner = INNER[name]
    output, target = pair(2, channels(inner), 4, 12, 16)
    rgb = inner.loss if isinstance(inner, GreyLoss) else inner
    shown = [x.transpose(1, 2).flatten(0, 1) for x in (output, target)]
    if isinstance(inner, GreyLoss):
        shown = [x.flatten(0, 1)[:, None].expand(-1, 3, -1, -1) for x in shown]
    expected = 0
    kinds = rgb.layers.items() if isinstance(rgb, FeatureReconstructionLoss) else [("pixels", 1.0)]
    for layer, weight in kinds:
        seen = [rgb.network(x)[layer] if isinstance(rgb, FeatureReconstructionLoss) else x for x in shown]
        changes = [
            x.unflatten(0, (2, 4, channels(inner) if isinstance(inner, GreyLoss) else 1)).diff(dim=1) for x in seen
        ]
        apart = changes[0] - changes[1]
        apart = apart.square() if isinstance(rgb, MSELoss) else apart.abs()
        expected = expected + weight * apart.flatten(1).mean(dim=1)
    found = TemporalLoss(inner, reduction="none")(output, target)
    torch.testing.assert_close(found, expected)
    turned = TemporalLoss(inner, "NTCHW", reduction="none")(output.transpose(1, 2), target.transpose(1, 2))
    assert torch.equal(turned, found)
    assert TemporalLoss(inner)(target, target) == 0


@pytest.mark.parametrize("options", [{"chunk": 1}, {"chunk": 2}, {"checkpoint": True}, {"chunk": 9}])
def test_chunks_change_neither_value_nor_gradient(options: dict[str, int]) -> None:
    output, target = pair(2, 3, 6, 12, 12)
    results = []
    for loss in (TemporalLoss(FEATURES), TemporalLoss(FEATURES, **options)):  # type: ignore[arg-type]
        leaf = output.clone().requires_grad_()
        value = loss(leaf, target)
        value.backward()
        results.append((value.detach(), leaf.grad))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-6, atol=1e-7)


def test_a_share_is_the_mean_over_just_those_pairs() -> None:
    output, target = pair(2, 3, 9, 12, 12)
    loss = TemporalLoss(FEATURES, share=0.25, chunk=3, reduction="none")
    torch.manual_seed(3)
    value = loss(output, target)
    torch.manual_seed(3)
    chosen = loss._draw(torch.empty(2, 8))
    assert chosen.shape == (2, 2)
    for n, first in enumerate(chosen.tolist()):
        alone = [
            TemporalLoss(FEATURES)(output[n : n + 1, :, t : t + 2], target[n : n + 1, :, t : t + 2]) for t in first
        ]
        torch.testing.assert_close(value[n], torch.stack(alone).mean())


def test_gradcheck_in_64_bits() -> None:
    output, target = (x.double() for x in pair(1, 3, 4, 2, 2))
    for inner in (MSELoss(), CharbonnierLoss()):
        loss = TemporalLoss(inner)
        assert torch.autograd.gradcheck(lambda x, loss=loss: loss(x, target), output.clone().requires_grad_())


def test_it_is_a_loss_as_any_other() -> None:
    output, target = pair(2, 3, 4, 12, 12)
    loss = VideoLoss(FEATURES + L1Loss()) + 10 * TemporalLoss(FEATURES) + TemporalLoss(L1Loss())
    assert list(loss.terms(output, target)) == [
        "video/feature_reconstruction/relu1_2",
        "video/feature_reconstruction/relu2_1",
        "video/l1",
        "temporal/relu1_2",
        "temporal/relu2_1",
        "temporal_2",
    ]
    assert torch.equal(loss(output, loss.prepare(target)), loss(output, target))
    assert repr(TemporalLoss(L1Loss(), "NTCHW")) == "TemporalLoss(loss=L1Loss(), layout='NTCHW')"
    half = TemporalLoss(L1Loss())(output.bfloat16(), target.bfloat16())
    assert half.dtype == torch.float32


def test_what_does_not_go_is_said() -> None:
    clip = torch.rand(1, 3, 4, 8, 8)
    for make, message in {
        lambda: TemporalLoss(SSIMLoss()): "MSELoss, L1Loss",
        lambda: TemporalLoss(LPIPS("squeeze", weights=None)): "MSELoss, L1Loss",
        lambda: TemporalLoss(0.5 * L1Loss()): "scale outside",
        lambda: TemporalLoss(FeatureReconstructionLoss("compact", None, "unit")): "normalise",
        lambda: TemporalLoss(FeatureReconstructionLoss("compact", augment="geometric")): "augment",
        lambda: TemporalLoss(FeatureReconstructionLoss("compact", chunk=2)): "Say it of TemporalLoss",
        lambda: TemporalLoss(L1Loss())(clip[:, :, :1], clip[:, :, :1]): "two frames",
        lambda: TemporalLoss(L1Loss())(clip, clip[..., :4]): "same shape",
        lambda: TemporalLoss(L1Loss())(clip.transpose(1, 2), clip.transpose(1, 2)): "NTCHW",
        lambda: TemporalLoss(L1Loss())(clip): "no target",
    }.items():
        with pytest.raises(InputError, match=message):
            make()


@settings(deadline=None, max_examples=30)
@given(down=st.integers(-3, 3), right=st.integers(-3, 3), height=st.integers(4, 9), width=st.integers(4, 9))
def test_a_flow_of_whole_pixels_is_a_shift(down: int, right: int, height: int, width: int) -> None:
    pictures, shift = torch.rand(2, 3, height, width), Shift(down, right)
    backward = torch.tensor([-float(right), -float(down)]).view(1, 2, 1, 1).expand(2, 2, height, width)
    torch.testing.assert_close(shift.inner(warp(pictures, backward)), shift.still(pictures))
    seen = inside(backward)
    assert shift.inner(seen).min() == 1
    assert float(seen.sum()) == shift.inner(seen).numel()


def test_a_flow_of_fractions_is_bilinear_and_an_unknown_one_is_outside() -> None:
    rows, columns = torch.arange(5.0).view(5, 1), torch.arange(7.0)
    picture = (2 * rows + 3 * columns).view(1, 1, 5, 7)
    flow = torch.tensor([0.25, -0.5]).view(1, 2, 1, 1).repeat(1, 1, 5, 7)
    torch.testing.assert_close(warp(picture, flow)[..., 1:, :-1], (picture + 0.75 - 1.0)[..., 1:, :-1])
    assert inside(flow)[0, 0].tolist() == [[0.0] * 7] + [[1.0] * 6 + [0.0]] * 4
    flow[..., 2, 2] = torch.inf
    flow[..., 3, 3] = torch.nan
    assert warp(picture, flow).isfinite().all()
    assert inside(flow)[0, 0, 2, 2] == inside(flow)[0, 0, 3, 3] == 0
    assert torch.autograd.gradcheck(
        warp,
        (torch.rand(1, 1, 4, 4).double().requires_grad_(), (0.3 * torch.ones(1, 2, 4, 4)).double().requires_grad_()),
    )


def test_what_a_square_hides_is_not_visible() -> None:
    """A square of 4 pixels moves 2 to the right over a still background: 2 columns come out from under it."""
    forward, backward = torch.zeros(2, 1, 2, 12, 12)
    forward[:, 0, 4:8, 2:6] = 2.0
    backward[:, 0, 4:8, 4:8] = -2.0
    seen = visible(backward, forward)[0, 0]
    assert seen[4:8, 2:4].sum() == 0  # what was behind the square
    assert seen[5:7, 5:7].min() == 1  # the square
    assert seen[:3].min() == seen[:, 9:].min() == 1  # the background
    assert visible(torch.full((1, 2, 4, 4), -1.0), torch.full((1, 2, 4, 4), 1.0))[0, 0, 1:, 1:].min() == 1
