"""Pictures as frequencies and back."""

from __future__ import annotations

import pytest
import torch

from perceptualloss.apply.optimize_picture import SPACES, Space, from_frequencies, noise, to_frequencies


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("size", [(8, 8), (7, 12), (9, 5)])
def test_there_and_back_is_the_same_picture(space: str, size: tuple[int, int]) -> None:
    to_picture, to_parameters = SPACES[space]
    picture = torch.rand(2, 3, *size)
    assert torch.allclose(to_picture(to_parameters(picture), size), picture, atol=1e-5)


def test_a_unit_of_a_low_frequency_is_more_of_the_picture_than_one_of_a_high_frequency() -> None:
    change = {}
    for row in (1, 8):
        parameters = to_frequencies(torch.full((1, 3, 16, 16), 0.5))
        parameters[0, 0, row, 0, 0] += 1
        change[row] = (from_frequencies(parameters, (16, 16)) - 0.5).abs().max().item()
    assert change[1] > 3 * change[8]  # a wave of the height's frequency 8 stands alone, others with their mirror


@pytest.mark.parametrize("space", SPACES)
def test_noise_is_grey_on_the_whole_and_repeats_itself(space: Space) -> None:
    found = noise((64, 48), seed=3, space=space)
    assert torch.equal(found, noise((64, 48), seed=3, space=space))
    assert not torch.equal(found, noise((64, 48), seed=4, space=space))
    assert found.mean().item() == pytest.approx(0.5, abs=0.1)
    assert 0 < found.std() < 0.2


def test_noise_in_frequencies_is_smooth() -> None:
    rough, smooth = noise((64, 48), 0), noise((64, 48), 0, "frequencies")
    assert rough.diff(dim=2).std() / rough.std() == pytest.approx(2**0.5, rel=0.1)  # independent pixels
    assert smooth.diff(dim=2).std() < smooth.std()
