from __future__ import annotations

import kornia
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.filters import sobel as sobel_by_scikit_image
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.losses.edge import EdgeLoss, edge_distance, edge_mask, sobel


def pair(seed: int = 1, batch: int = 2, side: int = 9) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    output, target = torch.rand(2, batch, 3, side, side, dtype=torch.float64, generator=generator)
    return output, target


@settings(deadline=None, max_examples=10)
@given(height=st.integers(1, 12), width=st.integers(1, 12), seed=st.integers(0, 99))
def test_sobel_equals_scikit_image_and_kornia(height: int, width: int, seed: int) -> None:
    x = torch.rand(2, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    expected = [[sobel_by_scikit_image(channel) * 2**0.5 for channel in image] for image in x.numpy()]
    np.testing.assert_allclose(sobel(x).numpy(), expected, atol=1e-12)  # scikit-image's is the root *mean* square
    torch.testing.assert_close(sobel(x), 2 * kornia.filters.sobel(x, eps=0))  # its kernels sum to 8


def test_a_step_is_an_edge_of_its_height() -> None:
    step = torch.zeros(1, 3, 6, 8)
    step[..., 4:] = 0.3
    assert sobel(step)[0, 0].tolist() == [pytest.approx([0, 0, 0, 0.3, 0.3, 0, 0, 0])] * 6
    assert edge_mask(step, 0.29, "hard").sum() == 12
    assert edge_mask(step, 0.31, "hard").sum() == 0
    soft = edge_mask(step, 0.3, "soft")
    torch.testing.assert_close(soft, edge_mask(step, 0.29, "hard") / 2)


def test_only_errors_at_edges_of_the_target_count() -> None:
    target = torch.zeros(1, 3, 8, 8)
    target[..., 4:] = 1
    away, at_edge = target.clone(), target.clone()
    away[..., :2] += 0.5
    at_edge[..., 3] += 0.5
    for mask in ("soft", "hard"):
        loss = EdgeLoss(mask=mask)  # type: ignore[arg-type]
        assert loss(away, target).item() == 0
        assert loss(at_edge, target).item() == pytest.approx(0.25)  # one of two columns
        assert loss(target, away).item() > 0  # the target's edges, not the output's
    assert EdgeLoss(mask="hard", distance="mse")(at_edge, target).item() == pytest.approx(0.125)


def test_an_edge_of_one_channel_counts() -> None:
    target = torch.zeros(1, 3, 8, 8)
    target[:, 2, :, 4:] = 1
    assert edge_mask(target, mask="hard").sum() == 16


def test_equals_plain_numpy() -> None:
    output, target = pair()
    strength = np.stack([[sobel_by_scikit_image(c) * 2**0.5 for c in image] for image in target.numpy()]).max(axis=1)
    error = np.abs((output - target).numpy()).mean(axis=1)
    for mask, weight in {"hard": strength > 0.6, "soft": strength**2 / (strength**2 + 0.36)}.items():
        expected = [(w * e).sum() / w.sum() for w, e in zip(weight, error, strict=True)]
        value = EdgeLoss(0.6, mask)(output, target)  # type: ignore[arg-type]
        assert value.item() == pytest.approx(np.mean(expected))


@settings(deadline=None, max_examples=5)
@given(seed=st.integers(0, 2**31), batch=st.integers(1, 4), factor=st.floats(0, 2))
def test_averages_over_images_and_scales_with_the_error(seed: int, batch: int, factor: float) -> None:
    output, target = pair(seed, batch)
    loss = EdgeLoss()
    value = loss(output, target)
    torch.testing.assert_close(edge_distance(output, target, edge_mask(target)).mean(), value)
    torch.testing.assert_close(loss(output.flip(0), target.flip(0)), value)
    torch.testing.assert_close(loss(target + factor * (output - target), target), factor * value)
    assert 0 <= value <= 1


def test_gradient_and_zero_for_equal_and_flat_pictures() -> None:
    output, target = pair(2, 1, 5)
    for distance in ("l1", "mse"):
        loss = EdgeLoss(distance=distance)  # type: ignore[arg-type]
        assert torch.autograd.gradcheck(lambda x, loss=loss: loss(x, target), output.clone().requires_grad_())
        for reference in (target, torch.full_like(target, 0.5)):
            equal = reference.clone().requires_grad_()
            value = loss(equal, reference)
            value.backward()
            assert value.item() == 0
            assert equal.grad is not None
            assert equal.grad.abs().max() == 0
    assert EdgeLoss()(output, torch.full_like(target, 0.5)).item() == 0  # nothing to see


def test_ranges_and_half_precision() -> None:
    output, target = (x.float() for x in pair(side=32))
    value = EdgeLoss()(output, target)
    torch.testing.assert_close(EdgeLoss(input_range=(0, 255))(output * 255, target * 255) / 255, value)
    torch.testing.assert_close(EdgeLoss(input_range=(-1, 1))(output * 2 - 1, target * 2 - 1) / 2, value)
    half = EdgeLoss()(output.bfloat16(), target.bfloat16())
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, value, rtol=0.02, atol=0)


def test_unusable_settings_say_what_to_do() -> None:
    with pytest.raises(InputError, match="Did you mean 'soft'"):
        EdgeLoss(mask="sofd")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="distance"):
        EdgeLoss(distance="l2")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="tenth of white"):
        EdgeLoss(0)


def test_by_default_only_pixels_that_the_mask_marks_count_as_the_source_has_it() -> None:
    output, target = pair(3)
    strength = sobel(target).amax(dim=1, keepdim=True)
    edges = (strength > 0.5).expand(-1, 3, -1, -1)
    errors = [(o - t).abs()[e].mean() for o, t, e in zip(output, target, edges, strict=True)]
    torch.testing.assert_close(EdgeLoss(threshold=0.5)(output, target), torch.stack(errors).mean())
    elsewhere = torch.where(edges, output, torch.rand_like(output))
    torch.testing.assert_close(EdgeLoss(threshold=0.5)(elsewhere, target), EdgeLoss(threshold=0.5)(output, target))
    assert EdgeLoss(0.5, "soft")(elsewhere, target) != EdgeLoss(0.5, "soft")(output, target)
    assert 0.05 < edges.float().mean() < 0.95
