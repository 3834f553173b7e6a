"""What benchmarks/speed.py prints: ratios of invented times, rows in words, formats left out, fair comparisons."""

from __future__ import annotations

import importlib
import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

Load = Callable[[str], ModuleType]


@pytest.fixture(scope="module", name="load")
def _load() -> Iterator[Load]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).resolve().parents[1] / "benchmarks"))
        yield importlib.import_module


def test_a_ratio_is_the_median_over_the_turns(load: Load) -> None:
    timing = load("timing")
    times = {"ours": [1.0, 2.0, 1.0], "theirs": [2.0, 8.0, 3.0], "others": [0.5, 1.0, 0.5]}
    theirs, others = timing.compared("a step", times, "ours", goal=2.5)
    assert (theirs.ours, theirs.other, theirs.peer, theirs.ratio) == (1.0, 3.0, "theirs", 3.0)
    assert (others.ratio, others.goal) == (0.5, 2.5)


def test_turns_go_through_all_and_the_first_does_not_count(load: Load) -> None:
    calls: list[str] = []
    ticks = iter(range(100))
    times = load("timing").in_turn({n: lambda n=n: calls.append(n) for n in "ab"}, 2, lambda: float(next(ticks)))
    assert calls == ["a", "b"] * 3
    assert times == {"a": [1.0, 1.0], "b": [1.0, 1.0]}


def test_a_row_in_words(load: Load) -> None:
    speed, timing = load("speed"), load("timing")
    row = timing.Row("a step", 0.25, 0.5, "`piq`", 2.0, goal=1.5)
    assert speed.cells(row) == ["a step", "250 ms", "`piq`", "500 ms", "2.00", "1.5, met"]
    assert speed.cells(replace(row, goal=2.2))[-1] == "2.2, **missed**"
    assert speed.cells(replace(row, goal=None, unit="MiB", ours=379.4, other=12.34))[1:4] == [
        "379 MiB",
        "`piq`",
        "12.3 MiB",
    ]
    tables = speed.tables("On this.\n", [row, replace(row, what="other", goal=None)], {"memory": "no lpips"})
    assert "On this." in tables["speed"]()
    assert "Left out: memory: no lpips" in tables["speed"]()
    assert "other" in tables["speed"]()


def test_a_part_that_fails_is_named_and_the_others_are_measured(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    speed, row = load("speed"), load("timing").Row("a", 1.0, 2.0, "b", 2.0)

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        if "memory" in command:
            return subprocess.CompletedProcess(command, 1, "", "Traceback\nModuleNotFoundError: lpips\n")
        assert command[-3:] == ["--quick", "--threads", "1"]
        return subprocess.CompletedProcess(command, 0, f"said\n{json.dumps([asdict(row)])}\n", "")

    monkeypatch.setattr(speed.subprocess, "run", run)
    assert speed.measure(["memory", "loss-step"], True, 1) == ([row], {"memory": "ModuleNotFoundError: lpips"})


@pytest.mark.parametrize("has", [True, False])
def test_formats_that_are_not_fast_are_left_out(load: Load, has: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    processor = load("processor")
    monkeypatch.setattr(processor, "best_precision", lambda device: "fp32")
    monkeypatch.setattr(processor, "has_instructions", lambda kind: has and kind == "bf16")
    monkeypatch.setattr(
        processor, "of_fp32", lambda kind: {"product": 1.5, "convolution": 1.25} if has else pytest.fail(kind)
    )
    assert not processor.is_fast("bf16")
    why = "a product takes 1.50 of fp32's time, a convolution 1.25"
    bf16 = f"bf16 is left out ({why if has else 'emulated'})"
    assert processor.types_in_words() == f"fp32; {bf16}; fp16 is left out (emulated)"


def test_the_rate_is_beside_large_kernels(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    loss_step = load("loss_step")
    kernels = {loss_step.PRODUCT: (None, 10**9), "fast": (None, 4 * 10**9)}
    monkeypatch.setattr(loss_step, "large_kernels", lambda: kernels)
    times = {"ours": [2.0, 2.0], loss_step.PRODUCT: [0.02] * 2, "fast": [0.04] * 2}
    product, fast = loss_step.shares(times, 190 * 10**9)
    assert (product.ours, product.other, product.goal) == (95.0, pytest.approx(50.0), 0.95)
    assert (fast.peer, fast.ours, fast.other, fast.goal) == ("fast", 95.0, pytest.approx(100.0), 0.95)
    assert (product.ratio, fast.ratio) == (pytest.approx(1.9), pytest.approx(0.95))


def test_both_loss_steps_give_the_same(load: Load) -> None:
    steps = load("loss_step").LossSteps(size=32)
    steps.ours.view, steps.course.size = replace(steps.ours.view, resize=(32, 32)), (32, 32)
    (value, gradient), (expected, wanted) = steps.step(steps.ours), steps.step(steps.course)
    assert value == pytest.approx(expected, rel=1e-5)
    assert (gradient - wanted).norm() < 0.05 * wanted.norm()  # the L1's kinks


def test_plain_loops_train_with_the_same_losses(load: Load) -> None:
    train_step = load("train_step")
    for name, training in train_step.TRAININGS.items():
        low, high = training.shapes
        side = {1: 32, 2: 16, 4: 8}[high[-1] // low[-1]]
        small = replace(training, shapes=((1, 3, side, side), (1, 3, *[side * high[-1] // low[-1]] * 2)))
        found = train_step.steps(small, bf16=False)
        plain, ours = found[train_step.PLAIN], found["ours"]
        for _ in range(2):
            assert ours() == pytest.approx(plain(), rel=2e-3), name


def test_what_is_timed_has_the_same_shapes_as_what_is_said(load: Load) -> None:
    for name, training in load("train_step").TRAININGS.items():
        count, side = training.shapes[1][0], training.shapes[1][-1]
        assert f"{count} crop" in name
        assert name.endswith(f" of {side}")
        assert torch.Size(training.shapes[0])[0] == count
