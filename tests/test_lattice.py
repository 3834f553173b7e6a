"""benchmarks/lattice.py on pictures with a known answer: ripples, noise, and what must not count."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.pictures.images import read_image, write_image

GRAIN = 0.03


@pytest.fixture(scope="module", name="module")
def _module() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).resolve().parents[1] / "benchmarks"))
        yield importlib.import_module("lattice")


def grainy(strength: float = GRAIN, size: int = 320, seed: int = 0) -> Tensor:
    grain = torch.randn(1, 1, size, size, generator=torch.Generator().manual_seed(seed))
    return (0.5 + strength * grain).expand(1, 3, size, size).contiguous()


def ripple(amplitude: float, down: float, across: float, size: int = 320) -> Tensor:
    """A cosine of so many cycles in 32 pixels."""
    place = 2 * math.pi * torch.arange(size) / 32
    return amplitude * torch.cos(down * place[:, None] + across * place).expand(1, 3, size, size)


@pytest.mark.parametrize(("down", "across"), [(0, 8), (8, 0), (0, 16), (6, 6), (7, -9), (5, 3)])
def test_a_ripple_counts_by_its_power_over_the_grains(module: ModuleType, down: int, across: int) -> None:
    truth = grainy()
    for amplitude in (GRAIN, 2 * GRAIN):
        # a^2 / 4 at a frequency (a^2 at half the sampling rate), against 9/4 of the grain's variance over 32^2
        power = amplitude**2 / (4 if abs(across) < 16 else 1)
        expected = power / (2.25 * GRAIN**2 / 32**2)
        found = module.lattice(truth + ripple(amplitude, down, across), truth)
        assert found == pytest.approx(expected, rel=0.3)


def test_white_noise_does_not_count(module: ModuleType) -> None:
    truth = grainy()
    own = module.lattice(truth, truth)
    assert 4 < own < 9
    for strength in (0.3, 1, 3):
        noisy = truth + strength * (grainy(seed=1) - 0.5)
        assert module.lattice(noisy, truth) < 1.25 * own
    assert module.lattice(grainy(seed=2), torch.full_like(truth, 0.5)) < 1.25 * own  # in an empty spectrum neither


def test_a_ripple_below_the_truths_own_spectrum_does_not_count(module: ModuleType) -> None:
    truth, smooth = grainy(), torch.full((1, 3, 320, 320), 0.5)
    own, faint = module.lattice(truth, truth), smooth + ripple(0.1 * GRAIN, 0, 8)
    assert module.lattice(faint, truth) < own / 3
    assert module.lattice(faint, smooth) > 10 * own  # the same where the photo is smooth, too
    assert module.lattice(smooth, truth) == 0


def test_what_rounding_to_8_bits_swallows_does_not_count(module: ModuleType) -> None:
    smooth = torch.full((1, 3, 64, 64), 128 / 255)
    assert module.lattice(smooth + ripple(0.4 / 255, 0, 8, 64), smooth) == 0
    assert module.lattice(smooth + ripple(3 / 255, 0, 8, 64), smooth) > 100


def test_slow_waves_and_what_lies_outside_flat_windows_do_not_count(module: ModuleType) -> None:
    truth = grainy()
    own = module.lattice(truth, truth)
    assert module.lattice(truth + ripple(GRAIN, 0, 4), truth) < 1.3 * own
    assert module.lattice(truth + ripple(GRAIN, 3, 3), truth) < 1.3 * own
    truth[..., 96:] = grainy(3 * GRAIN, seed=1)[..., 96:]  # 30% of the windows are flat
    beside = truth.clone()
    beside[..., 96:] += ripple(3 * GRAIN, 0, 8)[..., 96:]
    assert module.lattice(beside, truth) == module.lattice(truth, truth)


def test_figures_of_networks_of_the_truth_and_of_bicubic(module: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "targets"
    folder.mkdir()
    for seed in range(3):
        write_image(grainy(size=64, seed=seed), folder / f"{seed}.png")
    file = save_network(ResidualUpscaler(2, width=4, blocks=1, detail=2), tmp_path / "mine.safetensors")
    found = module.figures(folder, [str(file)], 2)
    assert list(found) == ["truth", "bicubic", "mine"]
    assert found["bicubic"].lattice < 3 < found["truth"].lattice
    assert found["bicubic"].raster == found["truth"].raster == 0
    assert module.figures(folder, [], 2, last=1) != module.figures(folder, [], 2)
    with pytest.raises(InputError, match="at least 32 x 32"):
        module.lattice(*torch.rand(2, 1, 3, 31, 40))


def test_rows_have_a_figure_for_each_place(module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "networks_of", lambda scale: [])
    for place in ("one/image_SRF_2", "two"):
        (tmp_path / place).mkdir(parents=True)
        write_image(grainy(size=64), tmp_path / place / "a.png")
    truth, bicubic = module.rows_of([tmp_path / "one", tmp_path / "two"], 2)
    assert (truth[0], bicubic[0]) == ("truth x2", "bicubic x2")
    assert truth[1] == truth[3] == f"{module.lattice(*2 * [read_image(tmp_path / 'two' / 'a.png')]):.1f}"
    assert truth[2] == truth[4] == "0.0%"


def test_networks_that_ship_come_in_the_order_of_their_kinds(module: ModuleType) -> None:
    names = [Path(file).stem for file in module.networks_of(4)]
    assert names[:2] == ["subpixel4x-mse", "subpixel4x-perceptual"]
