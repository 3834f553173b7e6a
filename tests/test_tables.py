"""benchmarks/tables.py fills the places in Markdown files."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from perceptualloss.errors import InputError
from perceptualloss.networks import named as shipped
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.residual import ResidualUpscaler
from perceptualloss.pictures.images import read_image, write_image
from perceptualloss.pictures.listing import picture_files

TEXT = "# Title\n\n<!-- table: {} -->\nold\n<!-- end -->\n\nAfter.\n"


@pytest.fixture(scope="module", name="tables")
def _tables() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).resolve().parents[1] / "benchmarks"))
        yield importlib.import_module("tables")


@pytest.fixture(scope="module", name="filling")
def _filling(tables: ModuleType) -> ModuleType:
    return importlib.import_module("filling")


def test_a_place_is_filled_and_the_rest_stays(filling: ModuleType) -> None:
    text = filling.filled(TEXT.format("one"), {"one": lambda: "| a |\n"})
    assert text == "# Title\n\n<!-- table: one -->\n\n| a |\n\n<!-- end -->\n\nAfter.\n"
    assert filling.filled(text, {"one": lambda: "| a |\n"}) == text
    with pytest.raises(InputError, match="Did you mean 'one'"):
        filling.filled(TEXT.format("on"), {"one": str})


def test_check_writes_nothing(filling: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    file.write_text(TEXT.format("one"))
    (tmp_path / "b.md").write_text("no table\n")
    files = [file, tmp_path / "b.md"]
    assert filling.fill(files, {"one": lambda: "new\n"}, check=True) == [file]
    assert "old" in file.read_text()
    assert filling.fill(files, {"one": lambda: "new\n"}, check=False) == [file]
    assert filling.fill(files, {"one": lambda: "new\n"}, check=True) == []


def test_tables_of_times_are_left_alone_by_a_check(filling: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    file.write_text(TEXT.format("one"))
    assert filling.fill([file], {"one": pytest.fail}, check=True, leave=["one"]) == []


def test_only_tables_with_a_place_are_computed(filling: ModuleType) -> None:
    assert filling.filled("nothing", {"one": pytest.fail}) == "nothing"


def test_every_place_in_the_documents_has_a_table(tables: ModuleType, filling: ModuleType) -> None:
    names = [place[2] for file in tables.documents() for place in filling.PLACE.finditer(file.read_text())]
    cards = {f"card-{card.name}" for card in shipped.list_networks()}
    assert set(names) <= {
        "bicubic",
        *(f"upscalers-{name}" for name in tables.SETS),
        "perception",
        "upscaler-times",
        "inference",
        "lattice",
        "flicker",
        "restoration",
        *tables.loss_effects.tables(),
        *tables.ELSEWHERE,
        *cards,
    }
    assert "bicubic" in names


def test_the_table_in_the_documents_is_up_to_date(
    tables: ModuleType, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {place: figures for place, figures in tables.BICUBIC.items() if place[0] == "Set5"}
    monkeypatch.setattr(tables, "BICUBIC", small)  # the larger photos of Set14 go the same way
    (text,) = [file.read_text() for file in tables.documents() if "<!-- table: bicubic -->" in file.read_text()]
    head, rule, *rows = tables.bicubic_table(shared / "data" / "benchmarks").splitlines()
    assert "\n".join([head, rule, *rows]) in text
    assert len(rows) == 3


def test_figures_of_flicker_are_up_to_date(tables: ModuleType) -> None:
    _, rows = tables.flicker.rows()
    text = (tables.ROOT / "docs" / "video.md").read_text()
    for name, *row in rows:
        (shown,) = (line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith(f"| {name} |"))
        assert [float(cell) for cell in shown[1:]] == pytest.approx([float(cell) for cell in row], rel=1e-3, abs=0.11)
    values = {name: [float(cell) for cell in row] for name, *row in rows}
    still, flickers = values["brighter"], values["brighter and darker in turn"]
    assert flickers[0] == pytest.approx(still[0], rel=0.01)  # as large in every frame
    assert still[2] == 0 < 2 * flickers[0] * 0.99 < flickers[2]


def test_table_of_the_networks_that_ship(
    tables: ModuleType, small_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in tables.SETS:
        for scale in (2, 4):
            folder = tables.set_folder(tmp_path, name, scale)
            folder.mkdir(parents=True)
            write_image(read_image(picture_files(small_photos)[0]), folder / "a_HR.png")
    trained = tmp_path / "trained"
    for name in ("subpixel2x-mse", "subpixel4x-perceptual", "subpixel4x-mse"):
        network = ResidualUpscaler(int(name[8]), width=4, blocks=1, detail=2)
        save_network(network, trained / f"{name}.safetensors")
    monkeypatch.setattr(shipped, "FOLDER", trained)
    rows = tables.upscaler_table(tmp_path, "Set14").splitlines()
    heads = [row.split("|")[1].strip() for row in rows]
    assert heads == ["Set14", "---", "bicubic x2", "mse x2", "bicubic x4", "mse x4", "perceptual x4"]
    assert "PSNR (dB) ↑" in rows[0]
    assert any("**" in row for row in rows[2:4])
    card = tables.card_table(tmp_path, 2, "mse").splitlines()
    heads = [row.split("|")[1].strip() for row in card[2:]]
    assert heads == [f"{who}, {name}" for name in tables.SETS for who in ("bicubic", "this network")]
    save_network(ResidualUpscaler(2, width=4, blocks=1, detail=2), trained / "subpixel2x-perceptual.safetensors")
    tables.measured.cache_clear()
    between = [row.split("|")[1:-1] for row in tables.perception_table(tmp_path).splitlines()[2:]]
    assert [row[0].strip() for row in between] == [f"x{s}, {a}" for s in (2, 4) for a in (0.0, 0.25, 0.5, 0.75, 1.0)]
    ends = [row.split("|")[2:-1] for row in tables.upscaler_table(tmp_path, "Set14").splitlines()]
    assert [cell.strip() for cell in between[0][1:]] == [cell.strip(" *") for cell in ends[3]]  # mse x2
    assert [cell.strip() for cell in between[9][1:]] == [cell.strip(" *") for cell in ends[7]]  # perceptual x4
    tables.measured.cache_clear()
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "none")
    with pytest.raises(InputError, match="trained networks"):
        tables.upscaler_table(tmp_path, "Set5")


def test_a_network_that_no_kind_takes_has_its_row(
    tables: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    for name in ("residual4x-mse", "subpixel4x-perceptual", "subpixel4x-mse"):
        save_network(ResidualUpscaler(4, width=4, blocks=1, detail=2), tmp_path / f"{name}.safetensors")
    assert list(tables.upscalers()[4]) == ["mse", "perceptual", "residual4x-mse"]
