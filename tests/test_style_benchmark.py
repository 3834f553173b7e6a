"""What benchmarks/style_transfer.py and stylize.py print, with a small random network."""

from __future__ import annotations

import argparse
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from perceptualloss.errors import InputError
from perceptualloss.losses.style_objective import objective_note
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.pictures.images import write_image

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(name="benchmark")
def _benchmark() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("style_transfer")


def test_the_first_step_that_is_as_low_counts(benchmark: ModuleType) -> None:
    assert benchmark.steps_to_reach([4.0, 3.0, 2.0, 1.0], 2.0) == 2
    assert benchmark.steps_to_reach([4.0, 3.0], 5.0) == 0
    assert benchmark.steps_to_reach([4.0, 3.0], 2.0) is None


def test_objectives_of_network_and_optimisation_are_written(
    benchmark: ModuleType, small_photos: Path, tmp_path: Path
) -> None:
    styles = tmp_path / "styles"
    styles.mkdir()
    write_image(torch.rand(3, 40, 48), styles / "grain.png")
    loss = {"PerceptualLoss": {"network": "compact", "layers": ["relu2_2"], "style_layers": ["relu1_1"]}}
    network = save_network(
        StyleTransferNetwork(width=2, blocks=1),
        tmp_path / "net.safetensors",
        **objective_note(loss, ["grain"], 32, 2.0),
    )
    options = argparse.Namespace(
        networks=[network], photos=None, styles=styles, count=2, sizes=[32], steps=3, start="content", device="cpu"
    )
    options.out = tmp_path / "out"
    found = benchmark.compare(options)
    assert [(one.style, one.size, len(one.losses)) for one in found] == [("grain", 32, 4)] * 2
    for one in found:
        assert one.losses[0] == pytest.approx(one.content, rel=1e-5)  # it starts from the photo
        assert one.losses[-1] < one.losses[0]
        assert one.reached == benchmark.steps_to_reach(one.losses, one.network)
        assert one.network_seconds > 0
    assert (options.out / "objectives.png").is_file()
    assert len(json.loads((options.out / "figures.json").read_text())) == 2
    assert (options.out / "figures.md").read_text().startswith("| style, size |")


def test_a_style_picture_that_is_missing_is_named(benchmark: ModuleType, small_photos: Path) -> None:
    with pytest.raises(InputError, match="style picture udnie"):
        benchmark.style_file("udnie", small_photos)


def test_flicker_of_a_video_and_what_smoothing_leaves_of_it(benchmark: ModuleType, tmp_path: Path) -> None:
    stylize = importlib.import_module("stylize")
    file = save_network(StyleTransferNetwork(width=2, blocks=1), tmp_path / "net.safetensors")
    photo = torch.rand(1, 3, 24, 32)
    frames = [0.9 * photo + torch.rand_like(photo) / 255 for _ in range(4)]
    name, itself, *figures = stylize.row(str(file), frames, "cpu")
    assert name == f"`{file}`, 32 x 24"
    assert float(itself) == pytest.approx(1 / 3, abs=0.02)  # two numbers of [0, 1] are as far apart, in the mean
    assert len(figures) == len(stylize.SMOOTH)
    assert float(figures[0]) > float(figures[-1])
