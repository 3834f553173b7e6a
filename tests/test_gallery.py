"""The gallery: every picture of the documents has one entry, a document shows it, and it is as its script makes it."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from perceptualloss.data.registry import DEGRADATIONS

ROOT = Path(__file__).parents[1]


@pytest.fixture(name="gallery")
def _gallery() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        yield importlib.import_module("gallery")


def test_every_picture_has_an_entry_and_a_document(gallery: ModuleType) -> None:
    assert gallery.faults() == []


def test_no_picture_is_stale(gallery: ModuleType) -> None:
    assert gallery.stale() == [], "make gallery GALLERY='NAME ...' makes them anew; --accept where they are still right"


def test_helpers_and_loss_networks_make_a_picture_stale(gallery: ModuleType) -> None:
    scripts = {file.name for file in gallery.imported(ROOT / "benchmarks" / "loss_effects.py")}
    assert {"loss_effects.py", "loss_effects_drawn.py", "loss_effects_made.py"} <= scripts
    assert "svg.py" in {file.name for file in gallery.imported(ROOT / "benchmarks" / "course_figures.py")}
    for name, entry in gallery.GALLERY.items():
        for pattern in entry.networks:
            assert list(gallery.PACKAGE.glob(pattern)), f"{name}: {pattern}"


def test_the_figure_of_the_rooms_has_the_rows_that_import_linter_checks(gallery: ModuleType) -> None:
    figure = importlib.import_module("room_figure")
    found = figure.rows()
    assert str(figure.drawn(found)) == (gallery.IMAGES / "rooms.svg").read_text(encoding="utf-8")
    rooms = {file.parent.name for file in gallery.PACKAGE.glob("*/__init__.py")}
    assert rooms == figure.WORDS.keys() == rooms & {name for row in found for name in row}


def test_faults_are_named(gallery: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lost.jpg").write_bytes(b"")
    monkeypatch.setattr(gallery, "IMAGES", tmp_path)
    monkeypatch.setattr(gallery, "GALLERY", {"none": gallery.Entry(("none.jpg",), "start_page.py")})
    assert gallery.faults() == [
        "none: no picture none.jpg",
        "lost.jpg: no entry makes it",
        "lost.jpg: no document shows it",
    ]


def test_a_picture_is_made_and_recorded_and_a_failure_is_told(
    gallery: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gallery, "RECORD", tmp_path / "gallery.json")
    monkeypatch.setattr(gallery, "SCRIPTS", tmp_path)
    (tmp_path / "draw.py").write_text("import sys\nopen(sys.argv[1], 'w').close()\n")
    entries = {
        "figures": gallery.Entry(("a.svg",), f"draw.py {tmp_path / 'a.svg'}"),
        "broken": gallery.Entry(("b.svg",), "draw.py"),
        "elsewhere": gallery.Entry(("old.jpg",), f"draw.py {tmp_path / 'new.jpg'}", "a copy"),
        "far": gallery.Entry(("c.jpg",), "draw.py c.jpg", "a telescope"),
    }
    monkeypatch.setattr(gallery, "GALLERY", entries)
    (tmp_path / "old.jpg").write_bytes(b"")
    os.utime(tmp_path / "old.jpg", (0, 0))
    monkeypatch.setattr(gallery, "IMAGES", tmp_path)
    assert gallery.stale() == ["figures", "broken", "elsewhere", "far"]
    with pytest.raises(SystemExit) as ended:
        gallery.main([])
    assert ended.value.code == 1
    said = capfd.readouterr()
    assert "far: left as it is, needs a telescope" in said.out
    assert "error: broken was not made: its command ended with 1" in said.err
    assert re.search(r"figures: made in \d+ s\n", said.out)
    assert re.search(r"1 of 2 made, in \d+\.\d minutes\n", said.out)
    assert (tmp_path / "a.svg").is_file()
    assert gallery.stale() == ["broken", "elsewhere", "far"]
    assert not gallery.make("elsewhere")
    assert "error: elsewhere: old.jpg in docs/images is as it was; it needs a copy" in capfd.readouterr().err
    gallery.main(["--accept", "far", "elsewhere"])
    assert gallery.stale() == ["broken"]
    with pytest.raises(SystemExit):
        gallery.main(["--accept"])
    assert "takes the names" in capfd.readouterr().err
    gallery.main(["--list"])
    assert "broken (stale): python benchmarks/draw.py\n" in capfd.readouterr().out
    with pytest.raises(SystemExit, match="broken: stale"):
        gallery.main(["--check"])


def test_the_guides_figures_show_every_degradation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    figures = importlib.import_module("guide_figures")
    shown: list[str] = []
    monkeypatch.setattr(figures, "text_cell", lambda names, *_, **__: shown.extend(names) or Image.new("RGB", (8, 8)))
    monkeypatch.setattr("sys.argv", ["guide_figures.py", "--out", str(tmp_path)])
    figures.main()
    assert {file.name for file in tmp_path.iterdir()} == {"degradations.jpg", "training-step.svg"}
    assert sorted(shown[1:]) == sorted(DEGRADATIONS.keys() - set(figures.PARTS))
