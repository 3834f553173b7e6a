"""The page of an evaluation and the pictures of errors."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from perceptualloss.data.folder import builtin_photos
from perceptualloss.drawing.heat import colour
from perceptualloss.pictures.images import read_image, write_image
from perceptualloss.pictures.resize import resize
from perceptualloss.studies.evaluate import report as evaluation_report
from perceptualloss.studies.evaluate.candidates import Loaded, Task
from perceptualloss.studies.evaluate.error_maps import errors_of, write_error_maps
from perceptualloss.studies.evaluate.evaluate import evaluate
from perceptualloss.studies.evaluate.report import render_evaluation
from perceptualloss.studies.evaluate.results import Evaluation


@pytest.fixture(scope="module", name="found")
def _found(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """Two candidates on three pieces of photos, most unlike on the last one."""
    folder = tmp_path_factory.mktemp("evaluation")
    for name in ("targets", "soft", "<sharp>"):
        (folder / name).mkdir()
    for number, file in enumerate(builtin_photos()[:3]):
        target = read_image(file)[:, :, 60:156, 60:180]
        soft = resize(resize(target, 1 / (2 + number)), size=(96, 120))
        for name, picture in (("targets", target), ("soft", soft), ("<sharp>", target * 0.99)):
            write_image(picture, folder / name / f"photo{number}.png")
    return evaluate([folder / "soft", folder / "<sharp>"], folder / "targets", metrics=["psnr", "perceptual_distance"])


def test_page_needs_nothing_from_elsewhere(found: Evaluation) -> None:
    page = render_evaluation(found, command="perceptualloss evaluate a b")
    places = re.findall(r"(?:src|href|srcset)=\"([^\"]*)\"", page)
    assert len(places) > 10
    assert all(place.startswith(("data:", "#")) for place in places)
    assert "default-src 'none'" in page
    assert '<link rel="stylesheet"' not in page
    assert "url(" not in page


def test_page_shows_numbers_details_and_what_differs_most_first(found: Evaluation) -> None:
    page = render_evaluation(found, command="perceptualloss evaluate a b")
    assert page.index("<h3>photo2</h3>") < page.index("<h3>photo0</h3>")
    assert "&lt;sharp&gt; against soft" in page
    assert "<sharp>" not in page
    for text in (*found.verdict, "Detail 1 of photo2", "Errors of soft on photo0", "perceptualloss evaluate a b"):
        assert text.replace("<", "&lt;").replace(">", "&gt;") in page


def test_page_names_what_was_left_out(found: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation_report, "_MOST_PICTURES", 1)
    odd = replace(
        found, problems={"x": "it was broken"}, unmatched=[Path("y.png")], missing={"lpips-alex": "none here"}
    )
    page = render_evaluation(odd)
    for text in ("2 more pictures are in the tables", "x: it was broken", "y.png", "none here"):
        assert text in page


def loaded(target: Tensor, **outputs: Tensor) -> Loaded:
    return Loaded(Task("a", Path("a.png"), {}), target, outputs, None, grey=False)


def test_errors_are_of_the_luminance_on_a_common_scale() -> None:
    target = torch.full((1, 3, 20, 20), 0.5)
    errors, highest = errors_of(loaded(target, near=target + 10 / 255, far=target - 40 / 255))
    torch.testing.assert_close(errors["near"], torch.full((20, 20), 10 / 255 * 219 / 255))
    assert highest == pytest.approx(40 / 255 * 219 / 255)
    assert errors_of(loaded(target, same=target))[1] == pytest.approx(8 / 255)


def test_colours_rise_in_brightness() -> None:
    picture = colour(torch.linspace(0, 1.5, 60)[None], 1.0).convert("L")
    grey = list(picture.getdata()) if not hasattr(picture, "get_flattened_data") else list(picture.get_flattened_data())
    assert grey == sorted(grey)
    assert grey[0] < 5
    assert grey[-1] > 230


def test_error_maps_are_written_for_every_picture(found: Evaluation, tmp_path: Path) -> None:
    paths = write_error_maps(found, tmp_path / "errors")
    assert [path.name for path in paths] == ["photo0.png", "photo1.png", "photo2.png"]
    with Image.open(paths[0]) as picture:
        assert picture.width > 3 * 392
