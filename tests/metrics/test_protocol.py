from __future__ import annotations

import pytest
import torch

from perceptualloss.errors import InputError
from perceptualloss.metrics.protocol import PROTOCOLS, Convention, protocol
from perceptualloss.pictures.color import luminance


def test_protocols_are_what_they_say() -> None:
    assert protocol("sr", 4) == Convention(y_channel=True, crop_border=4, eight_bits=True)
    assert protocol("course", 4) == Convention(y_channel=False, crop_border=0, eight_bits=False)
    assert protocol("rgb", 4) == Convention(y_channel=False, crop_border=0, eight_bits=True)
    assert protocol("sr", 4, crop_border=0).crop_border == 0
    assert protocol("rgb", crop_border=3).crop_border == 3
    assert set(PROTOCOLS) == {"sr", "course", "rgb"}


@pytest.mark.parametrize(("name", "message"), [("sr", "a scale for protocol"), ("rbg", "Did you mean 'rgb'")])
def test_unusable_protocols_are_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        protocol(name)


def test_pictures_are_clamped_rounded_and_cropped() -> None:
    images = torch.tensor([-0.2, 0.4999, 1.3]).expand(1, 3, 9, 3)
    view = Convention(crop_border=1).picture(images)
    assert view.shape == (1, 3, 7, 1)
    torch.testing.assert_close(view, torch.full_like(view, 127 / 255))
    exact = Convention(eight_bits=False).picture(images)
    assert exact[0, 0, 0].tolist() == pytest.approx([0, 0.4999, 1])


def test_pixels_are_the_luminance_of_8_bits_or_rgb() -> None:
    images = torch.rand(2, 3, 6, 5)
    view = Convention(y_channel=True).pixels(images)
    assert view.dtype == torch.float64
    rounded = (images * 255).round().double() / 255
    torch.testing.assert_close(view * 255, (luminance(rounded) * 255).round())
    assert Convention(y_channel=True).pixels(images, y_channel=False).shape == (2, 3, 6, 5)
    assert Convention().pixels(images, y_channel=True).shape == (2, 1, 6, 5)


def test_grey_is_measured_as_it_is() -> None:
    grey = (torch.rand(1, 1, 6, 5) * 255).round().expand(1, 3, 6, 5) / 255
    view = Convention(y_channel=True).pixels(grey, grey=True)
    torch.testing.assert_close(view, grey[:, :1].double())


def test_words_say_what_is_measured() -> None:
    assert protocol("sr", 2).words == "luminance (Y), 8 bits, without a border of 2 px"
    assert protocol("course").words == "RGB, not rounded"
