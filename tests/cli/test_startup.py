"""What starts quickly loads little: told by the modules that are there, not by the clock."""

from __future__ import annotations

import ast
import importlib
import json
import pickle
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import perceptualloss
from perceptualloss.cli import COMMANDS

HEAVY = ("torch", "torchvision", "lightning", "jsonargparse", "numpy", "rich", "yaml", "matplotlib", "PIL")


def loaded(code: str, modules: tuple[str, ...] = HEAVY) -> list[str]:
    """Which of the modules are there when a process of its own has run the code."""
    code = f"import sys\ntry:\n {code}\nexcept SystemExit: pass\n"
    code += f"import json; print(); print(json.dumps([name for name in {modules} if name in sys.modules]))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names: list[str] = json.loads(found.stdout.splitlines()[-1])
    return names


@pytest.mark.parametrize("words", [["--help"], ["--version"]], ids=" ".join)
def test_help_loads_only_what_it_prints(words: list[str]) -> None:
    assert loaded(f"from perceptualloss.cli import main; main({words})") == []


def test_the_package_is_its_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["perceptualloss", "upscale", "nothing.png"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("perceptualloss", run_name="__main__", alter_sys=True)  # what python -m does
    assert stop.value.code == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: expected a picture or folder nothing.png")


def test_an_unknown_command_is_told_without_pytorch() -> None:
    assert "torch" not in loaded("from perceptualloss.cli import main; assert main(['upscal']) == 2")


def test_the_package_loads_nothing_until_a_name_is_used_and_no_trainer_for_what_trains_nothing() -> None:
    lines = [  # one process, since each imports torch for seconds
        "import perceptualloss; dir(perceptualloss)",
        f"early = [name for name in {HEAVY} if name in sys.modules]",
        "assert not early, early",
        "from perceptualloss import psnr",
        "assert 'torch' in sys.modules",
        "import perceptualloss.metrics.registry",
        "assert not {'jsonargparse', 'matplotlib', 'skimage'} & {*sys.modules}",
        "from perceptualloss.cli import main",
        "from contextlib import suppress",
        *(
            f"with suppress(SystemExit): main(['{command}', '--help'])"
            for command in ("upscale", "stylize", "loss-map")
        ),
    ]
    assert loaded("\n ".join(lines), ("lightning", "tensorboard", "torchmetrics")) == []


def test_each_public_name_is_the_thing_in_its_home() -> None:
    stub = Path(perceptualloss.__file__).with_suffix(".pyi")
    homes = {
        alias.asname: (node.module, alias.name)
        for node in ast.walk(ast.parse(stub.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(perceptualloss.__all__) == sorted(name for name in homes if name) == sorted(dir(perceptualloss))
    for public, (module, name) in homes.items():
        assert public == name  # "as" is there for type checkers, to which it says that a name is public
        assert getattr(perceptualloss, name) is getattr(importlib.import_module(f"perceptualloss.{module}"), name)


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="perceptualloss attribute nothing"):
        perceptualloss.nothing  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(ImportError):
        from perceptualloss import nothing  # type: ignore[attr-defined]  # noqa: F401, PLC0415


def test_objects_of_public_classes_are_pickled() -> None:
    loss = pickle.loads(pickle.dumps(perceptualloss.L1Loss()))
    assert type(loss) is perceptualloss.L1Loss


def test_every_command_has_a_file() -> None:
    folder = Path(importlib.import_module("perceptualloss.cli").__file__ or "").parent
    for name in COMMANDS:
        text = (folder / f"{name.replace('-', '_')}.py").read_text(encoding="utf-8")
        assert re.search(rf'(command|tool)_parser\("{name}"', text)


def test_the_benchmark_measures_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "benchmarks"))
    startup = importlib.import_module("startup")
    seconds = startup.startup({"idle": "pass", "with a module": "import json"}, rounds=1)
    assert all(value > 0 for value in seconds.values())
    with pytest.raises(subprocess.CalledProcessError):
        startup.cpu_seconds("raise SystemExit(3)")
