"""The colours of one picture under the light of another, against the definition of YIQ."""

from __future__ import annotations

import pytest
import torch
from skimage.color import rgb2yiq

from perceptualloss.errors import InputError
from perceptualloss.pictures.color import keep_colors, luminance_like


def test_luminance_is_the_pictures_and_chrominance_the_contents() -> None:
    picture, content = (0.35 + 0.3 * torch.rand(2, 1, 3, 9, 7, dtype=torch.float64)).unbind(0)
    found = keep_colors(picture, content)
    found_yiq, picture_yiq, content_yiq = (rgb2yiq(x[0].numpy(), channel_axis=0) for x in (found, picture, content))
    assert found_yiq[0] == pytest.approx(picture_yiq[0], abs=1e-3)
    assert found_yiq[1:] == pytest.approx(content_yiq[1:], abs=1e-3)


def test_a_grey_style_gets_mean_and_spread_of_the_content() -> None:
    style, content = 0.2 + 0.1 * torch.rand(1, 3, 20, 20), 0.5 + 0.2 * torch.rand(1, 3, 30, 10)
    found, wanted = luminance_like(style, content), luminance_like(content, content)
    assert found.shape == style.shape
    assert torch.equal(found[:, 0], found[:, 2])
    assert found.mean().item() == pytest.approx(wanted.mean().item(), abs=1e-3)
    assert found.std().item() == pytest.approx(wanted.std().item(), abs=1e-3)


def test_sizes_must_agree() -> None:
    with pytest.raises(InputError, match="same shape"):
        keep_colors(torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 5))
