import math
from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.losses.base import Loss
from perceptualloss.losses.feature import FeatureReconstructionLoss
from perceptualloss.losses.perceptual import PerceptualLoss
from perceptualloss.losses.pixel import CharbonnierLoss, L1Loss, MSELoss
from perceptualloss.losses.ssim import SSIMLoss
from perceptualloss.losses.style import StyleReconstructionLoss
from perceptualloss.losses.temporal import TemporalLoss
from perceptualloss.losses.total_variation import TotalVariationLoss
from perceptualloss.losses.video import VideoLoss
from perceptualloss.losses.volume import VolumeLoss, slices
from perceptualloss.losses.wrapped import GreyLoss
from perceptualloss.training.randomness import seed_all

FEATURES = PerceptualLoss("compact", {"relu1_2": 1.0, "relu2_1": 0.5}, "l1")
INNER: dict[str, Loss] = {
    "l1": L1Loss(),
    "features": FEATURES,
    "sum": FEATURES + 0.5 * MSELoss(),
    "ssim": SSIMLoss(),
    "style": StyleReconstructionLoss("compact", ["relu1_2"]),
}


def pair(*shape: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    output, target = torch.rand(2, *shape, generator=generator).unbind(0)
    return output, target


@pytest.mark.parametrize("name", INNER)
def test_a_video_is_the_mean_over_its_frames_in_both_layouts(name: str) -> None:
    inner, (output, target) = INNER[name], pair(2, 3, 3, 16, 20)
    loss = VideoLoss(inner, layout="NTCHW")
    terms = loss.per_image(output, target)
    frames = [inner.per_image(output[:, t], target[:, t]) for t in range(3)]
    assert list(terms) == list(frames[0])
    for term, value in terms.items():
        torch.testing.assert_close(value, torch.stack([frame[term] for frame in frames]).mean(dim=0))
    turned = VideoLoss(inner)  # NCTHW
    for term, value in turned.per_image(output.transpose(1, 2), target.transpose(1, 2)).items():
        assert torch.equal(value, terms[term])


@settings(deadline=None, max_examples=25)
@given(
    n=st.integers(1, 3),
    frames=st.integers(1, 5),
    height=st.integers(1, 6),
    chunk=st.integers(1, 6),
    seed=st.integers(0),
)
def test_of_any_shape_and_chunk(n: int, frames: int, height: int, chunk: int, seed: int) -> None:
    output, target = pair(n, 3, frames, height, 4, seed=seed % 2**31)
    expected = (output - target).abs().mean(dim=(1, 2, 3, 4))
    found = VideoLoss(L1Loss(), chunk=chunk, reduction="none")(output, target)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("options", [{"chunk": 1}, {"chunk": 2}, {"checkpoint": True}])
def test_chunks_change_neither_value_nor_gradient(options: dict[str, int]) -> None:
    output, target = pair(2, 3, 5, 16, 16)
    results = []
    for loss in (VideoLoss(INNER["sum"]), VideoLoss(INNER["sum"], **options)):  # type: ignore[arg-type]
        leaf = output.clone().requires_grad_()
        value = loss(leaf, target)
        value.backward()
        results.append((value.detach(), leaf.grad))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-6, atol=1e-7)


def kept(loss: Loss, output: Tensor, target: Tensor) -> int:
    """Bytes that autograd keeps for the backward pass."""
    found: dict[int, int] = {}

    def pack(x: Tensor) -> Tensor:
        found[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        value = loss(output.requires_grad_(), target)
    assert value.requires_grad
    return sum(found.values())


def test_checkpointed_chunks_keep_nothing_but_their_input() -> None:
    output, target = pair(1, 3, 6, 16, 16)
    whole = kept(VideoLoss(FEATURES), output.clone(), target)
    small = kept(VideoLoss(FEATURES, chunk=2), output.clone(), target)
    assert small < 8 * (output.nbytes + target.nbytes) < whole / 5


def test_a_share_is_the_loss_of_just_those_frames() -> None:
    output, target = pair(2, 3, 8, 12, 12)
    loss = VideoLoss(FEATURES, share=0.25, reduction="none")
    torch.manual_seed(7)
    value = loss(output, target)
    torch.manual_seed(7)
    chosen = loss._draw(loss.frames(output))
    assert chosen.shape == (2, 2)
    for n, frames in enumerate(chosen.tolist()):
        assert frames == sorted(set(frames))
        alone = FEATURES(output[n, :, frames].transpose(0, 1), target[n, :, frames].transpose(0, 1))
        torch.testing.assert_close(value[n], alone)
    assert loss(output, target).ne(value).any()  # drawn anew
    seeded = []
    for _ in range(2):
        seed_all(0, 3, 0)  # as SeededSteps does before a step
        seeded.append(loss(output, target))
    assert torch.equal(*seeded)


def test_after_eval_the_same_frames_are_compared_every_time() -> None:
    output, target = pair(1, 3, 9, 8, 8)
    loss = VideoLoss(L1Loss(), share=0.3).eval()
    before = torch.get_rng_state()
    assert torch.equal(loss(output, target), loss(output, target))
    assert torch.equal(torch.get_rng_state(), before)


def test_every_set_of_frames_is_as_likely_as_any_other() -> None:
    clip, zero = torch.rand(600, 3, 4, 1, 1), torch.zeros(600, 3, 4, 1, 1)
    torch.manual_seed(0)
    drawn = VideoLoss(L1Loss(), share=0.5)._draw(clip.transpose(1, 2)).tolist()
    counts = [drawn.count(list(frames)) for frames in combinations(range(4), 2)]
    assert sum(counts) == 600
    assert max(abs(count - 100) for count in counts) < 4.5 * math.sqrt(600 * 1 / 6 * 5 / 6)
    one = clip[:1]  # the mean over all sets is the loss of the whole
    means = [
        L1Loss()(one[0, :, list(f)].transpose(0, 1), zero[0, :, :2].transpose(0, 1)) for f in combinations(range(4), 2)
    ]
    torch.testing.assert_close(torch.stack(means).mean(), VideoLoss(L1Loss())(one, zero[:1]))


def test_gradcheck_in_64_bits() -> None:
    output, target = (x.double() for x in pair(1, 3, 3, 2, 2))
    for loss in (VideoLoss(MSELoss(), chunk=2), VideoLoss(CharbonnierLoss(), share=0.5).eval()):
        assert torch.autograd.gradcheck(lambda x, loss=loss: loss(x, target), output.clone().requires_grad_())


def test_it_is_a_loss_as_any_other() -> None:
    output, target = pair(2, 3, 4, 12, 12)
    loss = 2 * VideoLoss(FEATURES) + VideoLoss(L1Loss(), share=0.5)
    assert list(loss.terms(output, target)) == ["video/feature/relu1_2", "video/feature/relu2_1", "video_2"]
    assert loss(target, target) == 0
    assert repr(VideoLoss(L1Loss(), "NTCHW", share=0.5)) == "VideoLoss(loss=L1Loss(), layout='NTCHW', share=0.5)"
    assert VideoLoss(L1Loss(reduction="sum")).reduction == "sum"
    assert VideoLoss(L1Loss(), reduction="none")(output, target).shape == (2,)
    smooth = VideoLoss(TotalVariationLoss())
    assert not smooth.needs_target
    torch.testing.assert_close(smooth(output), smooth(output, target))
    two = VideoLoss(FEATURES) + VideoLoss(FeatureReconstructionLoss("compact", ["relu2_1"]))
    networks = {id(part.network) for part in two.modules() if hasattr(part, "network")}
    assert len(networks) == 1
    style = VideoLoss(INNER["style"])
    one = style(output, target[:1, :, :, :8])  # one clip of another size for all
    torch.testing.assert_close(one, style(output, target[:1, :, :, :8].expand(2, -1, -1, -1, -1)))


@pytest.mark.parametrize(
    ("loss", "channels"),
    [(VideoLoss(L1Loss(), chunk=2) + TemporalLoss(L1Loss(), chunk=1), 3), (VolumeLoss(GreyLoss(MSELoss())), 1)],
)
def test_it_compiles_into_one_graph(loss: Loss, channels: int) -> None:
    output, target = pair(1, channels, 3, 8, 8)
    compiled = torch.compile(loss, fullgraph=True, backend="eager")
    mask = torch.ones_like(output[:, :1])
    mask[..., :3] = 0.5
    mask[:, :, 0] = 0
    found = []
    for call in (compiled, loss):
        leaf = output.clone().requires_grad_()
        value = call(leaf, target, mask)
        value.backward()
        found.append((value.detach(), leaf.grad))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("shape", "layout", "remedy"),
    [
        ((2, 4, 3, 8, 8), "NCTHW", 'layout="NTCHW"'),
        ((2, 3, 4, 8, 8), "NTCHW", 'layout="NCTHW"'),
        ((2, 4, 8, 8, 3), "NTCHW", "permute"),
        ((2, 1, 4, 8, 8), "NCTHW", "GreyLoss"),
        ((2, 3, 8, 8), "NCTHW", "unsqueeze"),
        ((2, 3, 0, 8, 8), "NCTHW", "at least one"),
    ],
)
def test_another_layout_is_refused_where_it_can_be_told(shape: tuple[int, ...], layout: str, remedy: str) -> None:
    with pytest.raises(InputError, match=remedy):
        VideoLoss(L1Loss(), layout)(torch.rand(shape), torch.rand(shape))  # type: ignore[arg-type]


def test_what_does_not_go_is_said() -> None:
    clip = torch.rand(1, 3, 4, 8, 8)
    for make, message in {
        lambda: VideoLoss(L1Loss(), "TCHW"): "layout",  # type: ignore[arg-type]
        lambda: VideoLoss(L1Loss(), share=0.0): "share",
        lambda: VideoLoss(L1Loss(), share=2): "share",
        lambda: VideoLoss(L1Loss(), chunk=0): "chunk",
        lambda: VideoLoss(VideoLoss(L1Loss())): "single pictures",
        lambda: VideoLoss("l1"): "a loss of this package",  # type: ignore[arg-type]
        lambda: VideoLoss(L1Loss()) + L1Loss(): "same channels",
        lambda: L1Loss()(clip, clip): "VideoLoss",
        lambda: VideoLoss(L1Loss())(clip, clip * 255): "255",
        lambda: VideoLoss(L1Loss())(clip, clip[:, :, :3]): "same shape",
        lambda: VideoLoss(L1Loss())(clip): "no target",
        lambda: VideoLoss(INNER["style"])(clip, clip[:, :, :3]): "as many frames",
    }.items():
        with pytest.raises(InputError, match=message):
            make()


def test_a_grey_picture_is_one_of_three_equal_channels() -> None:
    output, target = pair(2, 1, 16, 16)
    grey = GreyLoss(FEATURES)
    leaf = output.clone().requires_grad_()
    grey(leaf, target).backward()
    shown = output.expand(-1, 3, -1, -1).clone().requires_grad_()
    FEATURES(shown, target.expand(-1, 3, -1, -1)).backward()
    assert torch.equal(grey(output, target), FEATURES(shown, target.expand(-1, 3, -1, -1)))
    assert leaf.grad is not None
    assert shown.grad is not None
    torch.testing.assert_close(leaf.grad, shown.grad.sum(dim=1, keepdim=True))
    clip, clip_target = pair(1, 1, 3, 12, 12)
    in_rgb = (x.expand(-1, 3, -1, -1, -1) for x in (clip, clip_target))
    torch.testing.assert_close(VideoLoss(grey)(clip, clip_target), VideoLoss(FEATURES)(*in_rgb))


def test_several_channels_are_grey_pictures_each() -> None:
    output, target = pair(2, 4, 12, 12)
    value = GreyLoss(FEATURES, channels=4, reduction="none")(output, target)
    alone = [GreyLoss(FEATURES, reduction="none")(output[:, c : c + 1], target[:, c : c + 1]) for c in range(4)]
    torch.testing.assert_close(value, torch.stack(alone).mean(dim=0))
    style = GreyLoss(INNER["style"], channels=4)
    torch.testing.assert_close(style(output, target[:1]), style(output, target[:1].expand(2, -1, -1, -1)))
    volume = VolumeLoss(GreyLoss(L1Loss(), channels=4), axes={"depth": 1.0})
    stack = pair(2, 4, 3, 5, 6)
    torch.testing.assert_close(volume(*stack), L1Loss()(*(x.reshape(-1, 1, 5, 6).expand(-1, 3, -1, -1) for x in stack)))


def test_one_channel_is_asked_for() -> None:
    grey, rgb, clip = torch.rand(1, 1, 8, 8), torch.rand(1, 3, 8, 8), torch.rand(1, 3, 4, 8, 8)
    for make, message in {
        lambda: L1Loss()(grey, grey): "GreyLoss",
        lambda: GreyLoss(L1Loss())(rgb, rgb): "RGB",
        lambda: GreyLoss(GreyLoss(L1Loss())): "RGB",
        lambda: GreyLoss(L1Loss("imagenet")): "imagenet",
        lambda: GreyLoss(L1Loss(), channels=0): "channels",
        lambda: GreyLoss(L1Loss())(grey, 255 * grey): "255",
        lambda: GreyLoss(L1Loss()) + L1Loss(): "same channels",
        lambda: VideoLoss(GreyLoss(L1Loss()))(clip, clip): "leave GreyLoss",
    }.items():
        with pytest.raises(InputError, match=message):
            make()


@pytest.mark.parametrize("inner", [GreyLoss(L1Loss()), GreyLoss(FEATURES)])
def test_a_volume_is_the_sum_over_axes_of_the_mean_over_slices(inner: Loss) -> None:
    output, target = pair(2, 1, 6, 8, 10)
    loss = VolumeLoss(inner, chunk=4)
    terms = loss.per_image(output, target)
    expected = 0
    for axis, dim in {"depth": 2, "height": 3, "width": 4}.items():
        cut = [inner.per_image(o, t) for o, t in zip(output.unbind(dim), target.unbind(dim), strict=True)]
        for name in cut[0]:
            value = torch.stack([values[name] for values in cut]).mean(dim=0)
            torch.testing.assert_close(terms[axis if len(cut[0]) == 1 else f"{axis}/{name}"], value)
            expected = expected + value
    torch.testing.assert_close(VolumeLoss(inner, reduction="none")(output, target), expected)
    weighted = VolumeLoss(inner, {"height": 0.5, "width": 2.0}).terms(output, target)
    torch.testing.assert_close(
        sum(weighted.values()),
        sum(
            factor * value.mean()
            for axis, factor in (("height", 0.5), ("width", 2.0))
            for name, value in terms.items()
            if name.startswith(axis)
        ),
    )


def test_a_share_of_slices_and_what_a_volume_refuses() -> None:
    output, target = pair(1, 3, 8, 8, 8)
    loss = VolumeLoss(L1Loss(), "height", share=0.25)
    torch.manual_seed(1)
    value = loss(output, target)
    torch.manual_seed(1)
    chosen = loss._draw(slices(output, "height"))[0].tolist()
    torch.testing.assert_close(value, (output - target)[:, :, :, chosen].abs().mean())
    assert repr(loss) == "VolumeLoss(loss=L1Loss(), axes=('height',), share=0.25)"
    for make, message in {
        lambda: VolumeLoss(L1Loss(), ("depth", "length")): "axis",
        lambda: VolumeLoss(L1Loss(), ()): "layers|axes",
        lambda: loss(output[:, :1], target[:, :1]): "GreyLoss",
        lambda: loss(output, target[:, :, :4]): "same shape",
        lambda: loss.check(output, target * 255): "255",
    }.items():
        with pytest.raises(InputError, match=message):
            make()
