"""``perceptualloss evaluate`` as a user meets it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from rich.console import Console

from perceptualloss import cli
from perceptualloss.cli import console as console_module
from perceptualloss.cli import evaluate as command
from perceptualloss.cli.console import console
from perceptualloss.metrics.metric import Metric
from perceptualloss.metrics.registry import metric
from perceptualloss.networks.checkpoint import save_network
from perceptualloss.networks.course import Upscale2x
from perceptualloss.pictures.images import read_image, write_image
from perceptualloss.pictures.listing import picture_files
from perceptualloss.pictures.resize import resize
from perceptualloss.studies.evaluate.evaluate import evaluate


def run(*words: object) -> int:
    return cli.main([str(word) for word in words])


@pytest.fixture(name="outputs")
def _outputs(small_photos: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "soft"
    folder.mkdir()
    for file in picture_files(small_photos):
        target = read_image(file)
        soft = resize(resize(target, 0.5), size=(target.shape[2], target.shape[3]))
        write_image(soft, folder / f"{file.stem}_x2_SR.png")
    return folder


def test_folders_against_targets_with_every_output(
    outputs: Path, small_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {name: tmp_path / "new" / f"all.{name}" for name in ("json", "csv", "html")}
    words = [word for name, place in places.items() for word in (f"--{name}", place)]
    assert run("evaluate", outputs, small_photos, "--protocol", "course", *words, "--errors", tmp_path / "err") == 0
    shown = capsys.readouterr().out
    for text in (
        "PSNR",
        "mean squared error".capitalize(),
        "judge ↓",
        "ST-LPIPS VGG",
        "SSIMULACRA",
        "4 pictures; RGB, not rounded",
        "all.html",
    ):
        assert text in shown
    read = json.loads(places["json"].read_text())
    with places["csv"].open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        assert float(row["psnr"]) == read["candidates"]["soft"]["pictures"][row["picture"]]["psnr"]
    assert len(rows) == 4
    page = places["html"].read_text(encoding="utf-8")
    assert "--protocol course" in page
    assert "--csv" not in page.split("How it was made")[1].split("</section>")[0]
    assert len(list((tmp_path / "err").glob("*.png"))) == 4


@pytest.mark.parametrize("option", ["--json", "--csv", "--html", "--errors"])
def test_nothing_is_overwritten_unless_asked_for(
    option: str, outputs: Path, small_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "mine"
    if option == "--errors":
        place.mkdir()
        (place / "notes.txt").write_text("mine")
    else:
        place.write_text("mine")
    words = ["evaluate", outputs, small_photos, "--metrics", "psnr", option, place]
    assert run(*words) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert "mine" in (place / "notes.txt" if option == "--errors" else place).read_text()
    if option == "--csv":
        assert run(*words, "--overwrite") == 0
        assert "psnr" in place.read_text()


def test_networks_against_shrunk_targets(
    small_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = save_network(Upscale2x(), tmp_path / "mine.safetensors")
    assert run("evaluate", "--network", "bicubic", file, "--targets", small_photos, "--metrics", "psnr", "ssim") == 0
    shown = capsys.readouterr().out
    for text in ("bicubic", "mine", "luminance (Y), 8 bits, without a border of 2 px", "than mine on average"):
        assert text in shown


def test_what_is_left_out_or_broken_is_told(
    outputs: Path, small_photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = picture_files(outputs)
    files[0].write_bytes(b"no picture")
    files[1].rename(outputs / "unknown.png")
    assert run("evaluate", outputs, small_photos, "--metrics", "psnr") == 1
    told = capsys.readouterr()
    assert "2 files have no partner everywhere and were left out" in told.out
    assert "unknown.png" in told.out
    assert "1 of 3 pictures could not be measured and were left out for all candidates" in told.out
    assert "not measured:" in told.err
    assert files[0].name in told.err


def test_long_lists_are_cut_and_narrow_windows_show_the_last_metric(
    outputs: Path, small_photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "_MOST_ROWS", 3)
    monkeypatch.setattr(command, "_SHOWN_ROWS", 2)
    found = evaluate([outputs], small_photos, metrics=["psnr", "ssim", "perceptual_distance"])
    table = command.picture_table(found, width=46)
    assert table.row_count == 2
    assert [str(column.header).split()[0] for column in table.columns] == ["picture", "PSNR", "Embedded"]
    console.print(table)
    assert "2 of 4 pictures, the worst by embedded judge" in " ".join(capsys.readouterr().out.split())
    assert len(command.picture_table(found, width=200).columns) == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "evaluate OUTPUTS TARGETS"),
        (["{photos}"], "outputs and targets"),
        (["none", "{photos}"], "two files or two folders"),
        (["{photos}", "{photos}", "--metrics", "pnsr"], "Did you mean 'psnr'"),
        (["--targets", "{photos}", "--network", "bicubic"], "Say --scale 4"),
        (["{photos}", "{photos}", "--json", "{photos}/0-astronaut.png/x.json"], "a folder"),
    ],
)
def test_bad_input_is_one_line(
    words: list[str], message: str, small_photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = picture_files(small_photos)[0]
    given = [word.format(photos=small_photos).replace("0-astronaut.png", first.name) for word in words]
    assert run("evaluate", *given) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("error: ")
    assert message in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("vgg", [[], ["lpips-vgg"]])
def test_usual_metrics_fit_beside_a_name_in_one_piece(
    width: int, vgg: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["psnr", "ssim", *vgg, "perceptual_distance", "st_lpips_alex", "st_lpips_vgg", "ssimulacra2"]
    metrics = [*map(metric, names), Metric("seconds", "training time", "s", False, "")]
    monkeypatch.setattr(console_module, "console", Console(width=width))
    table = console_module.metric_table("loss", metrics)
    table.add_row("perceptual loss", *["0.1234"] * len(metrics))
    Console(width=width).print(table)
    shown = capsys.readouterr().out
    assert "perceptual" in shown.split()
    assert "SSIMULACRA" in shown.split()
    assert shown.count("0.1234") == len(metrics)
    assert max(map(len, shown.splitlines())) <= width
