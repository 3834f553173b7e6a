from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms.v2.functional import InterpolationMode
from torchvision.transforms.v2.functional import resize as torchvision_resize

from perceptualloss.data.degrade import Degradation, Downscale
from perceptualloss.errors import InputError
from perceptualloss.pictures.resize import resize

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
def test_bicubic_is_resize_clamped(scale: int) -> None:
    target = (torch.rand(2, 3, 24, 48) > 0.5).float()  # overshoots
    out = Downscale(scale)(target, RANDOM)
    assert out.shape == (2, 3, 24 // scale, 48 // scale)
    torch.testing.assert_close(out, resize(target, 1 / scale).clamp(0, 1), rtol=0, atol=1e-6)


def test_bilinear_is_that_of_the_course_inside_the_border() -> None:
    target = torch.rand(1, 3, 32, 40)
    theirs = torchvision_resize(target, [16, 20], InterpolationMode.BILINEAR, antialias=True)
    ours = Downscale(2, "bilinear")(target, RANDOM)
    inside = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(ours[inside], theirs[inside], rtol=0, atol=1e-6)


def test_settings_and_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="whole number"):
        Downscale(0)
    with pytest.raises(InputError, match="whole number"):
        Downscale(1.5)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="Did you mean 'bicubic'"):
        Downscale(2, "bicubik")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="multiples of 4, got 10 x 12"):
        Downscale(4)(torch.rand(1, 3, 10, 12), RANDOM)


def test_a_new_degradation_is_a_small_class() -> None:
    class Noise(Degradation):
        def __init__(self, sigma: float) -> None:
            self.sigma = sigma

        def __call__(self, target: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
            noise = random.standard_normal(target.shape, dtype=np.float32)
            return (target + self.sigma * torch.from_numpy(noise)).clamp(0, 1)

    noise, target = Noise(0.1), torch.rand(1, 3, 4, 4)
    assert noise.scale == 1
    assert noise(target, np.random.default_rng(1)).equal(noise(target, np.random.default_rng(1)))
    with pytest.raises(TypeError):
        Degradation()  # type: ignore[abstract]
