"""Networks run by onnxruntime: the same pictures, tiles and all; a kept file is believed only as far as it is right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from perceptualloss.apply import backend
from perceptualloss.apply.backend import ExportedNetwork, exported, on_backend
from perceptualloss.apply.tiles import transform_in_tiles
from perceptualloss.apply.transformer import OneNetwork
from perceptualloss.apply.upscale import upscale, upscaler
from perceptualloss.errors import InputError
from perceptualloss.networks import export
from perceptualloss.networks.cascade import Cascade
from perceptualloss.networks.course import Upscale2x
from perceptualloss.networks.sub_pixel import SubPixelUpscaler

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of PyTorch's exporter
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network() -> SubPixelUpscaler:
    torch.manual_seed(0)
    network = SubPixelUpscaler(2, width=4, blocks=1).eval()
    nn.init.normal_(network.last.weight, std=0.1)
    return network


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.hub, "get_dir", lambda: str(folder))
        yield folder


def test_it_gives_the_same_in_tiles_and_larger(network: SubPixelUpscaler, cache: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (23, 30, 3), np.uint8)
    for size in ({}, {"scale": 4}):
        one, other = (upscale(picture, network=network, tile=16, backend=name, **size) for name in ("torch", "onnx"))
        assert one.shape == other.shape
        assert int(np.abs(one.astype(int) - other).max()) <= 1
    assert len(list(cache.glob("perceptualloss-onnx/*.onnx"))) == 1
    larger = on_backend(OneNetwork(network), "onnx", CPU, "auto").at(4)
    assert isinstance(larger, Cascade)
    assert larger.reach == Cascade([network, network]).reach


def test_a_kept_file_is_taken_only_where_it_is_right(
    network: SubPixelUpscaler, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported(network)
    written = []
    monkeypatch.setattr(backend, "export_network", lambda *a: written.append(a) or export.export_network(*a))
    exported(network)
    assert not written
    (file,) = cache.glob("perceptualloss-onnx/*.onnx")
    file.write_bytes(b"words")
    pictures = torch.rand(1, 3, 9, 11)
    with torch.no_grad():
        torch.testing.assert_close(exported(network)(pictures), network(pictures), rtol=0, atol=1e-5)
    assert len(written) == 1
    monkeypatch.setattr(backend, "FAR", -1)  # whatever it gives is too far
    assert not backend._is_right(network, file)


def test_what_the_network_says_of_itself_stays(network: SubPixelUpscaler) -> None:
    run = ExportedNetwork(network)
    assert (run.scale, run.reach, run.grid, run.whole) == (2, network.reach, 1, False)
    assert not list(run.parameters())
    with pytest.raises(InputError, match="fp32"):
        transform_in_tiles(run, torch.rand(1, 3, 8, 8), precision="bf16")


def test_refusals(network: SubPixelUpscaler, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="device cpu with the backend onnx"):
        on_backend(OneNetwork(network), "onnx", torch.device("cuda"), "auto")
    with pytest.raises(InputError, match="precision fp32 with the backend onnx"):
        upscaler(network=network, backend="onnx", precision="bf16")
    with pytest.raises(InputError, match="torch"):
        upscaler(network=network, backend="tensorrt")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="cut into tiles, got Upscale2x"):
        upscale(np.zeros((4, 4, 3), np.uint8), network=Upscale2x(), backend="onnx")
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"perceptualloss\[onnx\]"):
        upscaler(network=network, backend="onnx")
