"""The doctor: a healthy installation, and broken ones, each with what to do, even where nothing else loads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from perceptualloss import cli
from perceptualloss.doctor import machine, places, software
from perceptualloss.doctor.diagnosis import advice, examine, is_healthy, lines
from perceptualloss.doctor.findings import Finding, guarded


def found(findings: Iterable[Finding], state: str) -> str:
    """Return texts and remedies of the findings of a state."""
    return "\n".join(f"{finding.text} -> {finding.remedy}" for finding in findings if finding.state == state)


def with_version(monkeypatch: pytest.MonkeyPatch, name: str, version: str | None) -> None:
    usual = software._version
    monkeypatch.setattr(software, "_version", lambda asked: version if asked == name else usual(asked))


@pytest.fixture
def without_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Caches that are empty, and no folder of weights."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv("PERCEPTUALLOSS_WEIGHTS", raising=False)
    return tmp_path / "hub" / "checkpoints"


@pytest.mark.usefixtures("without_network")
def test_nothing_is_broken_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor"]) == 0
    said = capsys.readouterr().out
    for part in ("Software\n", "Extras\n", "Processor\n", "GPUs\n", "Memory and disk\n", "Weights\n", "Caches\n"):
        assert part in said
    assert "What to do\n" in said
    assert "Nothing is broken. Begin with: perceptualloss upscale photo.jpg" in said
    assert "fp32" in said
    assert "not here yet: vgg16, vgg19, alexnet, squeezenet" in said
    assert max(map(len, said.splitlines())) <= 112


def test_programs_get_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with_version(monkeypatch, "rich", None)
    assert cli.main(["doctor", "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["healthy"] is False
    assert {"part": "Software", "text": "rich: not installed", "state": "broken"}.items() <= next(
        finding for finding in data["findings"] if finding["state"] == "broken"
    ).items()
    assert data["advice"][0] == "rich: not installed: pip install 'rich>=14'"


PACKAGES: list[tuple[str, str | None, str]] = [
    ("lightning", "2.6.2", "lightning 2.6.2, which was a malicious upload -> pip uninstall lightning"),
    ("lightning", "2.6.3", "change the passwords and keys"),
    ("rich", None, "rich: not installed -> pip install 'rich>=14'"),
    ("numpy", "1.26.4", "numpy: 1.26.4, which is not >=2"),
    ("torch", "2.13.0", "was built with torch==2.15.0, and torch is 2.13.0 -> pip install .* torch torchvision"),
]


@pytest.mark.parametrize(("name", "version", "text"), PACKAGES)
def test_packages_that_do_not_fit(name: str, version: str | None, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "torch":
        usual = software.metadata.requires
        monkeypatch.setattr(
            software.metadata, "requires", lambda name: ["torch==2.15.0"] if name == "torchvision" else usual(name)
        )
    with_version(monkeypatch, name, version)
    broken = found(software.packages(), "broken")
    head, _, tail = text.partition(".*")
    assert head in broken
    assert tail in broken


def test_a_package_that_does_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    findings = list(software.imports())
    assert "skimage does not load: ModuleNotFoundError" in found(findings, "broken")
    assert "these load: torch, torchvision" in found(findings, "ok")


def test_extras_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with_version(monkeypatch, "av", None)
    findings = list(software.extras())
    assert "video (needs av) -> pip install 'perceptualloss[video]'" in found(findings, "missing")
    assert is_healthy(findings)
    assert not [finding for finding in findings if finding.text.startswith(software.FOR_DEVELOPERS)]
    assert "You do not have the extras " in advice(findings)[0]
    assert not [finding for finding in software.optional_libraries() if "PyAV" in finding.text]


def test_a_library_without_its_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    with_version(monkeypatch, "av", "18.1.0")
    monkeypatch.setitem(sys.modules, "av", SimpleNamespace(__version__="18.1.0", codecs_available=set()))
    assert "without x264, so that clips cannot be written" in found(software.optional_libraries(), "broken")


def test_a_probe_that_fails_is_a_finding() -> None:
    def probe() -> Iterator[Finding]:
        yield Finding("Odd", "first")
        raise RuntimeError("two\nlines")

    first, second = guarded("Odd", probe)
    assert (first.state, second.state) == ("ok", "broken")
    assert second.text == "this cannot be looked at: RuntimeError: two lines"
    assert not is_healthy(examine([("Odd", probe)]))


FORMATS = [("fp32", False, "bf16 is emulated"), ("fp32", True, "hardly faster"), ("bf16", True, "bf16 is fast; a tr")]


@pytest.mark.parametrize(("best", "has", "text"), FORMATS)
def test_number_formats(best: str, has: bool, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perceptualloss.training.precision.best_precision", lambda device: best)
    monkeypatch.setattr(machine, "has_instructions", lambda kind: has and kind == "bf16")
    said = [finding.text for finding in machine.processor()]
    assert any(text in line for line in said)
    assert any("fp16 is emulated" in line for line in said)


def test_a_machine_without_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "free_main_memory", lambda: 2**29)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda folder: SimpleNamespace(free=2**20))
    monkeypatch.setattr(machine.os, "access", lambda place, mode: False)
    notes = found(machine.memory(), "note")
    assert "512 MiB of memory is free -> Close other programs" in notes
    assert "1 MiB of disk is free" in notes
    assert "nothing can be written into" in notes


def test_a_terminal_without_utf8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(encoding="latin-1", isatty=lambda: True))
    assert "latin-1 -> Set PYTHONUTF8=1" in found(machine.terminal(), "note")


def recorded(monkeypatch: pytest.MonkeyPatch, hashes: dict[str, str]) -> None:
    entries: list[Any] = [
        SimpleNamespace(name=name, suffix=".safetensors", hash=SimpleNamespace(value=value))
        for name, value in hashes.items()
    ]
    monkeypatch.setattr(places.metadata, "files", lambda name: entries)


def test_weights_that_are_not_what_was_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = {
        file.name: places._digest(file) for folder in places.SHIPPED for file in (places.ROOT / folder).glob("*.s*")
    }
    recorded(monkeypatch, right)
    assert "as installed (SHA-256)" in found(places.shipped_weights(), "ok")
    recorded(monkeypatch, right | {"judge.safetensors": "other", "gone.safetensors": "any"})
    broken = found(places.shipped_weights(), "broken")
    assert "judge.safetensors is not what was installed" in broken
    assert "gone.safetensors was installed and is gone" in broken


def test_weights_of_imagenet(without_network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_network.mkdir(parents=True)
    (without_network / "vgg16-397923af.pth").write_bytes(b"cut off")
    assert "vgg16: got a SHA-256 of" in found(places.imagenet_weights(), "broken")
    monkeypatch.setenv("PERCEPTUALLOSS_WEIGHTS", str(tmp_path / "nowhere"))
    assert "nowhere, which is no folder -> Make it" in found(places.imagenet_weights(), "broken")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "vgg16-397923af.pth").write_bytes(b"the user's own")
    monkeypatch.setenv("PERCEPTUALLOSS_WEIGHTS", str(tmp_path / "mine"))
    assert f"vgg16: {tmp_path / 'mine' / 'vgg16-397923af.pth'}" in found(places.imagenet_weights(), "ok")


def test_long_lines_are_folded() -> None:
    text = lines(Finding("Part", "word " * 50, "broken"), None)
    assert text.startswith("Part\n  BROKEN  word")
    assert max(map(len, text.splitlines())) <= 112


def test_a_command_that_does_not_load_is_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "perceptualloss.cli.upscale", None)
    assert cli.main(["upscale", "a.png"]) == 1
    assert "one that does not load (import of perceptualloss.cli.upscale halted" in capsys.readouterr().err


def test_where_nothing_loads_the_doctor_does(tmp_path: Path) -> None:
    for name in ("torch", "jsonargparse"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('libtorch_cpu.so: cannot open shared object file')\n")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{places.ROOT.parent}"}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "perceptualloss", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    doctor, other = run("doctor"), run("upscale", "a.png")
    assert doctor.returncode == other.returncode == 1
    assert "BROKEN  torch does not load: ImportError: libtorch_cpu.so" in doctor.stdout
    assert "What to do\n  torch does not load" in doctor.stdout
    assert doctor.stderr == ""
    assert other.stderr == (
        "error: the installation is broken (libtorch_cpu.so: cannot open shared object file). "
        "perceptualloss doctor says what to do.\n"
    )
