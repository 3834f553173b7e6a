"""Files for other programs give what the network gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from torch import Tensor, nn

from perceptualloss.apply.tiles import transform_in_tiles
from perceptualloss.apply.upscale import upscale
from perceptualloss.errors import InputError
from perceptualloss.networks import export
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.export import Exported, export_network
from perceptualloss.networks.named import load_network
from perceptualloss.networks.onnx_network import OnnxNetwork
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.networks.sub_pixel import SubPixelUpscaler

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of PyTorch's exporter


@pytest.fixture(scope="module")
def upscaler() -> SubPixelUpscaler:
    torch.manual_seed(0)
    network = SubPixelUpscaler(2, width=4, blocks=1, expand=2).eval()
    nn.init.normal_(network.last.weight, std=0.1)
    return network


@pytest.fixture(scope="module")
def exported(upscaler: SubPixelUpscaler, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return export_network(upscaler, tmp_path_factory.mktemp("onnx") / "net.onnx")


def test_onnx_holds_the_fused_network_and_says_what_it_is(upscaler: SubPixelUpscaler, exported: Exported) -> None:
    assert exported.difference is not None
    assert exported.difference < 1e-5
    model = onnx.load(exported.path)
    onnx.checker.check_model(model, full_check=True)
    assert sum(node.op_type == "Conv" for node in model.graph.node) == 5  # of the plain convolutions alone
    network = load_network(exported.path)
    assert isinstance(network, OnnxNetwork)
    assert (network.scale, network.reach, network.whole, network.grid) == (2, upscaler.reach, False, 1)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.integers(1, 3), height=st.integers(1, 70), width=st.integers(1, 70))
def test_onnxruntime_gives_the_same_at_any_size(
    upscaler: SubPixelUpscaler, exported: Exported, number: int, height: int, width: int
) -> None:
    session = onnxruntime.InferenceSession(str(exported.path), providers=["CPUExecutionProvider"])
    pictures = torch.rand(number, 3, height, width)
    (found,) = session.run(["result"], {"image": pictures.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(found, upscaler(pictures).numpy(), atol=1e-5)


def test_it_upscales_in_tiles_as_the_network_does(upscaler: SubPixelUpscaler, exported: Exported) -> None:
    pictures = torch.rand(1, 3, 40, 50)
    network = load_network(exported.path)
    whole = transform_in_tiles(upscaler, pictures)
    torch.testing.assert_close(transform_in_tiles(network, pictures, tile=16), whole, rtol=0, atol=1e-5)
    large = upscale(np.full((6, 7, 3), 99, np.uint8), network=exported.path)
    assert large.shape == (12, 14, 3)


def test_a_style_network_too_and_it_is_not_cut(tmp_path: Path) -> None:
    network = StyleTransferNetwork(width=4, blocks=1, luminance_skip=True).eval()
    done = export_network(network, tmp_path / "style.onnx")
    assert done.difference is not None
    assert done.difference < 1e-4
    assert load_network(done.path).whole


def test_an_exported_program_runs_without_this_package(upscaler: SubPixelUpscaler, tmp_path: Path) -> None:
    done = export_network(upscaler, tmp_path / "net.pt2")
    pictures = torch.rand(2, 3, 9, 13)
    with torch.no_grad():
        found = torch.export.load(done.path).module()(pictures)
        torch.testing.assert_close(found, upscaler(pictures), rtol=0, atol=1e-5)


@pytest.mark.parametrize("ending", ["onnx", "pt2"])
def test_a_network_on_cells_of_pixels_at_whole_cells_and_others(ending: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = SubPixelUpscaler(1, width=4, blocks=1, reduce=2).eval()
    nn.init.normal_(network.last.weight, std=0.1)
    done = export_network(network, tmp_path / f"net.{ending}")
    run = load_network(done.path) if ending == "onnx" else torch.export.load(done.path).module()
    for size in ((6, 8), (7, 8), (8, 5), (9, 13)):
        pictures = torch.rand(1, 3, *size)
        with torch.no_grad():
            torch.testing.assert_close(run(pictures), network(pictures), rtol=0, atol=1e-5)


def test_safetensors_are_the_fused_weights(upscaler: SubPixelUpscaler, tmp_path: Path) -> None:
    done = export_network(upscaler, tmp_path / "net.safetensors")
    assert done.difference is None
    state = load_network(done.path).state_dict()
    assert all(torch.equal(value, state[name]) for name, value in upscaler.fused().state_dict().items())


def test_a_file_that_would_differ_is_not_written(
    upscaler: SubPixelUpscaler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "net.pt2"
    file.write_bytes(b"the old one")
    monkeypatch.setattr(export, "_load_program", lambda path: nn.Upsample(scale_factor=2))
    with pytest.raises(InputError, match="Nothing was written"):
        export_network(upscaler, file)
    assert file.read_bytes() == b"the old one"


class _Undecided(TransformationNetwork):
    def forward(self, x: Tensor) -> Tensor:
        return x * 2 if float(x.sum()) > 3 else x


def test_what_cannot_be_exported_is_one_line_and_leaves_no_file(upscaler: SubPixelUpscaler, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can be written as an exported program"):
        export_network(_Undecided(), tmp_path / "net.pt2")
    with pytest.raises(InputError, match="onnx, pt2"):
        export_network(upscaler, tmp_path / "net.tflite")
    with pytest.raises(InputError, match=r"ends in \.onnx"):
        export_network(upscaler, tmp_path / "net.bin", "onnx")
    with pytest.raises(InputError, match="writable"):
        export_network(upscaler, tmp_path / "none" / "net.pt2")
    assert not list(tmp_path.iterdir())


def _model(path: Path, shape: list[object], inputs: int = 1, factor: float = 3) -> Path:
    """Write another program's network: nearest pixels, three times as large."""
    values = [helper.make_tensor_value_info(f"in{number}", TensorProto.FLOAT, shape) for number in range(inputs)]
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", 3, "a", "b"])
    scales = helper.make_tensor("scales", TensorProto.FLOAT, [4], [1, 1, factor, factor])
    node = helper.make_node("Resize", ["in0", "", "scales"], ["out"], mode="nearest", nearest_mode="floor",
                            coordinate_transformation_mode="asymmetric")  # fmt: skip
    graph = helper.make_graph([node], "net", values, [out], [scales])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


@pytest.mark.parametrize(
    ("name", "value"),
    [("scale", "0"), ("scale", "-2"), ("scale", "two"), ("scale", "9" * 400), ("reach", "[1]"), ("grid", "1.5")],
)
def test_what_a_file_says_of_itself_is_checked(name: str, value: str, tmp_path: Path) -> None:
    path = _model(tmp_path / "a.onnx", ["n", 3, "h", "w"])
    model = onnx.load(path)
    helper.set_model_props(model, {name: value})
    onnx.save(model, path)
    with pytest.raises(InputError, match=f"the file's {name}"):
        load_network(path)


def test_networks_of_other_programs(tmp_path: Path) -> None:
    network = load_network(_model(tmp_path / "a.onnx", ["n", 3, "h", "w"]))
    assert (network.scale, network.reach) == (3, None)
    pictures = torch.rand(1, 3, 4, 5)
    assert torch.equal(network(pictures), pictures.repeat_interleave(3, 2).repeat_interleave(3, 3))
    for shape, inputs, factor, message in (
        (["n", 3, 64, 64], 1, 3, "any size"),
        (["n", 1, "h", "w"], 1, 3, "RGB"),
        (["n", 3, "h", "w"], 2, 3, "one input"),
        (["n", 3, "h", "w"], 1, 0.4, "whole number"),
    ):
        with pytest.raises(InputError, match=message):
            load_network(_model(tmp_path / "b.onnx", shape, inputs, factor))
    (tmp_path / "c.onnx").write_bytes(b"words")
    with pytest.raises(InputError, match="ONNX"):
        load_network(tmp_path / "c.onnx")
