from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perceptualloss.pictures.box import Box, split


@settings(deadline=None, max_examples=30)
@given(top=st.integers(0, 5), height=st.integers(1, 40), width=st.integers(1, 40), side=st.integers(1, 50))
def test_boxes_fill_the_picture_once(top: int, height: int, width: int, side: int) -> None:
    counted = torch.zeros(top + height, 3 + width)
    for box in split(Box(top, top + height, 3, 3 + width), side):
        assert box.side <= side
        box.cut(counted).add_(1)
    assert (counted[top:, 3:] == 1).all()
    assert counted.sum() == height * width


def test_a_grown_box_ends_at_the_pictures_border_and_knows_its_core() -> None:
    images = torch.rand(1, 3, 20, 30)
    box = Box(2, 10, 20, 28)
    outer = box.grown(5, 20, 30)
    assert outer == Box(0, 15, 15, 30)
    assert torch.equal(box.seen_from(outer).cut(outer.cut(images)), box.cut(images))
