"""The lattice loss: ripples with a known power, what must not count, and an independent periodogram."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.losses.lattice import LatticeLoss, lattice, surroundings


def ripple(amplitude: float, down: float, across: float, size: int = 64) -> Tensor:
    """Grey with a cosine of so many cycles in 32 pixels, in double precision."""
    place = 2 * math.pi * torch.arange(size, dtype=torch.float64) / 32
    return 0.5 + amplitude * torch.cos(down * place[:, None] + across * place).expand(1, 3, size, size)


def grain(strength: float, size: int = 64, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return strength * torch.randn(1, 3, size, size, generator=random, dtype=torch.float64)


def by_scipy(output: Tensor, target: Tensor, threshold: float) -> float:
    """The same by another library's periodogram and plain loops, for pictures of whole windows."""
    slow = np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(32, 1 / 32)])) <= 5
    hann = signal.get_window("hann", 32)

    def power(cut: np.ndarray) -> np.ndarray:
        down, across = np.mgrid[-1:1:32j, -1:1:32j]
        ones = np.ones(32 * 32)
        basis = np.stack([ones, down.ravel(), across.ravel()], axis=1)
        rest = cut - (basis @ np.linalg.lstsq(basis, cut.ravel(), rcond=None)[0]).reshape(32, 32)
        return np.abs(np.fft.fft2(rest * np.outer(hann, hann)) / (32 * hann.mean()) ** 2) ** 2

    def around(power: np.ndarray, y: int, x: int) -> tuple[float, float]:
        reach = range(-5, 6)
        far = [power[(y + i) % 32, (x + j) % 32] for i in reach for j in reach if max(abs(i), abs(j)) > 1]
        near = [power[(y + i) % 32, (x + j) % 32] for i in (-1, 0, 1) for j in (-1, 0, 1)]
        return float(np.mean(far)), max(near)

    rounding = 2.25 * (1 / 255) ** 2 / 12 / 32**2
    found = []
    for channel in range(output.shape[1]):
        for top in range(0, output.shape[2], 32):
            for left in range(0, output.shape[3], 32):
                cut = (0, channel, slice(top, top + 32), slice(left, left + 32))
                own, wanted = power(output[cut].numpy()), power(target[cut].numpy())
                for y, x in np.ndindex(32, 32):
                    allowed = threshold * max(around(own, y, x)[0], around(wanted, y, x)[0], rounding)
                    allowed = max(allowed, around(wanted, y, x)[1])
                    excess = math.log(max(own[y, x], rounding) / allowed)
                    found.append(0.0 if slow[y, x] else max(0.0, excess))
    return float(np.mean(found))


def test_it_is_what_scipy_and_loops_give() -> None:
    target = 0.5 + grain(0.02)[..., :32, :]
    output = target + 0.03 * (ripple(1, 6, 8)[..., :32, :] - 0.5) + grain(0.01, seed=1)[..., :32, :]
    assert lattice(output, target, 2.0).item() == pytest.approx(by_scipy(output, target, 2.0), rel=1e-9)


@settings(deadline=None, max_examples=20)
@given(st.integers(-15, 15), st.integers(6, 15), st.floats(0.01, 0.3))
def test_a_ripple_counts_by_the_logarithm_of_its_power(down: int, across: int, amplitude: float) -> None:
    grey = torch.full((1, 3, 64, 64), 0.5, dtype=torch.float64)
    weak, strong = (lattice(ripple(a, down, across), grey).item() for a in (amplitude, 2 * amplitude))
    assert weak > 0
    assert strong >= weak * (1 - 1e-9)  # of strong ones the surroundings grow along
    assert lattice(ripple(amplitude, down, across), ripple(amplitude, down, across)) == 0  # the target has it, too


def test_smooth_spectra_count_nothing_or_little() -> None:
    grey = torch.full((1, 3, 64, 64), 0.5, dtype=torch.float64)
    slope = torch.linspace(0, 1, 64, dtype=torch.float64).expand(1, 3, 64, 64)
    for target in (grey, slope):
        assert lattice(target, target) == 0
        assert lattice(ripple(0.2, 0, 3), target) < 1e-3  # slow: what passes the window's sides
        assert lattice((255 * (target + grain(1 / 500))).round() / 255, target) < 0.06  # faint noise in 8 bits
    noise, wave = lattice(grey + grain(0.05), grey).item(), lattice(ripple(0.05, 8, 8) + grain(0.005), grey).item()
    assert noise < 0.06  # the mean of log(p / 3) where p, exponentially distributed, is above 3: 0.013 and its spread
    assert wave > noise


def test_the_gradient_lowers_the_ripple_and_not_by_noise_around_it() -> None:
    grey = torch.full((1, 1, 32, 32), 0.5, dtype=torch.float64)
    output = ripple(0.02, 8, 8, 32)[:, :1].clone().requires_grad_()
    lattice(output, grey).backward()
    assert output.grad is not None
    spectrum = torch.fft.fft2(-output.grad).abs()[0, 0]
    here = spectrum[7:10, 7:10].square().sum() + spectrum[-9:-6, -9:-6].square().sum()
    assert here / spectrum.square().sum() > 0.8  # at its frequency and what the window spreads
    assert (output.grad * (output.detach() - 0.5)).sum() > 0  # a step against the gradient makes it weaker


def test_the_gradient_is_that_of_the_formula_with_the_surroundings_given() -> None:
    target = 0.5 + grain(0.02, 32)[:, :1, :16, :16]
    output = (target + grain(0.05, 32, seed=2)[:, :1, :16, :16]).requires_grad_()

    def frozen(x: Tensor) -> Tensor:
        with pytest.MonkeyPatch.context() as patch:
            given = iter([own, surroundings_of_target])
            patch.setattr("perceptualloss.losses.lattice.surroundings", lambda _: next(given))
            return lattice(x, target, 1.0)

    seen: list[Tensor] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("perceptualloss.losses.lattice.surroundings", lambda p: seen.append(surroundings(p)) or seen[-1])
        value = lattice(output, target, 1.0)
    own, surroundings_of_target = seen
    assert value > 0
    assert torch.autograd.gradcheck(frozen, output)


def test_every_border_is_seen() -> None:
    grey = torch.full((1, 3, 50, 70), 0.5, dtype=torch.float64)
    wave = ripple(0.1, 8, 8, 70)[..., :50, :]
    for corner in ((..., slice(34, 50), slice(54, 70)), (..., slice(0, 16), slice(0, 16))):
        output = grey.clone()
        output[corner] = wave[corner]
        assert lattice(output, grey) > 0


def test_what_cannot_be_is_refused() -> None:
    for arguments, words in (((0.5,), "threshold from 1"), ((math.nan,), "threshold"), ((3.0, 8), "16 pixels")):
        with pytest.raises(InputError, match=words):
            LatticeLoss(*arguments)
    with pytest.raises(InputError, match="16 x 16 pixels"):
        LatticeLoss()(torch.rand(1, 3, 15, 40), torch.rand(1, 3, 15, 40))
