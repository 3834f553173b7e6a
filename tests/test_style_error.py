"""The yardstick that benchmarks/style_error.py prints: a thin VGG-16 and a small network, both of random weights."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models.vgg import cfgs, make_layers

from perceptualloss.features.architectures import ARCHITECTURES
from perceptualloss.features.network import loss_network
from perceptualloss.losses.style import gram_matrix
from perceptualloss.losses.style_objective import objective_note, style_picture
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.pictures.images import write_image

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def thin() -> nn.Module:
    """Return a VGG-16 of a sixteenth of the channels, whose features do not shrink from layer to layer."""
    features: nn.Sequential = make_layers([n if n == "M" else n // 16 for n in cfgs["D"]], batch_norm=False)
    for module in features:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    return features


@pytest.fixture(scope="module", name="benchmark")
def _benchmark() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ARCHITECTURES, "vgg16", thin)
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("style_error")


@pytest.fixture(scope="module", name="places")
def _places(benchmark: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Random weights of VGG-16, a style picture of 40 x 48, and a network for it."""
    folder = tmp_path_factory.mktemp("style-error")
    torch.manual_seed(0)
    save_file(thin().state_dict(), folder / "vgg16.safetensors")
    (folder / "styles").mkdir()
    write_image(torch.rand(3, 40, 48), folder / "styles" / "grain.png")
    note = objective_note({"PerceptualLoss": {"style_layers": ["relu1_1"]}}, ["grain"], 32, 1.0)
    save_network(StyleTransferNetwork(width=2, blocks=1), folder / "net.safetensors", **note)
    return {
        "weights": folder / "vgg16.safetensors",
        "style": folder / "styles" / "grain.png",
        "network": folder / "net.safetensors",
    }


def test_errors_are_squared_differences_over_squares(benchmark: ModuleType, places: dict[str, Path]) -> None:
    picture, photo = torch.rand(2, 1, 3, 32, 40).unbind(0)
    found = benchmark.errors(benchmark.both_errors(places["style"], str(places["weights"])), picture, photo)
    style = style_picture(places["style"], 384)
    assert max(style.shape) == 384
    seen = [loss_network("vgg16", benchmark.LAYERS, places["weights"])(x) for x in (picture, photo, style)]
    for layer in benchmark.LAYERS:
        ours, _, wanted = (gram_matrix(features[layer]) for features in seen)
        assert found[layer] == pytest.approx(float(((ours - wanted).norm() / wanted.norm()) ** 2), rel=1e-4)
    ours, kept, _ = (features["relu3_3"] for features in seen)
    assert found["content"] == pytest.approx(float(((ours - kept).norm() / kept.norm()) ** 2), rel=1e-4)


def test_photo_network_and_optimisation_have_a_line_each(
    benchmark: ModuleType, places: dict[str, Path], tmp_path: Path
) -> None:
    options = argparse.Namespace(photos=None, styles=places["style"].parent, weights=places["weights"])
    options.networks, options.size, options.optimize, options.pictures = [places["network"]], 24, [1, 4], tmp_path
    options.count = 1
    lines = list(benchmark.rows(options))
    assert [line[:2] for line in lines] == [
        ["grain", label] for label in ("photo", "net", "1 steps of L-BFGS", "4 steps of L-BFGS")
    ]
    photo, network, *steps = ([float(figure) for figure in line[2:-1]] for line in lines)
    assert photo[-1] == 0 < network[-1]
    assert photo[0] > steps[0][0] > steps[1][0]
    assert photo[0] == pytest.approx(sum(photo[1:5]) / 4, abs=1e-3)
    assert len(list(tmp_path.glob("grain-4-*.png"))) == 1


def test_the_sheet_has_a_row_for_every_style(benchmark: ModuleType, places: dict[str, Path]) -> None:
    sheets = importlib.import_module("style_sheet")
    contents = [torch.rand(1, 3, 24, 24), torch.rand(1, 3, 24, 24)]
    sheet = sheets.sheet([places["network"]], places["style"].parent, contents, 16)
    assert sheet.shape == (1, 3, 2 * 16, 3 * 16)
    assert (sheet[..., :16, :16] == 1).all()
    torch.testing.assert_close(sheet[..., :16, 16:32], sheets.square(contents[0], 16))
