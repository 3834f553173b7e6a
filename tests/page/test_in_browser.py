"""The example that computes in the browser: what it is offered, and that Chromium makes what the command makes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from perceptualloss.apply.upscale import upscaler
from perceptualloss.networks import export
from perceptualloss.networks.sub_pixel import SubPixelUpscaler
from perceptualloss.page import browser_files, files
from perceptualloss.page.app import Page

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of PyTorch's exporter


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[SubPixelUpscaler]:
    """The one network that is offered: a small one on cells, so that tiles begin where cells do."""
    torch.manual_seed(0)
    network = SubPixelUpscaler(2, width=4, blocks=2, detail=4, reduce=2).eval()
    nn.init.normal_(network.last.weight, std=0.1)
    monkeypatch.setattr(browser_files, "NETWORKS", ("small",))
    monkeypatch.setattr(browser_files, "load_network", lambda name: network)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    files.browser_files.cache_clear()
    yield network
    files.browser_files.cache_clear()


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like onnxruntime-web."""
    folder = tmp_path / "node_modules/onnxruntime-web/dist"
    folder.mkdir(parents=True)
    for name in (*browser_files._SCRIPTS, *(f"{p}.{e}" for p in browser_files._PARTS for e in ("mjs", "wasm"))):
        (folder / name).touch()
    monkeypatch.setenv(browser_files.FOLDER, str(tmp_path))
    return folder


def offer() -> Any:
    return json.loads(browser_files.extra()["networks.json"])


def test_what_is_missing_is_said(network: nn.Module, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(export, "find_spec", lambda name: None)
        assert offer() == {"networks": [], "missing": "onnx", "command": "pip install 'perceptualloss[onnx]'"}
    next(runtime.glob("*.wasm")).unlink()
    assert browser_files.extra().keys() == {"networks.json"}
    assert offer()["missing"] == "runtime"
    assert "npm ci" in offer()["command"]


def test_the_lock_names_no_registry() -> None:
    lock = (browser_files._OWN / "package-lock.json").read_text()
    assert "://" not in lock
    wanted = json.loads((browser_files._OWN / "package.json").read_text())["dependencies"]["onnxruntime-web"]
    assert json.loads(lock)["packages"]["node_modules/onnxruntime-web"]["version"] == wanted


@pytest.fixture
def address(network: nn.Module, served: tuple[Page, str, int]) -> str:
    """The example on a page, with that network and the true onnxruntime-web."""
    if not browser_files.runtime_files():
        pytest.skip("needs onnxruntime-web: make browser-runtime (which needs npm)")
    files.browser_files()  # the export is no part of what Chromium waits for
    return f"{served[1]}/browser/"


def test_chromium_makes_what_the_command_makes(
    tools: Any, address: str, network: nn.Module, tmp_path: Path, png: Callable[..., bytes]
) -> None:
    source, large = tmp_path / "small.png", tmp_path / "small-upscale.png"
    source.write_bytes(png(401, 389))  # of tiles of 384 pixels, and no whole cells
    clear = tmp_path / "clear.png"
    clear.write_bytes(png(4, 4, channels=4))
    with tools.chromium(tmp_path, language="de") as browser:
        browser.get(address)
        tools.wait(browser, "document.documentElement.dataset.ready")
        assert browser.execute_script("return crossOriginIsolated")
        browser.find_element("id", "file").send_keys(str(clear))
        browser.find_element("id", "run").click()
        tools.wait(browser, "!document.querySelector('#problem').hidden")
        assert "durchsichtig" in browser.find_element("id", "problem").text
        browser.find_element("id", "file").send_keys(str(source))
        browser.find_element("id", "run").click()
        tools.wait(browser, "!document.querySelector('#result').hidden")
        assert "778 x 802" in browser.find_element("id", "state").text
        assert f"{os.cpu_count()} Threads" in browser.find_element("id", "state").text
        browser.find_element("id", "download").click()
        while not large.is_file():
            pass
        assert not [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]
    upscaler(network=network).file(source, tmp_path / "expected.png")
    made, wanted = (np.asarray(Image.open(f).convert("RGB"), int) for f in (large, tmp_path / "expected.png"))
    assert np.abs(made - wanted).max() <= 1
    assert (made != wanted).mean() < 1e-3
