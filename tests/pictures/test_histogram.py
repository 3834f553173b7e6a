from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.exposure import match_histograms

from perceptualloss.errors import InputError
from perceptualloss.pictures.color import match_histogram


def test_each_picture_gets_the_values_of_its_reference() -> None:
    low = torch.rand(2, 3, 5, 4)
    large = torch.nn.functional.interpolate(low, scale_factor=4, mode="bilinear") * 0.7 + 0.2
    found = match_histogram(large, low)
    for i in range(2):
        pixels = [x[i].permute(1, 2, 0).numpy() for x in (large, low)]
        np.testing.assert_allclose(
            found[i].permute(1, 2, 0).numpy(), match_histograms(*pixels, channel_axis=-1), atol=1e-6
        )
    torch.testing.assert_close(found.mean(dim=(2, 3)), low.mean(dim=(2, 3)), atol=0.05, rtol=0)


def test_the_histogram_of_itself_changes_nothing() -> None:
    images = torch.rand(1, 3, 6, 6)
    torch.testing.assert_close(match_histogram(images, images), images)


def test_every_picture_needs_its_reference() -> None:
    with pytest.raises(InputError, match="as many references"):
        match_histogram(torch.rand(2, 3, 4, 4), torch.rand(1, 3, 4, 4))
