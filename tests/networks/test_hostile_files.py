"""Network files from strangers: each is refused in one line, and nothing larger than the file is built."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from perceptualloss import cli
from perceptualloss.errors import InputError
from perceptualloss.losses.style_objective import saved_objective
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.limits import bounded
from perceptualloss.networks.named import load_network
from perceptualloss.networks.registry import build_network
from perceptualloss.networks.style_transfer import StyleTransferNetwork
from perceptualloss.pictures.images import write_image

GOOD: dict[str, Any] = {"scale": 1, "width": 4, "blocks": 1, "detail": 4}


def weights(**changes: Any) -> dict[str, Tensor]:
    state = {k: v.detach().contiguous() for k, v in build_network("ResidualUpscaler", GOOD).state_dict().items()}
    return {name: value for name, value in (state | changes).items() if value is not None}


def arguments(**changes: Any) -> dict[str, str]:
    return {"network": "ResidualUpscaler", "arguments": json.dumps(GOOD | changes)}


HOSTILE: dict[str, tuple[dict[str, Tensor], dict[str, str], str]] = {
    "3,000,000 blocks": (weights(), arguments(blocks=3_000_000), "blocks of ResidualUpscaler up to 65,536"),
    "65,536 blocks": (weights(), arguments(blocks=65_536), "ResidualUpscaler with at most"),
    "a width of 60,000": (weights(), arguments(width=60_000), "parameters, got"),
    "a width of 10^40": (weights(), arguments(width=10**40), "up to 65,536, got a number of 41 digits"),
    "a negative width": (weights(), arguments(width=-4), "from 1"),
    "a scale that is prime": (weights(), arguments(scale=1_000_000_007), "up to 65,536"),
    "a text as a width": (weights(), arguments(width="4"), "width of ResidualUpscaler to be a whole number"),
    "a list as a width": (weights(), arguments(width=[4]), "width of ResidualUpscaler to be a whole number"),
    "true as a width": (weights(), arguments(width=True), "width of ResidualUpscaler to be a whole number"),
    "NaN as a width": (weights(), arguments(width=float("nan")), "width of ResidualUpscaler to be a whole number"),
    "an unknown argument": (weights(), arguments(widht=4), "Did you mean 'width'"),
    "another width": (weights(), arguments(width=3), "of shape (3, 3, 3, 3), got (4, 3, 3, 3)"),
    "a network of elsewhere": (weights(), arguments() | {"network": "os.system"}, "to hold one of"),
    "markup as a network": (weights(), arguments() | {"network": "o[red]"}, "got 'o[red]'"),
    "no network": (weights(), {"arguments": "{}"}, "without a network's name"),
    "broken JSON": (weights(), arguments() | {"arguments": "{width: 4"}, "as JSON"),
    "deep JSON": (weights(), arguments() | {"arguments": "[" * 100_000}, "as JSON"),
    "JSON of another type": (weights(), arguments() | {"arguments": "[4]"}, "by name"),
    "a missing tensor": (weights(**{"last.bias": None}), arguments(), "ResidualUpscaler with at most"),
    "a tensor too many": (weights(**{"[/]": torch.zeros(1)}), arguments(), "and no others, got some for '[/]'"),
    "one tensor for another": (
        weights(**{"last.bias": None, "lost.bias": torch.zeros(3)}),
        arguments(),
        "got none for last.bias",
    ),
    "another shape": (weights(**{"last.bias": torch.zeros(4)}), arguments(), "of shape (3,), got (4,)"),
    "whole numbers as weights": (
        weights(**{"last.bias": torch.zeros(3, dtype=torch.int64)}),
        arguments(),
        "last.bias in",
    ),
    "NaN as a weight": (weights(**{"last.bias": torch.full((3,), torch.nan)}), arguments(), "finite weights"),
    "infinity in 16 bits": (
        weights(**{"last.bias": torch.full((3,), torch.inf, dtype=torch.float16)}),
        arguments(),
        "finite weights",
    ),
}


def refused(file: Path, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match=re.escape(message)) as error:
        load_network(file)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 800
    write_image(torch.zeros(3, 4, 4), file.with_suffix(".png"))
    assert cli.main(["upscale", str(file.with_suffix(".png")), "--network", str(file)]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("error: ")
    assert shown.count("\n") == 1
    assert message in shown


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_is_refused_in_one_line(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state, metadata, message = HOSTILE[name]
    save_file(state, tmp_path / "network.safetensors", metadata)
    refused(tmp_path / "network.safetensors", message, capsys)


def header(text: bytes, length: int | None = None, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(text) if length is None else length) + text + data


_ONE = b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}'
BROKEN = {
    "nothing": b"",
    "seven bytes": b"1234567",
    "a header of 2^63 bytes": header(b"{}", 2**63),
    "a header of 9 MB": header(b" " * 9_000_000 + b"{}", data=b"1"),
    "no JSON": header(b"{"),
    "no mapping": header(b"[]"),
    "a tensor beyond the end": header(b'{"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}}', data=b"1234"),
    "a shape of 2^64": header(b'{"a": {"dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 4]}}'),
    "a tensor twice": header(_ONE + b', "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}', data=b"1234"),
    "metadata that is no text": header(b'{"__metadata__": {"network": 5}}'),
    "a type that is not known": header(
        b'{"a": {"dtype": "OBJECT", "shape": [1], "data_offsets": [0, 4]}}', data=b"1234"
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_in_one_line(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "network.safetensors").write_bytes(BROKEN[name])
    refused(tmp_path / "network.safetensors", "safetensors", capsys)


OBJECTIVES = {
    "broken JSON": ("{bad", "as JSON"),
    "deep JSON": ("[" * 100_000, "as JSON"),
    "a list": ("[1]", "by names"),
    "styles that are no list": (
        '{"loss": "l1", "styles": 5, "style_size": null, "style_strength": 1}',
        "a list of a text",
    ),
    "a style that is no text": (
        '{"loss": "l1", "styles": [{}, 1], "style_size": null, "style_strength": 1}',
        "a list of a text",
    ),
    "more styles than there are": (
        '{"loss": "l1", "styles": ["a", "b", "o["], "style_size": null, "style_strength": 1}',
        "names of the 2 styles",
    ),
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_broken_objective_is_refused_in_one_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    objective, message = OBJECTIVES[name]
    network = StyleTransferNetwork(width=4, blocks=1, styles=2)
    file = save_network(network, tmp_path / "network.safetensors", objective=objective)
    write_image(torch.zeros(3, 8, 8), tmp_path / "o[red].png")
    words = ["--network", str(file), "--style", "o[", "-o", str(tmp_path / "painted.png")]
    assert cli.main(["stylize", str(tmp_path / "o[red].png"), *words]) == 1
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1
    assert not (tmp_path / "painted.png").exists()


@pytest.mark.parametrize(
    "objective",
    [
        {"loss": {"class_path": "os.system"}},
        {"loss": {"LPIPS": {"net": "o["}}},
        {"style_size": 10**9},
        {"style_strength": float("inf")},
        {"other": 1},
    ],
)
def test_an_objective_is_data(objective: dict[str, Any]) -> None:
    usual = {"loss": "johnson_style", "styles": ["wave"], "style_size": 32, "style_strength": 1.0}
    with pytest.raises(InputError):
        saved_objective({"objective": json.dumps(usual | objective)}, torch.rand(3, 32, 32))


def test_a_good_file_loads_as_it_was_saved_and_draws_no_random_numbers(tmp_path: Path) -> None:
    state = weights()
    save_file({name: value.half() for name, value in state.items()}, tmp_path / "half.safetensors", arguments())
    before = torch.get_rng_state()
    loaded = load_network(tmp_path / "half.safetensors")
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(value, state[name].half().float()) for name, value in loaded.state_dict().items())
    assert all(parameter.requires_grad and parameter.is_leaf for parameter in loaded.parameters())
    assert loaded(torch.rand(1, 3, 5, 5)).dtype == torch.float32


def test_counting_ends_with_the_bounds() -> None:
    with pytest.raises(InputError, match="2 parameter tensors"), bounded("a network", 2, 100):
        nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    with pytest.raises(InputError, match="100 parameters"), bounded("a network", 2, 100):
        nn.Linear(100, 2)
    nn.Sequential(nn.Linear(100, 100), nn.Linear(2, 2), nn.Linear(2, 2))


def test_the_table_in_the_documents_has_every_line() -> None:
    text = (Path(__file__).parents[2] / "docs" / "safety.md").read_text(encoding="utf-8")
    for name in (*HOSTILE, *OBJECTIVES):
        assert f"| {name} | " in text
    for name in BROKEN:
        assert name in text
