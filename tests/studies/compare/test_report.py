"""The report: one file, no network, readable by everyone."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from perceptualloss.drawing.cells import to_picture
from perceptualloss.drawing.details import Photo, find_details
from perceptualloss.studies.compare import report
from perceptualloss.studies.compare.report import render_report, write_report
from perceptualloss.studies.compare.results import Comparison

Attributes = dict[str, str | None]


class Page(HTMLParser):
    """The tags of a page with their attributes, and its visible text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, Attributes]] = []
        self.open: list[str] = []
        self.labelled: list[Attributes] = []
        self.words: list[str] = []
        self.feed(html)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if "label" in self.open:
            self.labelled.append(dict(attrs))
        if tag not in ("meta", "link", "img", "input", "source", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.words.append(data)

    def all(self, *tags: str) -> list[Attributes]:
        return [attributes for tag, attributes in self.tags if tag in tags]


@pytest.fixture(scope="module")
def html(comparison: Comparison, photos: list[Photo]) -> str:
    return render_report(comparison, photos)


@pytest.fixture(scope="module")
def still(comparison: Comparison) -> Comparison:
    """The comparison without curves, which take the most time to draw."""
    return replace(comparison, runs=[replace(run, history={}) for run in comparison.runs])


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def _picture(uri: str | None) -> Image.Image:
    assert uri is not None
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_the_page_needs_nothing_but_itself(html: str, page: Page) -> None:
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), value
    assert not re.search(r"https?://|@import|url\(", html)
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")  # a browser would refuse as well


def test_every_tag_is_closed(page: Page) -> None:
    assert page.open == []


def test_everything_has_a_name_for_those_who_do_not_see_it(page: Page) -> None:
    under = {"under", "over"}  # the script names these two after what they show
    assert all(image.get("alt") for image in page.all("img") if image.get("id") not in under)
    assert all("alt" in image for image in page.all("img"))
    named_for = {label.get("for") for label in page.all("label")}
    for field in page.all("select", "input"):
        assert field in page.labelled or field.get("id") in named_for, field
    assert page.all("html")[0]["lang"] == "en"
    assert all(cell.get("scope") for cell in page.all("th"))
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert all(a["aria-labelledby"] in ids for _, a in page.tags if "aria-labelledby" in a)


def test_the_slider_is_a_range_and_both_sides_can_be_chosen(html: str, page: Page) -> None:
    (slider,) = [a for a in page.all("input") if a.get("type") == "range"]
    assert (slider["min"], slider["max"]) == ("0", "100")
    for side, chosen in (("left", "mse"), ("right", "perceptual")):
        choices = html.partition(f'<select id="{side}">')[2].partition("</select>")[0]
        assert re.findall(r'value="([^"]*)"', choices) == ["bilinear", "mse", "perceptual", "ground truth"]
        assert re.findall(r'value="([^"]*)" selected', choices) == [chosen]
    assert "image-rendering: pixelated" in html


def test_the_table_marks_the_best_and_explains_every_number(comparison: Comparison, page: Page) -> None:
    for metric in comparison.metrics:
        assert f"{metric.title} {metric.arrow} {metric.direction}" in page.text
        assert metric.note in page.text
    assert "26.00 29.00 ✓ best 28.00" in page.text
    assert "0.3000 0.2000 0.1000 ✓ best" in page.text
    assert "LPIPS" in page.text
    assert "Its weights are not here: put them there." in page.text


def test_it_says_what_came_out_and_how_to_run_it_again(page: Page) -> None:
    assert "The perceptual loss looks sharper." in page.text
    assert "perceptualloss compare --seed 0" in page.text
    assert "seed 0" in page.text
    assert "first 200 steps" in page.text
    assert "Why the pixel loss blurs." in page.text


def test_curves_come_for_light_and_dark(comparison: Comparison, page: Page) -> None:
    dark = [_picture(source["srcset"]) for source in page.all("source")]
    light = [_picture(image["src"]) for image in page.all("img") if str(image.get("alt")).startswith("Plot of")]
    assert len(dark) == len(light) == 3
    for one, other in zip(light, dark, strict=True):
        assert np.mean(np.asarray(one)) > 200
        assert np.mean(np.asarray(other)) < 60


def test_details_are_kept_without_loss(page: Page, photos: list[Photo]) -> None:
    box = find_details(photos[0], names=["mse", "perceptual"])[0]
    for label, pixels in (("perceptual", photos[0].outputs["perceptual"]), ("ground truth", photos[0].target)):
        images = [a for a in page.all("img") if a.get("alt") == f"Detail 1 of chelsea: {label}"]
        kept = np.asarray(_picture(images[0]["src"]).convert("RGB"))
        np.testing.assert_array_equal(kept, np.asarray(to_picture(box.cut(pixels))))


def test_whole_pictures_are_close_to_the_original(page: Page, photos: list[Photo]) -> None:
    (image,) = [a for a in page.all("img") if a.get("alt") == "astronaut: MSE"]
    kept = np.asarray(_picture(image["src"]).convert("RGB"), dtype=float)
    error = np.mean((kept - np.asarray(to_picture(photos[1].outputs["mse"]), dtype=float)) ** 2)
    assert 10 * np.log10(255**2 / error) > 36


def test_names_cannot_break_out_of_the_page(still: Comparison, photos: list[Photo]) -> None:
    evil = "</script><script>alert('x')</script>\"'<b>"
    runs = [replace(run, label=evil, description=evil, name=f"{evil}{n}") for n, run in enumerate(still.runs)]
    outputs = dict(zip((run.name for run in runs), photos[0].outputs.values(), strict=True))
    photo = Photo(evil, photos[0].target, outputs)
    odd = replace(still, title=evil, runs=runs, verdict=[evil], missing={evil: evil}, settings={"command": evil})
    html = render_report(odd, [photo])
    assert "<script>alert" not in html
    assert "<b>" not in html.replace("<b>Why", "").replace("<b>What", "").replace("<figcaption><b>", "")
    data = json.loads(html.partition('id="data">')[2].partition("</script>")[0])
    assert data["photos"][0]["name"] == evil


def test_a_large_photo_is_shown_through_a_window_at_full_resolution(
    still: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "_BUDGET", 500_000)
    pixels = torch.rand(1, 3, 700, 900)  # noise is the worst there is to compress
    pixels[:, :, :400] = 0.5
    outputs = {run.name: pixels.roll(n, 3) for n, run in enumerate(still.runs)}
    html = render_report(still, [Photo("noise", pixels, outputs)])
    assert "A window of 256 \N{MULTIPLICATION SIGN} 256 pixels of 900 \N{MULTIPLICATION SIGN} 700" in Page(html).text
    data = json.loads(html.partition('id="data">')[2].partition("</script>")[0])["photos"][0]
    assert (data["width"], data["height"]) == (256, 256)
    for left, top, width, height in data["details"]:
        assert min(left, top) >= 0
        assert max(left + width, top + height) <= 256


def test_many_photos_stay_within_the_budget(still: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert report._BUDGET + 500_000 <= 6_000_000  # a page that a mail can carry
    monkeypatch.setattr(report, "_BUDGET", 4_200_000)
    photos = []
    for number in range(8):
        noise = torch.rand(1, 3, 320, 300)  # the worst there is to compress
        photos.append(Photo(f"photo {number}", noise, {run.name: noise for run in still.runs}))
    path = write_report(still, photos, tmp_path / "new")
    assert path == tmp_path / "new" / "report.html"
    assert 3_500_000 < path.stat().st_size < 4_700_000
    assert "2 more photos are in the folder panels" in Page(path.read_text(encoding="utf-8")).text


def test_it_works_with_little_to_show(still: Comparison, photos: list[Photo]) -> None:
    bare = replace(still, runs=still.runs[:1], settings={}, missing={}, verdict=[])
    text = Page(render_report(bare, [])).text
    assert "The numbers" in text
    assert "Compare two results" not in text
    one = replace(still, runs=still.runs[:2])
    html = render_report(one, [replace(photos[0], outputs={n: photos[0].outputs[n] for n in ("bilinear", "mse")})])
    assert re.findall(r'value="([^"]*)" selected', html) == ["0", "bilinear", "mse"]


def test_of_many_losses_the_first_meets_the_one_that_looks_best(still: Comparison, photos: list[Photo]) -> None:
    bilinear, mse, perceptual = still.runs
    better = {"astronaut": {"perceptual_distance": 0.01}, "chelsea": {"perceptual_distance": 0.09}}
    scores = {**perceptual.scores, "perceptual_distance": 0.05}
    best = replace(perceptual, name="best", label="the best", scores=scores, per_photo=better)
    named = [replace(p, outputs={**p.outputs, "best": p.target}) for p in photos]
    html = render_report(replace(still, runs=[bilinear, mse, best, perceptual]), named)
    assert re.findall(r'value="([^"]*)" selected', html) == ["1", "mse", "best"]  # astronaut differs the most


def test_the_same_comparison_gives_the_same_page(html: str, comparison: Comparison, photos: list[Photo]) -> None:
    assert render_report(comparison, photos) == html


_CLIP = re.compile(r"inset\(0px calc\(100% - ([\d.]+)px\) 0px 0px\) (.*)")
_MOVE = """
<script>
addEventListener("load", function () {
  var range = document.getElementById("position"), over = document.getElementById("over"), seen = [];
  function note() { seen.push(getComputedStyle(over).clipPath + " " + range.getAttribute("aria-valuetext")); }
  note();
  range.value = 25; range.dispatchEvent(new Event("input")); note();
  document.getElementById("swap").click(); note();
  document.querySelector("#details button").click(); note();
  var loaded = Array.from(document.images).every(function (image) { return image.complete && image.naturalWidth > 0; });
  document.documentElement.setAttribute("data-seen", JSON.stringify({ seen: seen, loaded: loaded, alt: over.alt }));
});
</script></body>"""


def test_moving_the_slider_moves_the_line(html: str, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs chromium to run the page's script")
    path = tmp_path / "report.html"
    path.write_text(_MOVE.join(html.rsplit("</body>", 1)), encoding="utf-8")
    flags = ["headless", "no-sandbox", "disable-gpu", "disable-background-networking", "disable-sync"]
    flags += ["disable-component-update", "no-first-run", f"user-data-dir={tmp_path / 'profile'}"]
    flags += ["virtual-time-budget=4000", "window-size=1200,900", "dump-dom"]
    command = [browser, *(f"--{flag}" for flag in flags), path.as_uri()]
    dump = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    seen = json.loads(str(Page(dump).all("html")[0]["data-seen"]))
    assert seen["loaded"]
    lines = [(float(x), words) for x, words in (_CLIP.fullmatch(text).groups() for text in seen["seen"])]  # type: ignore[union-attr]
    (half, first), (quarter, second), (swapped, third), (zoomed, _) = lines
    assert quarter == swapped == half / 2 > 0
    assert zoomed > quarter  # the line stays in the visible part of a zoomed picture
    assert (first, second) == ("50% MSE, the rest perceptual", "25% MSE, the rest perceptual")
    assert third == "25% perceptual, the rest MSE"
    assert seen["alt"] == "chelsea: perceptual (left)"
