"""The gallery: every picture of the documents has one entry, a document shows it, and it is as its script makes it."""

from __future__ import annotations

import importlib
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


def test_what_the_package_alone_makes_is_not_stale(gallery: ModuleType) -> None:
    old = [name for name in gallery.stale() if not gallery.GALLERY[name].needs]
    assert old == [], "make gallery GALLERY='NAME ...' makes them anew; --accept where they are still right"


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
        "far": gallery.Entry(("c.jpg",), "guide_figures.py", "a telescope"),
    }
    monkeypatch.setattr(gallery, "GALLERY", entries)
    assert gallery.stale() == ["figures", "broken", "far"]
    with pytest.raises(SystemExit) as ended:
        gallery.main([])
    assert ended.value.code == 1
    said = capfd.readouterr()
    assert "far: left as it is, needs a telescope" in said.out
    assert "error: broken was not made: its command ended with 2" in said.err
    assert (tmp_path / "degradations.jpg").is_file()
    assert gallery.stale() == ["broken", "far"]
    gallery.main(["--accept", "far"])
    assert gallery.stale() == ["broken"]
    gallery.main(["--list"])
    assert "broken (stale): python benchmarks/guide_figures.py --no-such-option" in capfd.readouterr().out
    with pytest.raises(SystemExit, match="broken: stale"):
        gallery.main(["--check"])
