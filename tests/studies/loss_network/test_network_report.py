"""The report of a loss network: one page, figures, a verdict that follows from them, and pictures."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from perceptualloss.data.distortions import STRENGTHS
from perceptualloss.errors import InputError
from perceptualloss.features.architectures import judge_features
from perceptualloss.pictures.images import read_image, write_image
from perceptualloss.studies.loss_network.agreement import Agreement
from perceptualloss.studies.loss_network.figures import RANDOM, SQUARED, THIS, NetworkReport, Row
from perceptualloss.studies.loss_network.plots import describe_kind, draw_distances, filter_tiles, strongest_maps
from perceptualloss.studies.loss_network.report import report_network, report_photos


class Report:
    """A report of random weights on two small photos, and the folder that it is in."""

    def __init__(self, folder: Path, photos: Path) -> None:
        weights = folder / "mine & <yours>.safetensors"
        torch.manual_seed(1)
        save_file(judge_features().state_dict(), weights)
        self.said: list[str] = []
        self.folder = folder / "new" / "report"
        chosen = report_photos(photos, 2)
        settings = {"steps": "7"}
        self.found = report_network("judge", weights, chosen, self.folder, settings=settings, say=self.said.append)
        self.html = (self.folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, small_photos: Path) -> Report:
    return Report(tmp_path_factory.mktemp("network"), small_photos)


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_needs_nothing_but_itself(report: Report) -> None:
    for _, attributes in Tags(report.html).found:
        for name in ("src", "href", "srcset"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), value
    assert not re.search(r"https?://|@import|url\(", report.html)
    assert "prefers-color-scheme: dark" in report.html
    assert "width=device-width" in report.html
    assert len(report.html) < 3_000_000


def test_every_picture_says_what_it_shows_and_names_are_escaped(report: Report) -> None:
    tags = Tags(report.html).found
    assert all(attributes.get("alt") for tag, attributes in tags if tag == "img")
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all(a["aria-labelledby"] in ids for _, a in tags if "aria-labelledby" in a)
    assert "mine &amp; &lt;yours&gt;" in report.html


def test_the_page_shows_the_figures_the_plots_and_the_features(report: Report) -> None:
    for row in [*report.found.rows, *report.found.kinds]:
        assert row.title in report.html
    for sentence in report.found.verdict:
        assert sentence in report.html
    for layer in ("relu1_1", "relu2_1", "relu3_1", "relu4_1"):
        assert f"<h3>{layer}</h3>" in report.html
    assert report.html.count("Plot of the distance under") == len(report.found.kinds) == len(STRENGTHS)
    assert report.html.count('alt="Filter ') == 24
    assert [line.split()[0] for line in report.said] == ["Distorting", *["Measuring"] * 3, "Drawing"]


def test_the_files_beside_it(report: Report) -> None:
    numbers = json.loads((report.folder / "metrics.json").read_text(encoding="utf-8"))
    assert numbers["agreements"][THIS]["any_photos"] == report.found.agreements[THIS].any_photos
    assert numbers["agreements"].keys() == {THIS, RANDOM, SQUARED}
    assert len(numbers["agreements"][THIS]["means"]["blur"]) == 5
    assert numbers["verdict"] == report.found.verdict
    pictures = sorted(str(path.relative_to(report.folder)) for path in report.folder.rglob("*.png"))
    layers = [f"features/relu{block}_1.png" for block in range(1, 5)]
    assert pictures == ["distances.png", "features/filters.png", *layers]
    for picture in pictures:
        assert min(read_image(report.folder / picture).shape[2:]) > 100


def test_weights_of_another_architecture_are_refused(tmp_path: Path, small_photos: Path) -> None:
    save_file(judge_features().state_dict(), tmp_path / "judge.safetensors")
    with pytest.raises(InputError):
        report_network("compact", tmp_path / "judge.safetensors", report_photos(small_photos, 1), tmp_path)


def _agreement(any_photos: float, equal_psnr: float, blur: float = 90.0) -> Agreement:
    means = {"blur": [0.0, 0.1, 0.2, 0.3, 0.4]}
    return Agreement(100.0, any_photos, equal_psnr, {"shift": equal_psnr}, {"blur": blur}, means)


def _report(this: Agreement) -> NetworkReport:
    others = {RANDOM: _agreement(89, 60), SQUARED: _agreement(88, 49, 80)}
    return NetworkReport("a title", {THIS: this, **others}, ["a photo"])


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ((93, 91), "ahead of both"),
        ((93, 60), "one measure and not by the other"),
        ((89, 60), "not ahead of what needs no training"),
        ((93, math.nan), "So it is ahead."),
        ((math.nan, math.nan), "flat"),
    ],
)
def test_the_verdict_follows_from_the_figures(figures: tuple[float, float], words: str) -> None:
    verdict = " ".join(_report(_agreement(*figures)).verdict)
    assert words in verdict
    if math.isfinite(figures[0]):
        assert f"{figures[0]}% of the pairs; a random network of the same shape in 89%" in verdict


def test_the_verdict_names_what_it_is_behind_in() -> None:
    assert _report(_agreement(93, 91, 70)).verdict[-1].endswith("blur (70% against 90%).")
    assert "In no kind" in _report(_agreement(93, 91)).verdict[-1]


def test_the_best_of_a_row_is_judged_as_printed() -> None:
    values = {THIS: 93.4, RANDOM: 92.6, SQUARED: 88.0}
    row = Row("", "", values)
    assert row.best == {THIS, RANDOM}
    assert replace(row, values=dict.fromkeys(values, 99.9)).best == set()
    assert replace(row, values=dict.fromkeys(values, math.nan)).best == set()
    assert replace(row, values={THIS: 5.0, RANDOM: 9.0, SQUARED: math.nan}).best == {RANDOM}


def test_plots_of_distances_of_zero() -> None:
    nothing = {name: {"blur": [0.0] * 5, "jpeg": [0.0, 1.0, 2.0, 3.0, 4.0]} for name in (THIS, SQUARED)}
    figure = draw_distances(nothing)
    assert len(figure.axes) == 2
    low, high = figure.axes[0].get_ylim()
    assert 0 < low < 4 < high
    assert describe_kind(nothing, "jpeg").endswith("this network from 0 to 4; mean squared error from 0 to 4.")


def _features() -> nn.Sequential:
    """A network of two blocks whose first maps are known: red, and nothing."""
    first, second = nn.Conv2d(3, 2, 1), nn.Conv2d(2, 3, 1)
    with torch.no_grad():
        first.weight.zero_()
        first.weight[0, 0] = 2.0
        first.bias.fill_(5)  # type: ignore[union-attr]
    return nn.Sequential(first, nn.ReLU(), nn.MaxPool2d(2), second, nn.ReLU())


def test_maps_are_ordered_by_how_much_they_vary() -> None:
    photo = torch.rand(3, 12, 10)
    first, second = strongest_maps(_features(), photo, count=2)
    assert (first.layer, first.channels, first.dark) == ("relu1_1", 2, 1)
    assert first.maps.shape == (2, 3, 12, 10)
    assert second.maps.shape == (2, 3, 6, 5)
    assert torch.corrcoef(torch.stack([first.maps[0, 0].flatten(), photo[0].flatten()]))[0, 1] > 0.99
    assert 0 <= first.maps.min() <= first.maps.max() <= 1
    assert first.maps[1].std() < 1e-6


def test_tiles_are_grey_where_the_filter_counts_nothing() -> None:
    tiles = filter_tiles(_features())
    assert tiles.shape == (2, 3, 1, 1)
    assert tiles[0].flatten().tolist() == [1.0, 0.5, 0.5]
    assert tiles[1].flatten().tolist() == [0.5, 0.5, 0.5]


def test_photos_come_from_those_held_out(small_photos: Path) -> None:
    assert [name[0] for name in report_photos(small_photos, 2)] == ["2", "3"]
    assert {tuple(piece.shape) for piece in report_photos(small_photos, 2).values()} == {(3, 48, 48)}


def test_built_in_photos_are_cut_to_one_size() -> None:
    photos = report_photos(None, 0.1)
    assert len(photos) == 6
    assert {tuple(piece.shape) for piece in photos.values()} == {(3, 160, 160)}


def test_one_tiny_photo_does_not_shrink_the_others(tmp_path: Path) -> None:
    for number, size in enumerate((60, 60, 8, 60, 60)):
        write_image(torch.rand(3, size, size), tmp_path / f"{number}.png")
    found = report_photos(tmp_path, 4)
    assert [*found] == ["1", "3", "4"]
    assert {tuple(piece.shape) for piece in found.values()} == {(3, 60, 60)}
