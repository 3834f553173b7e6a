"""What make release checks of a wheel: its files are git's, and a command that fails or writes nothing is told."""

from __future__ import annotations

import importlib
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module", name="release")
def _release() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        yield importlib.import_module("release")


def wheel(folder: Path, names: list[str]) -> Path:
    file = folder / "perceptualloss-1.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, name)
    return file


@pytest.fixture
def names(release: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a right wheel of a small package has, for a git that knows it."""
    package = [f"perceptualloss/{name}" for name in (*release.NEEDED, "__init__.py") if not name.endswith("/")]
    package += [f"perceptualloss/{name}x.html" for name in release.NEEDED if name.endswith("/")]
    known = "".join(f"src/{name}\n" for name in package)
    usual = release.subprocess.run

    def run(words: list[str], **options: object) -> object:
        if words[:2] != ["git", "ls-files"]:
            return usual(words, **options)
        return release.subprocess.CompletedProcess(words, 0, known, "")

    monkeypatch.setattr(release.subprocess, "run", run)
    return [
        *package,
        *(f"perceptualloss-1.dist-info/{name}" for name in ("licenses/LICENSE", "licenses/NOTICE", "RECORD")),
    ]


def test_a_wheel_has_the_files_that_git_knows(release: ModuleType, names: list[str], tmp_path: Path) -> None:
    release.check_files(wheel(tmp_path, names))
    for others, text in (
        ([*names, "perceptualloss/notes.txt"], "stray in the wheel: perceptualloss/notes.txt"),
        ([*names, "tests/test_a.py"], "stray in the wheel: tests/test_a.py"),
        (names[1:], "not in the wheel: perceptualloss/py.typed"),
        (names[:-2], "not in the wheel: NOTICE"),
    ):
        with pytest.raises(SystemExit, match=text):
            release.check_files(wheel(tmp_path, others))


def test_every_needed_part_is_known_to_git(release: ModuleType) -> None:
    package = ROOT / "src" / "perceptualloss"
    assert all((package / name).exists() for name in release.NEEDED)


def test_a_command_that_fails_is_told(release: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = release.timed("me", "try it", [sys.executable, "-c", "import sys; sys.exit('no photo')"], tmp_path)
    assert (row[0], row[1], row[3]) == ("me", "`try it`", "1")
    assert "no photo" in capsys.readouterr().out
    assert f"| me | `try it` | {row[2]} | 1 |" in release.table([row])
