"""Every kind of weights file that people have, and files that try to do more than hold weights."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tarfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import vgg16

from perceptualloss.errors import InputError
from perceptualloss.features.network import loss_network
from perceptualloss.features.weight_files import read_features

State = dict[str, Tensor]


def small() -> State:
    generator = torch.Generator().manual_seed(1)
    return {
        "0.weight": torch.randn(4, 3, 3, 3, generator=generator),
        "0.bias": torch.randn(4, generator=generator),
        "2.weight": torch.randn(5, 4, 3, 3, generator=generator),
        "2.bias": torch.randn(5, generator=generator),
    }


def whole(state: State) -> State:
    return {f"features.{name}": value for name, value in state.items()} | {"classifier.0.weight": torch.zeros(7, 2)}


def with_metadata(state: State) -> State:
    """As ``state_dict()`` gives it: ordered, with the modules' versions beside the values."""
    found: OrderedDict[str, Tensor] = OrderedDict(state)
    found._metadata = OrderedDict({"": {"version": 1}})  # type: ignore[attr-defined]
    return found


def parameters(state: State) -> State:
    return OrderedDict((name, nn.Parameter(value.clone())) for name, value in state.items())


def parameters_with_state(state: State) -> State:
    found = parameters(state)
    for value in found.values():
        value.note = "kept"  # type: ignore[attr-defined]  # makes torch pickle by _rebuild_parameter_with_state
    return found


CONTENTS: dict[str, Callable[[State], Any]] = {
    "features": dict,
    "whole network": whole,
    "metadata": lambda state: with_metadata(whole(state)),
    "parameters": lambda state: parameters(whole(state)),
    "parameters with state": lambda state: parameters_with_state(whole(state)),
    "half precision": lambda state: {name: value.half() for name, value in whole(state).items()},
    "double precision": lambda state: {name: value.double() for name, value in state.items()},
    "of a training script": lambda state: {
        "epoch": 3,
        "state_dict": {f"module.{k}": v for k, v in whole(state).items()},
    },
    "of torchvision's script": lambda state: {"model": whole(state), "args": {"lr": 0.1}},
}


@pytest.mark.parametrize("old", [False, True], ids=["zip", "before zip"])
@pytest.mark.parametrize("content", CONTENTS)
def test_every_pth_loads(content: str, old: bool, tmp_path: Path) -> None:
    file = tmp_path / "x.pth"
    torch.save(CONTENTS[content](small()), file, _use_new_zipfile_serialization=not old)
    tolerance = {"rtol": 1e-3, "atol": 1e-3} if content == "half precision" else {"rtol": 0, "atol": 0}
    for found in (read_features(file, small()), read_features(file)):
        torch.testing.assert_close(found, small(), **tolerance)
        assert all(value.dtype == torch.float32 and not value.requires_grad for value in found.values())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["x.safetensors", "x.pth", "x"])
def test_safetensors_load_whatever_their_name(dtype: torch.dtype, name: str, tmp_path: Path) -> None:
    state = {key: value.to(dtype) for key, value in whole(small()).items()}
    save_file(state, tmp_path / name)
    torch.testing.assert_close(read_features(tmp_path / name, small()), small(), rtol=1e-2, atol=1e-2)


def as_of_2017(state: State) -> bytes:
    """Return a file as torch 0.1 wrote it: magic number, protocol, sizes, a pickle of Parameters, then the storages.

    Written here opcode by opcode, since torch's own writer gives Parameters the form that later versions have.
    """
    p = pickle
    out = io.BytesIO()
    for header in (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}):
        out.write(pickle.dumps(header, protocol=2))

    def text(value: str) -> bytes:
        return p.BINUNICODE + struct.pack("<I", len(value)) + value.encode()

    def whole_number(value: int) -> bytes:
        return p.BININT + struct.pack("<i", value)

    body = p.PROTO + b"\x02" + p.GLOBAL + b"collections\nOrderedDict\n" + p.EMPTY_TUPLE + p.REDUCE + p.MARK
    for key, (name, value) in enumerate(state.items()):
        storage = p.MARK + text("storage") + p.GLOBAL + b"torch\nFloatStorage\n" + text(str(key)) + text("cuda:0")
        storage += whole_number(value.numel()) + p.NONE + p.TUPLE + p.BINPERSID
        shape, stride = (p.MARK + b"".join(map(whole_number, v)) + p.TUPLE for v in (value.shape, value.stride()))
        tensor = p.GLOBAL + b"torch._utils\n_rebuild_tensor\n" + p.MARK + storage + whole_number(0) + shape + stride
        tensor += p.TUPLE + p.REDUCE
        hooks = p.GLOBAL + b"collections\nOrderedDict\n" + p.EMPTY_TUPLE + p.REDUCE
        state_of_it = p.MARK + tensor + p.NONE + hooks + p.NEWTRUE + p.NEWFALSE + p.TUPLE
        made = p.GLOBAL + b"torch.nn.parameter\nParameter\n" + p.EMPTY_TUPLE + p.NEWOBJ
        body += text(name) + made + state_of_it + p.BUILD
    out.write(body + p.SETITEMS + p.STOP)
    out.write(pickle.dumps([str(key) for key in range(len(state))], protocol=2))
    for value in state.values():
        out.write(struct.pack("<q", value.numel()) + value.contiguous().numpy().tobytes())
    return out.getvalue()


def test_a_file_as_torch_of_2017_wrote_it_loads(tmp_path: Path) -> None:
    file = tmp_path / "vgg.pth"
    file.write_bytes(as_of_2017(whole(small())))
    torch.testing.assert_close(read_features(file, small()), small(), rtol=0, atol=0)


def test_real_values_give_the_same_features_from_every_kind_of_file(tmp_path: Path) -> None:
    given = Path(__file__).resolve().parents[3] / "shared" / "weights" / "vgg16-imagenet-half.safetensors"
    if not given.is_file():
        pytest.skip(f"needs the VGG-16 values in {given}")
    state = read_features(given)
    first = {name: value for name, value in state.items() if int(name.split(".")[0]) < 10}
    first |= {name: torch.zeros_like(value) for name, value in state.items() if name not in first}
    images = torch.rand(1, 3, 32, 32)
    expected = loss_network("vgg16", ["relu2_2"], given)(images)["relu2_2"]
    assert 0.3 < (expected > 0).float().mean() < 0.7  # as its README says of photos
    old, half = tmp_path / "old.pth", tmp_path / "half.pth"
    torch.save(parameters(whole(first)), old, _use_new_zipfile_serialization=False)
    torch.save({name: value.half() for name, value in first.items()}, half)
    for file in (old, half):
        found = loss_network("vgg16", ["relu2_2"], file)(images)["relu2_2"]
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


class Runs:
    """Runs a program when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.trace}",)


@pytest.mark.parametrize("old", [False, True], ids=["zip", "before zip"])
@pytest.mark.parametrize("bait", ["value", "whole file", "state"])
def test_no_program_is_run_from_any_format(bait: str, old: bool, tmp_path: Path) -> None:
    trace, file = tmp_path / "was-here", tmp_path / "x.pth"
    content: Any = small() | {"3.weight": Runs(trace)}
    if bait == "whole file":
        content = Runs(trace)
    elif bait == "state":
        content = parameters(small())
        content["0.weight"].note = Runs(trace)
    torch.save(content, file, _use_new_zipfile_serialization=not old)
    with pytest.raises(InputError, match=r"holds more than weights.*Nothing of it was run") as error:
        read_features(file)
    assert not trace.exists()
    assert "weights_only" not in str(error.value)  # torch's own advice would run it


@pytest.mark.parametrize("old", [False, True], ids=["zip", "before zip"])
def test_a_pickled_network_is_refused_with_the_remedy(old: bool, tmp_path: Path) -> None:
    torch.save(nn.Sequential(nn.Conv2d(3, 4, 3)), tmp_path / "x.pth", _use_new_zipfile_serialization=not old)
    with pytest.raises(InputError, match=r"more than weights.*state_dict\(\)"):
        read_features(tmp_path / "x.pth")
    torch.save(vgg16, tmp_path / "function.pth", _use_new_zipfile_serialization=not old)
    with pytest.raises(InputError, match="more than weights"):
        read_features(tmp_path / "function.pth")


@pytest.mark.parametrize("kind", ["zip", "before zip", "safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_refused(kind: str, share: float, tmp_path: Path) -> None:
    file = tmp_path / "x.bin"
    if kind == "safetensors":
        save_file(small(), file)
    else:
        torch.save(small(), file, _use_new_zipfile_serialization=kind == "zip")
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"x\.bin.*(cut off|empty)"):
        read_features(file)


def _tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"), io.BytesIO())
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("vgg16_weights.h5", b"\x89HDF\r\n\x1a\n" + bytes(300), r"HDF5 \(Keras\).*It takes a \.pth"),
        ("vgg16.onnx", b"\x08\x07" + bytes(300), r"ONNX.*It takes a \.pth"),
        ("vgg16.pth", _tar(), r"\.tar format of 2016"),
        ("noise.pth", bytes(range(256)) * 4, "does not load"),
        ("page.pth", b"<!DOCTYPE html><html>404</html>", "does not load"),
    ],
)
def test_other_kinds_of_file_say_what_can_be_read(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_features(tmp_path / name)


def test_a_program_of_torchscript_and_files_without_tensors_are_refused(tmp_path: Path) -> None:
    for content in ({"epoch": 3}, [1, 2], {"state_dict": {"lr": 0.1}}):
        torch.save(content, tmp_path / "x.pth")
        with pytest.raises(InputError, match="without a tensor"):
            read_features(tmp_path / "x.pth")
    with pytest.raises(InputError, match="no file at"):
        read_features(tmp_path / "none.pth")
