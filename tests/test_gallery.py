"""The gallery: every picture of the documents has one entry, a document shows it, and it is as its script makes it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

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
    entries = {
        "figures": gallery.Entry(("a.svg",), f"guide_figures.py --out {tmp_path}"),
        "broken": gallery.Entry(("b.svg",), "guide_figures.py --no-such-option"),
        "elsewhere": gallery.Entry(("old.jpg",), f"guide_figures.py --out {tmp_path}", "a copy"),
        "far": gallery.Entry(("c.jpg",), "guide_figures.py", "a telescope"),
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
    assert "error: broken was not made: its command ended with 2" in said.err
    assert (tmp_path / "degradations.jpg").is_file()
    assert gallery.stale() == ["broken", "elsewhere", "far"]
    assert not gallery.make("elsewhere")
    assert "error: elsewhere: old.jpg in docs/images is as it was; it needs a copy" in capfd.readouterr().err
    gallery.main(["--accept", "far", "elsewhere"])
    assert gallery.stale() == ["broken"]
    with pytest.raises(SystemExit):
        gallery.main(["--accept"])
    assert "takes the names" in capfd.readouterr().err
    gallery.main(["--list"])
    assert "broken (stale): python benchmarks/guide_figures.py --no-such-option" in capfd.readouterr().out
    with pytest.raises(SystemExit, match="broken: stale"):
        gallery.main(["--check"])
