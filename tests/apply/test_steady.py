from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from perceptualloss.apply.steady import Steady, steady, unchanged
from perceptualloss.errors import InputError


def test_unchanged_is_one_where_nothing_changes_and_zero_where_something_moves() -> None:
    frame = torch.rand(1, 3, 20, 30)
    assert torch.equal(unchanged(frame, frame), torch.ones(1, 1, 20, 30))
    moved = frame.clone()
    moved[..., :10] = 1 - moved[..., :10].round()
    found = unchanged(moved, frame)
    assert found[..., :8].max() < 0.01
    assert found[..., 12:].min() == 1
    noisy = (frame + 0.01 * torch.randn_like(frame)).clamp(0, 1)
    assert unchanged(noisy, frame).min() > 0.8


@pytest.mark.parametrize("smooth", [0.0, 0.5, 1.0])
def test_still_places_are_blended_and_moving_ones_are_not(smooth: float) -> None:
    before, frame = torch.full((2, 1, 3, 12, 12), 0.2)
    frame = frame.clone()
    frame[..., :6] = 0.9
    old, new = torch.zeros(1, 3, 12, 12), torch.ones(1, 3, 12, 12)
    shown, stands_for = steady(new, frame, (old, before), smooth)
    assert torch.equal(shown[..., :3], new[..., :3])  # no ghost
    torch.testing.assert_close(shown[..., 9:], torch.full((1, 3, 12, 3), 1 - smooth))
    torch.testing.assert_close(stands_for, frame)


def test_flicker_over_a_still_video_becomes_less() -> None:
    frame = torch.rand(1, 3, 16, 16)
    paintings = [0.5 + 0.1 * torch.randn(1, 3, 16, 16) for _ in range(12)]

    def flicker(smooth: float) -> float:
        calm = Steady(smooth)
        shown = [calm(painting, frame) for painting in paintings]
        return sum((a - b).abs().mean().item() for a, b in pairwise(shown))

    assert flicker(0.0) > 2 * flicker(0.6) > 2 * flicker(0.9)


def test_slow_changes_add_up_until_they_show() -> None:
    """A fade of 1/255 a frame, which is never a change from one frame to the next."""
    calm = Steady(1.0)
    shown = [calm(frame, frame) for frame in (torch.full((1, 3, 6, 6), step / 255) for step in range(100))]
    assert (shown[-1] - 99 / 255).abs().max() < 0.06


def test_wrong_arguments() -> None:
    frame = torch.rand(1, 3, 6, 6)
    with pytest.raises(InputError, match="from 0 to 1"):
        steady(frame, frame, (frame, frame), 1.5)
    with pytest.raises(InputError, match="same shape"):
        steady(frame, frame, (frame, frame[..., :3]), 0.5)
