"""benchmarks/degradations.py measures every registered degradation, and both ways make the same inputs."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
import torch

from perceptualloss.data.registry import DEGRADATIONS

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("degradations")
    monkeypatch.setattr(sys, "argv", ["degradations.py", "--batch", "3", "--crop", "16", "--rounds", "1", *words])
    module.main()


def rows(printed: str) -> dict[str, list[str]]:
    lines = [line.strip("| ").split(" | ") for line in printed.splitlines() if line.startswith("| ")]
    return {cells[0]: cells[1:] for cells in lines[1:]}


def test_both_ways_are_measured_and_agree(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(monkeypatch)
    found = rows(capsys.readouterr().out)
    assert found.keys() == DEGRADATIONS.keys()
    for loader, device, ratio, difference in found.values():
        assert float(loader) > 0
        assert float(device) > 0
        assert ratio.endswith(" x")
        assert float(difference) < 2e-7


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(monkeypatch, "--device", "cuda")
    assert "no GPU that PyTorch can use is here" in capsys.readouterr().err


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(monkeypatch, "--device", "cuda", "--only", "Noise", "Blur", "Jpeg")
    for *_, difference in rows(capsys.readouterr().out).values():
        assert float(difference) < 1e-4
