"""Masks, of every registered loss: what is outside an exact one does not count (ones and empty ones: check_loss)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import grad, vmap
from torchvision.models.vgg import cfgs, make_layers

from perceptualloss.errors import InputError
from perceptualloss.features.architectures import ARCHITECTURES
from perceptualloss.features.base import LossNetwork
from perceptualloss.losses.base import Loss
from perceptualloss.losses.distance import DISTANCES
from perceptualloss.losses.feature import FeatureReconstructionLoss, loss_maps
from perceptualloss.losses.lpips import LPIPS
from perceptualloss.losses.mask import Weights
from perceptualloss.losses.pixel import CharbonnierLoss, L1Loss, MSELoss
from perceptualloss.losses.registry import LOSSES, build_loss, options_of
from perceptualloss.losses.sliced_wasserstein import SlicedWassersteinLoss, sliced_wasserstein
from perceptualloss.losses.ssim import MSSSIMLoss, SSIMLoss
from perceptualloss.losses.style import StyleReconstructionLoss, gram_matrix
from perceptualloss.losses.total_variation import TotalVariationLoss

SHALLOW = ["relu1_2", "relu2_2"]
OPTIONS: dict[str, dict[str, Any]] = {
    "MSSSIMLoss": {"weights": (0.4, 0.6)},
    "VGG16PerceptualLoss": {"resize": None, "weights": None},
    "LatticeLoss": {"threshold": 1.0, "size": 16},
    "LPIPS": {"net": "squeeze", "weights": None},
    "StyleReconstructionLoss": {"network": "compact", "layers": SHALLOW, "halvings": 1},
    "SlicedWassersteinLoss": {"network": "compact", "layers": SHALLOW, "positions": 900},
    "PerceptualLoss": {"network": "compact", "layers": ["relu1_1"], "style_layers": ["relu1_2"], "style_scales": 2},
}
DEEPEST = {  # of losses that no region in a small picture is enough for: what their deepest layer sees, as is published
    **dict.fromkeys(("srgan", "esrgan", "real_esrgan", "dped"), ("5_4", 252)),
    **dict.fromkeys(("uegan", "old_films", "old_films_equal", "gatys"), ("5_1", 156)),
    "LPIPS": ("fire9", 207),
    "johnson_style": ("relu4_3", 106),
}


@pytest.fixture(autouse=True)
def _thin_vgg(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build VGG with a sixteenth of its channels: its reach is the same."""
    for name, configuration in (("vgg16", "D"), ("vgg19", "E")):
        thin = [n if n == "M" else n // 16 for n in cfgs[configuration]]  # type: ignore[operator]
        monkeypatch.setitem(ARCHITECTURES, name, lambda thin=thin: make_layers(thin, batch_norm=False))


def built(name: str, **options: Any) -> Loss:
    torch.manual_seed(1)
    network = {"network": "compact"} if "network" in options_of(name) else {}
    weights = {"weights": None} if "weights" in options_of(name) and not network else {}
    return build_loss(name, **(OPTIONS.get(name, network | weights) | options))


def pictures(height: int, width: int, batch: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(height)
    noise, target = torch.rand(2, batch, 3, height, width, generator=generator).unbind(0)
    return 0.7 * target + 0.3 * noise, target


def rectangle(size: tuple[int, int], top: int, left: int, height: int, width: int) -> Tensor:
    mask = torch.zeros(1, 1, *size)
    mask[..., top : top + height, left : left + width] = 1
    return mask


def value_and_gradient(loss: Loss, output: Tensor, target: Tensor, *mask: Tensor, **options: Any) -> tuple[Any, Tensor]:
    output = output.clone().requires_grad_()
    torch.manual_seed(2)
    values = loss.per_image(output, target, *mask, **options)
    torch.stack([*values.values()]).sum().backward()
    assert output.grad is not None
    return {name: value.detach() for name, value in values.items()}, output.grad


@pytest.mark.parametrize("name", [name for name in LOSSES if name not in DEEPEST and name != "course"])
def test_what_stands_outside_an_exact_mask_changes_no_bit(name: str) -> None:
    size = (66, 70)
    mask = torch.cat([rectangle(size, 0, 6, 60, 60), rectangle(size, 3, 0, 58, 64)])
    mask[:, :, 20, :2] = 0.9  # less than full weight is outside
    output, target = pictures(*size)
    loss = built(name)
    values, gradient = value_and_gradient(loss, output, target, mask, masking="exact")
    noise = torch.rand(2, *output.shape)
    other, other_target = (torch.where(mask == 1, x, r) for x, r in zip((output, target), noise, strict=True))
    same, same_gradient = value_and_gradient(loss, other, other_target, mask, masking="exact")
    assert all(torch.equal(same[term], values[term]) for term in values)
    assert torch.equal(same_gradient, gradient)
    assert (gradient * (mask != 1)).abs().max() == 0
    assert all((gradient[i].abs().max() > 0) for i in range(2))
    whole, _ = value_and_gradient(loss, output, target)
    assert any((whole[term] != values[term]).all() for term in values)


@pytest.mark.parametrize("name", ["L1Loss", "SSIMLoss", "perceptual"])
def test_outside_of_an_exact_mask_may_be_anything_also_on_the_first_call(name: str) -> None:
    mask = rectangle((64, 64), 0, 4, 60, 56)
    output, target = pictures(64, 64)
    expected, gradient = value_and_gradient(built(name), output, target, mask, masking="exact")
    holes = [torch.where(mask == 1, picture, invalid) for picture, invalid in ((output, torch.nan), (target, -1e6))]
    values, same = value_and_gradient(built(name), holes[0], holes[1], mask, masking="exact")
    assert all(torch.equal(values[term], expected[term]) for term in expected)
    assert torch.equal(same, gradient)
    with pytest.raises(InputError, match=r"values in \[0, 1\]"):
        built(name)(*holes, mask)


@pytest.mark.parametrize("name", DEEPEST)
def test_a_region_that_is_too_small_for_a_layer_is_refused_with_the_size_it_needs(name: str) -> None:
    output, target = pictures(80, 80)
    layer, side = DEEPEST[name]
    with pytest.raises(InputError, match=rf"{side} x {side} pixels, as \w*{layer} sees .* picture 0") as error:
        built(name)(output, target, rectangle((80, 80), 1, 1, 78, 78), masking="exact")
    assert "masking='area'" in error.value.remedy


@pytest.mark.parametrize("name", LOSSES)
def test_by_area_pictures_of_a_batch_do_not_meet_and_what_is_far_does_not_count(name: str) -> None:
    output, target = pictures(72, 72)
    masks = torch.cat([rectangle((72, 72), 0, 0, 12, 12), torch.rand(1, 1, 72, 72)])
    loss = built(name).eval()
    both, gradient = value_and_gradient(loss, output, target, masks)
    one, _ = value_and_gradient(loss, output[:1], target[:1], masks[:1])
    for term, values in both.items():
        torch.testing.assert_close(values[:1], one[term], rtol=1e-4, atol=1e-6)
    assert gradient.isfinite().all()
    if name != "LatticeLoss":  # no ripple stands out in the first window
        assert gradient[0, :, :12, :12].abs().max() > 0
    if name not in DEEPEST and name != "course":
        assert gradient[0, :, 60:, 60:].abs().max() == 0


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from([name for name in LOSSES if name not in ("gatys", "johnson_style", "EdgeLoss")]),
    size=st.tuples(st.integers(22, 40), st.integers(22, 40)),
    seed=st.integers(0, 1000),
)
def test_at_any_size_ones_are_no_mask_and_half_a_mask_is_the_mask(name: str, size: tuple[int, int], seed: int) -> None:
    output, target = pictures(*size)
    loss = built(name).eval()
    plain, gradient = value_and_gradient(loss, output, target)
    ones, same = value_and_gradient(loss, output, target, torch.ones(2, 1, *size))
    assert all(torch.equal(ones[term], plain[term]) for term in plain)
    assert torch.equal(same, gradient)
    mask = torch.rand(2, 1, *size, generator=torch.Generator().manual_seed(seed))
    values, _ = value_and_gradient(loss, output, target, mask)
    halves, _ = value_and_gradient(loss, output, target, mask / 2)  # means are weighted, not sums
    for term, value in values.items():
        torch.testing.assert_close(halves[term], value)


@settings(deadline=None, max_examples=15)
@given(data=st.data(), loss=st.sampled_from([MSELoss(), L1Loss(), CharbonnierLoss(), TotalVariationLoss("power", 1)]))
def test_pixel_losses_under_a_rectangle_are_those_of_the_cut_out(data: st.DataObject, loss: Loss) -> None:
    height, width = data.draw(st.integers(4, 24)), data.draw(st.integers(4, 24))
    top, left = data.draw(st.integers(0, height - 2)), data.draw(st.integers(0, width - 2))
    rows, columns = data.draw(st.integers(2, height - top)), data.draw(st.integers(2, width - left))
    output, target = pictures(height, width)
    mask = rectangle((height, width), top, left, rows, columns)
    cut = slice(None), slice(None), slice(top, top + rows), slice(left, left + columns)
    expected, gradient = value_and_gradient(loss, output[cut], target[cut])
    for masking in ("area", "exact"):
        values, own = value_and_gradient(loss, output, target, mask, masking=masking)
        for term in values:
            torch.testing.assert_close(values[term], expected[term])
        torch.testing.assert_close(own[cut], gradient)
        assert (own * (1 - mask)).abs().max() == 0


def test_windows_inside_a_rectangle_are_those_of_the_cut_out() -> None:
    output, target = pictures(48, 52)
    mask, cut = rectangle((48, 52), 8, 4, 32, 40), (..., slice(8, 40), slice(4, 44))
    for loss in (SSIMLoss(), MSSSIMLoss((0.4, 0.6))):
        torch.testing.assert_close(loss(output, target, mask, masking="exact"), loss(output[cut], target[cut]))
        assert loss(output, target, mask) != loss(output[cut], target[cut])  # by area, windows reach out


@pytest.mark.parametrize("name", DISTANCES)
def test_distances_of_weighted_positions(name: str) -> None:
    f, g = torch.randn(2, 2, 5, 6, 7, dtype=torch.float64).unbind(0)
    measure, box = DISTANCES[name], rectangle((6, 7), 1, 2, 4, 3).double()
    cut = (..., slice(1, 5), slice(2, 5))
    torch.testing.assert_close(measure(f, g, Weights.of(box)), measure(f[cut], g[cut], None))
    whole = torch.randint(1, 4, (2, 1, 6, 7)).double()  # a weight of n counts as n positions
    repeated = [
        measure(*(torch.repeat_interleave(x[i].flatten(1), n.flatten().long(), 1)[None, :, None] for x in (f, g)), None)
        for i, n in enumerate(whole)
    ]
    torch.testing.assert_close(measure(f, g, Weights.of(whole)), torch.cat(repeated))
    weights = Weights.of(torch.rand(2, 1, 2, 3, dtype=torch.float64))
    f, g = f[:, :3, :2, :3].clone().requires_grad_(), g[:, :3, :2, :3]
    assert torch.autograd.gradcheck(lambda x: measure(x, g, weights), f)
    assert torch.autograd.gradgradcheck(lambda x: measure(x, g, weights), f)


def test_tiles_add_up_to_the_whole() -> None:
    f, g = torch.randn(2, 1, 5, 6, 8).unbind(0)
    whole = Weights.of(torch.rand(1, 1, 6, 8))
    for name in ("mse", "unit", "half_sum"):
        tiles = [
            DISTANCES[name](f[..., cut], g[..., cut], Weights(whole.positions[..., cut], whole.total))
            for cut in (slice(0, 3), slice(3, 8))
        ]
        torch.testing.assert_close(tiles[0] + tiles[1], DISTANCES[name](f, g, whole))


def test_styles_of_weighted_positions() -> None:
    f, g = torch.randn(2, 2, 5, 6, 7, dtype=torch.float64).unbind(0)
    box, cut = rectangle((6, 7), 1, 2, 4, 3).double(), (..., slice(1, 5), slice(2, 5))
    torch.testing.assert_close(gram_matrix(f, Weights.of(box)), gram_matrix(f[cut]))
    directions = torch.linalg.qr(torch.randn(5, 5, dtype=torch.float64)).Q
    vectors, style = f.flatten(2), g.flatten(2)
    counts = torch.tensor([2, 1] * 21).expand(2, -1)  # masses: the same distribution as with vectors repeated
    twice = [torch.repeat_interleave(x, counts[0], 2) for x in (vectors, style)]
    expected = sliced_wasserstein(twice[0], twice[1], directions)
    found = sliced_wasserstein(vectors, style, directions, counts.double(), counts.double())
    torch.testing.assert_close(found, expected, rtol=0.15, atol=0)  # at fewer quantiles
    shuffled = torch.randperm(42)
    zero = sliced_wasserstein(vectors, vectors[..., shuffled], directions, counts * 1.0, counts[:, shuffled] * 1.0)
    torch.testing.assert_close(zero, torch.zeros_like(zero))


def test_features_by_area_are_weighted_by_the_pixels_under_each_position() -> None:
    output, target = pictures(22, 30)
    mask = torch.rand(2, 1, 22, 30)
    loss = FeatureReconstructionLoss("compact", {"relu2_2": 2.0})
    features, wanted = loss.network(output)["relu2_2"], loss.network(target)["relu2_2"]
    for n, value in enumerate(loss.per_image(output, target, mask)["relu2_2"]):
        total, weights = 0.0, 0.0
        for i in range(11):
            for j in range(15):
                weight = mask[n, 0, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean().item()
                total += weight * (features[n, :, i, j] - wanted[n, :, i, j]).square().mean().item()
                weights += weight
        assert value.item() == pytest.approx(2 * total / weights, rel=1e-5)
    maps = loss_maps(output, target, loss.network, ["relu2_2"], weight=mask)["relu2_2"]
    reduced = mask.unfold(2, 2, 2).unfold(3, 2, 2).mean(dim=(1, 4, 5))
    torch.testing.assert_close(
        2 * maps.sum(dim=(1, 2)) / reduced.sum(dim=(1, 2)), loss.per_image(output, target, mask)["relu2_2"]
    )


def test_a_map_under_a_mask() -> None:
    output, target = pictures(40, 40)
    loss = LPIPS("squeeze", spatial=True, weights=None)
    mask = rectangle((40, 40), 0, 0, 16, 40)
    found, plain = loss(output, target, mask), loss(output, target)
    assert found[..., 32:, :].abs().max() == 0
    torch.testing.assert_close(loss(output, target, torch.ones(1, 1, 40, 40)), plain, rtol=0, atol=0)
    exact = loss_maps(output, target, loss.network, ["relu1_1"], "unit", mask, "exact")["relu1_1"]
    by_area = loss_maps(output, target, loss.network, ["relu1_1"], "unit", mask)["relu1_1"]
    assert (exact[:, 7] == 0).all()  # looks at rows 14 to 16
    assert (by_area[:, 7] > 0).any()
    unmasked = loss_maps(output, target, loss.network, ["relu1_1"], "unit")["relu1_1"]
    torch.testing.assert_close(exact[:, :7], unmasked[:, :7])


def test_what_cannot_be_exact_says_so() -> None:
    output, target = pictures(40, 40)
    mask = rectangle((40, 40), 0, 0, 36, 40)
    resized = FeatureReconstructionLoss("compact", SHALLOW, resize=(32, 32))
    turned = FeatureReconstructionLoss("compact", SHALLOW, augment="geometric")
    normalises = nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.InstanceNorm2d(4))
    other = FeatureReconstructionLoss(LossNetwork(normalises, ["1"]), ["1"])
    for loss, message in (
        (resized, r"got resize=\(32, 32\)"),
        (turned, "got augment="),
        (other, "chain such as vgg16"),
    ):
        assert loss(output, target, mask) > 0
        with pytest.raises(InputError, match=message):
            loss(output, target, mask, masking="exact")
    shifted = FeatureReconstructionLoss("compact", SHALLOW, augment="shift")
    assert shifted(output, target, mask, masking="exact") > 0


def test_a_fixed_style_counts_whole_and_a_target_lies_under_the_mask() -> None:
    output, target = pictures(24, 24)
    mask = rectangle((24, 24), 0, 0, 24, 12)
    for kind in (StyleReconstructionLoss, SlicedWassersteinLoss):
        fixed = kind("compact", SHALLOW, style=torch.rand(3, 30, 20)).eval()
        assert fixed(output, None, mask) > 0
        free = kind("compact", SHALLOW).eval()
        assert free(target, target, mask) == 0
        assert free(output, target[:1], torch.rand(2, 1, 24, 24)) > 0
        with pytest.raises(InputError, match="style="):
            free(output, torch.rand(1, 3, 30, 30), mask)


def test_chunks_and_recomputing_with_masks_give_the_same() -> None:
    output, target = pictures(32, 32, 3)
    masks = torch.rand(3, 1, 32, 32)
    build: Callable[..., Loss] = lambda **options: build_loss(  # noqa: E731
        "PerceptualLoss", network="compact", layers=["relu2_2"], style_layers=["relu1_2"], **options
    )
    expected, gradient = value_and_gradient(build(), output, target, masks)
    for options in ({"chunk": 2}, {"checkpoint": True}):
        values, own = value_and_gradient(build(**options), output, target, masks)
        for term in values:
            torch.testing.assert_close(values[term], expected[term])
        torch.testing.assert_close(own, gradient)


def test_compiled_in_one_graph_and_an_empty_mask_gives_no_nan_there() -> None:
    output, target = pictures(20, 20)
    loss = FeatureReconstructionLoss("compact", ["relu1_2"], "unit") + SSIMLoss() + L1Loss()
    torch.compiler.reset()
    compiled = torch.compile(loss, backend="eager", fullgraph=True)
    masks = torch.cat([torch.ones(1, 1, 20, 20), rectangle((20, 20), 0, 0, 20, 18)])
    for masking in ("area", "exact"):
        output = output.detach().requires_grad_()
        expected = loss(output, target, masks, masking=masking)
        torch.testing.assert_close(compiled(output, target, masks, masking=masking), expected)
        compiled(output, target, masks * torch.tensor([1.0, 0.0]).view(2, 1, 1, 1), masking=masking).backward()
        assert output.grad is not None
        assert output.grad.isfinite().all()
        assert output.grad[0].abs().max() > 0
        assert output.grad[1].abs().max() == 0


@pytest.mark.parametrize("name", ["perceptual", "SSIMLoss", "StyleReconstructionLoss", "SlicedWassersteinLoss"])
def test_under_torch_func(name: str) -> None:
    output, target = pictures(24, 24)
    masks = torch.rand(2, 1, 24, 24)
    loss = built(name).eval()

    def one(output: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        return loss(output[None], target[None], mask[None])

    each = vmap(grad(one), randomness="same")(output, target, masks)
    _, expected = value_and_gradient(loss, output, target, masks)
    torch.testing.assert_close(each, expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item())


@settings(deadline=None, max_examples=60)
@given(height=st.integers(1, 300), width=st.integers(1, 300))
def test_the_scale_of_ones_is_one_at_any_size(height: int, width: int) -> None:
    assert Weights.of(torch.ones(1, 1, height, width)).scale().item() == 1  # 49 * (1 / 49) is not


def test_an_unusable_mask_says_what_to_do() -> None:
    output, target = pictures(8, 11)
    ones = torch.ones(2, 1, 8, 11)
    for mask, remedy in (
        (ones[:, 0], r"mask.unsqueeze\(1\)"),
        (ones.expand(-1, 3, -1, -1), r"mask\[:, :1\]"),
        (ones[..., :-1], "of shape"),
        (ones.numpy(), "ndarray"),
        (ones * 255, "by 255"),
        (ones - 2, r"\[0, 1\]"),
        (ones * torch.nan, r"\[0, 1\]"),
        (ones.to(torch.uint8), r"mask.float\(\)"),
        (ones * torch.tensor([0.0, 1.0]).view(2, 1, 1, 1), "got an empty one for picture 0"),
    ):
        with pytest.raises(InputError, match=remedy):
            L1Loss()(output, target, mask)
    with pytest.raises(InputError, match="Did you mean 'exact'"):
        L1Loss()(output, target, ones, masking="exat")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no masking without a mask"):
        L1Loss()(output, target, masking="exact")
    torch.testing.assert_close(L1Loss()(output, target, ones > 0), L1Loss()(output, target))
    with pytest.raises(InputError, match="a window of SSIM"):
        SSIMLoss()(*pictures(12, 12), rectangle((12, 12), 0, 0, 2, 2))


def test_a_loss_of_ones_own_without_a_mask_refuses_one() -> None:
    class Plain(Loss):
        def _per_image(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
            return {"plain": (output - target).abs().mean(dim=(1, 2, 3))}

    output, target = pictures(8, 11)
    assert Plain()(output, target) > 0
    for loss in (Plain(), L1Loss() + Plain()):
        with pytest.raises(InputError, match=r"no mask .* Plain"):
            loss(output, target, torch.ones(1, 1, 8, 11))
