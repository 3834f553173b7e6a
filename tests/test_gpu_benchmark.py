"""benchmarks/gpu.py counts what it divides by, and prints figures beside goals, here on a CPU at small sizes."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
SMALL = [
    "--batch",
    "1",
    "--size",
    "32",
    "--frames",
    "2",
    "--style-size",
    "32",
    "--product",
    "64",
    "96",
    "--seconds",
    "0",
]


@pytest.fixture(name="gpu")
def _gpu() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("gpu")


def printed(gpu: ModuleType, monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu.py", *SMALL, *words])
    gpu.main()


def test_figures_stand_beside_the_goals(
    gpu: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed(gpu, monkeypatch, "--device", "cpu", "--type", "fp32")
    first, product, _, _, _, loss, style = capsys.readouterr().out.strip().splitlines()
    assert f"PyTorch {torch.__version__}" in first
    assert "matrices in fp32: " in product
    step, frames = ([cell.strip() for cell in line.strip("|").split("|")] for line in (loss, style))
    assert step[:2] == ["loss step, 1 x 32 px", "eager"]
    assert step[3].endswith("%")
    assert float(step[3][:-1]) > 0
    assert step[4] == "50%"
    assert frames[:2] == ["style, 2 x 32 px", "eager"]
    assert float(frames[3].removesuffix(" frames/s")) == pytest.approx(2000 / float(frames[2]), rel=0.02)
    assert frames[4] == "1000 frames/s"
    assert [cells[5:] for cells in (step, frames)] == [["1.00 x", "0e+00"]] * 2


def test_operations_are_counted_forward_and_backward(gpu: ModuleType) -> None:
    a, b = torch.rand(5, 7), torch.rand(7, 3)
    assert gpu.operations(lambda: a @ b) == 2 * 5 * 7 * 3
    convolution, x = nn.Conv2d(3, 8, 3, padding=1).requires_grad_(False), torch.rand(2, 3, 10, 12, requires_grad=True)
    once = 2 * 2 * 10 * 12 * 8 * 3 * 9

    def step() -> torch.Tensor:
        convolution(x).sum().backward()
        return x

    assert gpu.operations(step) == 2 * once  # the output, and the gradient at the input


def test_the_loss_step_counts_both_pictures_and_one_gradient(gpu: ModuleType) -> None:
    setting = gpu.Setting(torch.device("cpu"), torch.float32, 0)
    loss, step_of = gpu.loss_step(1, 32, setting)
    layers = [(3, 64, 32), (64, 64, 32), (64, 128, 16), (128, 128, 16), (128, 256, 8), (256, 256, 8), (256, 256, 8)]
    passed = sum(2 * 9 * before * after * side**2 for before, after, side in layers)
    assert gpu.operations(step_of(loss)) == pytest.approx(3 * passed, rel=0.01)


def test_what_is_not_there_is_said(
    gpu: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        printed(gpu, monkeypatch, "--device", "cpu", "--ways", "graph")
    assert "graphs are of CUDA" in capsys.readouterr().err
    if not torch.cuda.is_available():
        with pytest.raises(SystemExit):
            printed(gpu, monkeypatch)
        assert "no GPU that PyTorch can use is here" in capsys.readouterr().err


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_all_ways_on_a_gpu(
    gpu: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed(gpu, monkeypatch)
    lines = capsys.readouterr().out.strip().splitlines()[5:]
    assert len(lines) == 8
    for line in lines:
        assert float(line.strip("|").split("|")[-1]) < 0.05
