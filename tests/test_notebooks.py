"""The notebooks run from their first cell to their last, at a small size; they are kept without outputs."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from safetensors.torch import save_file

from perceptualloss.features.architectures import vgg16_features
from perceptualloss.features.weights import features_file_name
from perceptualloss.studies.loss_network import distil, report

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SMALL: dict[str, dict[str, Any]] = {
    "1-plain-loop": {"STEPS": 1, "BATCH": 1, "CROP": 32},
    "2-lightning": {"STEPS": 1, "BATCH": 1, "CROP": 32, "VALIDATION": 32},
    "3-layers-and-networks": {"SIZE": 32, "STEPS": 1},
    "4-own-loss-network": {
        "STEPS": 1,
        "BATCH": 4,
        "CROP": 16,
        "PIECES": 2,
        "MEASURED": 32,
        "TEACHER_STEPS": 1,
        "TEACHER_CROP": 32,
    },
}
VGG16 = ("3-layers-and-networks", "4-own-loss-network")  # take its weights where they are at hand


@pytest.fixture(scope="module", name="runner")
def _runner() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        yield importlib.import_module("notebooks")


@pytest.fixture(scope="module", name="hook")
def _hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("notebook_pages", ROOT / "docs" / "hooks" / "notebooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to run in, on a machine without VGG-16's weights."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERCEPTUALLOSS_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(distil, "FITTED_ON", 4)  # samples for a teacher's first weights
    monkeypatch.setattr(report, "_write", lambda *_: None)  # a page of 28 plots, which has tests of its own
    return tmp_path


def run(runner: ModuleType, file: Path) -> list[tuple[dict[str, Any], int]]:
    """Run a notebook small; return its cells, each with the number of its figures."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [(cell, len(figures)) for cell, figures in runner.run(file, SMALL[file.stem])]


def cells(file: Path, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == kind]


def test_every_notebook_is_run_and_has_a_page() -> None:
    assert [file.stem for file in NOTEBOOKS] == sorted(SMALL)
    overview = (ROOT / "docs" / "notebooks.md").read_text(encoding="utf-8")
    for name in SMALL:
        page = (ROOT / "docs" / "notebooks" / f"{name}.md").read_text(encoding="utf-8")
        assert page == f"<!-- notebook: notebooks/{name}.ipynb -->\n"
        assert f"](notebooks/{name}.md)" in overview


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_runs_and_draws_what_its_cells_say(
    file: Path, runner: ModuleType, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if file.stem in VGG16:
        state = {name: value.half() for name, value in vgg16_features().state_dict().items()}
        save_file(state, folder / features_file_name("vgg16"))
    for cell, figures in run(runner, file):
        assert figures == ("picture" in cell["metadata"]), cell["id"]
    assert "left out" not in capsys.readouterr().out.lower()


@pytest.mark.parametrize("name", VGG16)
def test_a_notebook_says_that_it_does_without_vgg16(
    name: str, runner: ModuleType, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(runner, ROOT / "notebooks" / f"{name}.ipynb")
    assert "VGG-16's weights are not on this machine" in capsys.readouterr().out


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_is_kept_without_outputs(file: Path) -> None:
    for cell in cells(file, "code"):
        assert cell["outputs"] == [], f"{cell['id']}: clear the outputs (CONTRIBUTING.md)"
        assert cell["execution_count"] is None
    first, *others = cells(file, "code")
    assert first["metadata"]["tags"] == ["parameters"]
    assert not any("tags" in cell["metadata"] for cell in others)


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_page_has_the_text_the_code_and_the_pictures(file: Path, hook: ModuleType) -> None:
    page = hook.as_markdown(file)
    assert page.startswith("# ")
    assert f"]({file.name})" in page  # to be downloaded
    assert page.count("```python\n") == len(cells(file, "code"))
    pictures = re.findall(r"!\[.+\]\(\.\./(\S+)\)", page)
    assert len(pictures) >= 3
    for place in pictures:
        assert (ROOT / "docs" / place).is_file(), place


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_links_of_a_notebook_lead_somewhere(file: Path) -> None:
    for cell in cells(file, "markdown"):
        for link in re.findall(r"\]\(([^)\s]+)\)", "".join(cell["source"])):
            if not link.startswith("https://"):
                assert (file.parent / link.partition("#")[0]).is_file(), link


def test_a_setting_that_a_notebook_does_not_have_is_refused(runner: ModuleType) -> None:
    with pytest.raises(KeyError, match=r"1-plain-loop\.ipynb has no STEP in its first cell"):
        list(runner.run(NOTEBOOKS[0], {"STEP": 1}))
