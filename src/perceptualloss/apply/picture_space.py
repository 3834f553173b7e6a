"""What an optimiser moves when it moves a picture: its pixels, or its frequencies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor

Space = Literal["pixels", "frequencies"]
Size = tuple[int, int]


def _pixels(picture: Tensor) -> Tensor:
    return picture.clone()


def _same(parameters: Tensor, size: Size) -> Tensor:
    return parameters


def from_frequencies(parameters: Tensor, size: Size) -> Tensor:
    """Return the picture (N, 3, H, W) of :func:`to_frequencies`."""
    spectrum = torch.view_as_complex(parameters) * _usual(size).to(parameters)
    found: Tensor = torch.fft.irfft2(spectrum, s=size, norm="ortho")
    return 0.5 + found


def to_frequencies(picture: Tensor) -> Tensor:
    """Return a picture's Fourier coefficients, each in units of what photos have there, (N, 3, H, W // 2 + 1, 2).

    Photos have about 1 / frequency. From pixels, an optimiser finds edges long before colours; from these it
    finds all scales at the same pace.

    Source: Olah et al., "Feature Visualization", Distill 2017 (a decorrelated, spatially whitened space).
    """
    size = (int(picture.shape[-2]), int(picture.shape[-1]))
    spectrum = torch.fft.rfft2(picture - 0.5, norm="ortho") / _usual(size).to(picture)
    return torch.view_as_real(spectrum).contiguous()


def noise(size: Size, seed: int, space: Space = "pixels") -> Tensor:
    """Return grey with noise that is as strong in everything that is moved, (1, 3, H, W).

    White in "pixels" (standard deviation 0.1); in "frequencies" as rough as a photo.
    """
    white = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(seed))
    if space == "pixels":
        return 0.5 + 0.1 * white
    return from_frequencies(torch.view_as_real(torch.fft.rfft2(0.02 * white, norm="ortho")), size)


def _usual(size: Size) -> Tensor:
    """Return what photos have at each frequency, (H, W // 2 + 1)."""
    height, width = size
    down, across = torch.fft.fftfreq(height), torch.fft.rfftfreq(width)
    return 0.1 / torch.hypot(down[:, None], across).clamp(min=1 / max(height, width))


SPACES: Mapping[str, tuple[Callable[[Tensor, Size], Tensor], Callable[[Tensor], Tensor]]] = {
    "pixels": (_same, _pixels),
    "frequencies": (from_frequencies, to_frequencies),
}
