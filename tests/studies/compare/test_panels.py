"""Panels: the runs' pictures side by side, whole and zoomed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from perceptualloss.drawing.cells import to_picture
from perceptualloss.drawing.details import Photo, find_details
from perceptualloss.pictures.box import Box
from perceptualloss.studies.compare.panels import captions, detail_runs, draw_panel, panel_metrics, write_panels
from perceptualloss.studies.compare.results import Comparison


def _patched(*corners: tuple[int, int, float], side: int = 40) -> Photo:
    """A grey picture with squares of noise, which one run keeps and the other one smooths away."""
    noise = torch.rand(1, 3, 200, 240)
    target = torch.full((1, 3, 200, 240), 0.5)
    for top, left, strength in corners:
        patch = (slice(None), slice(None), slice(top, top + side), slice(left, left + side))
        target[patch] += strength * (noise[patch] - 0.5)
    return Photo("patched", target, {"smooth": torch.full_like(target, 0.5), "keeps": target.clone()})


def _overlap(box: Box, top: int, left: int, side: int) -> float:
    rows = min(box.bottom, top + side) - max(box.top, top)
    columns = min(box.right, left + side) - max(box.left, left)
    return max(0, rows) * max(0, columns) / side**2


def test_details_lie_where_texture_differs_best_first() -> None:
    first, second = find_details(_patched((30, 40, 0.6), (120, 150, 0.9)), size=48)
    assert _overlap(first, 120, 150, 40) == 1
    assert _overlap(second, 30, 40, 40) == 1


def test_one_detail_is_enough_where_nothing_else_differs() -> None:
    assert len(find_details(_patched((80, 90, 0.8)), size=48)) == 1


def test_texture_that_all_runs_keep_is_no_detail() -> None:
    photo = _patched((30, 40, 0.6), (120, 150, 0.9))
    smooth = photo.target.clone()
    smooth[:, :, 30:70, 40:80] = 0.5
    (box,) = find_details(replace(photo, outputs={"smooth": smooth, "keeps": photo.target}), size=48)
    assert _overlap(box, 30, 40, 40) == 1


def test_a_difference_in_colour_alone_does_not_count() -> None:
    photo = _patched((30, 40, 0.6), (120, 150, 0.6))
    tinted = photo.target.clone()
    tinted[:, :, 30:70, 40:80] = 0.5
    tinted[:, :, 100:, 130:] += 0.2
    box = find_details(replace(photo, outputs={"tinted": tinted, "keeps": photo.target}), size=48)[0]
    assert _overlap(box, 30, 40, 40) == 1


def test_names_choose_the_runs_that_count(comparison: Comparison) -> None:
    photo = _patched((30, 40, 0.6))
    far = {**photo.outputs, "bilinear": torch.rand(1, 3, 200, 240)}
    (box,) = find_details(replace(photo, outputs=far), size=48, names=["smooth", "keeps"])
    assert _overlap(box, 30, 40, 40) == 1
    assert detail_runs(
        comparison, Photo("p", photo.target, dict.fromkeys(["mse", "perceptual", "bilinear"], photo.target))
    ) == ["mse", "perceptual"]
    assert detail_runs(replace(comparison, runs=comparison.runs[:2]), photo) is None


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 150), st.integers(1, 150), st.integers(1, 100), st.integers(0, 3))
def test_details_lie_inside_and_apart_for_any_size(height: int, width: int, size: int, runs: int) -> None:
    random = torch.Generator().manual_seed(height * 1000 + width)
    pictures = [torch.rand(1, 3, height, width, generator=random) for _ in range(runs + 1)]
    photo = Photo("any", pictures[0], {str(n): picture for n, picture in enumerate(pictures[1:])})
    boxes = find_details(photo, size)
    assert 1 <= len(boxes) <= 2
    for box in boxes:
        assert box.top >= 0
        assert box.left >= 0
        assert box.bottom <= height
        assert box.right <= width
        assert box.cut(photo.target).shape[2:] == (box.height, box.width)
        if min(height, width) >= 4 * size + 32:
            assert min(box.top, box.left, height - box.bottom, width - box.right) >= 8
    if len(boxes) == 2:
        a, b = boxes
        assert a.bottom <= b.top or b.bottom <= a.top or a.right <= b.left or b.right <= a.left
    assert boxes == find_details(photo, size)


def test_values_outside_of_the_range_do_not_disturb() -> None:
    photo = _patched((80, 90, 0.8))
    broken = photo.outputs["keeps"].clone()
    broken[0, 0, 0, 0] = float("nan")
    (box,) = find_details(replace(photo, outputs={**photo.outputs, "keeps": broken}), size=48)
    assert _overlap(box, 80, 90, 40) == 1
    pixels = torch.tensor([-1.0, 0.2, 3.0]).view(1, 3, 1, 1)
    assert to_picture(pixels).getpixel((0, 0)) == (0, 51, 255)


def test_a_panel_has_a_column_per_run_and_the_truth(comparison: Comparison, photos: list[Photo]) -> None:
    boxes = [Box.at(20, 30, 96, 96)]
    panel = draw_panel(photos[0], comparison.runs, comparison.metrics, boxes)
    assert panel.width == 2 * 20 + 4 * 392 + 3 * 12
    for column, name in enumerate(["bilinear", "mse", "perceptual", None]):
        left = 20 + column * (392 + 12) + 4
        bottom = panel.height - 20 - 4
        shown = panel.crop((left, bottom - 384, left + 384, bottom))
        pixels = photos[0].target if name is None else photos[0].outputs[name]
        expected = np.asarray(to_picture(boxes[0].cut(pixels))).repeat(4, 0).repeat(4, 1)
        np.testing.assert_array_equal(np.asarray(shown), expected)  # every pixel a square of four


def test_captions_give_psnr_and_the_perceptual_distance(comparison: Comparison, photos: list[Photo]) -> None:
    metrics = panel_metrics(comparison.metrics)
    assert captions(photos[0], comparison.runs[1], metrics) == ["PSNR 29.00 dB", "Perceptual distance 0.2000"]
    assert captions(replace(photos[0], name="unknown"), comparison.runs[1], metrics) == []


@pytest.mark.parametrize("shape", [(40, 400), (400, 40), (9, 9), (64, 48)])
def test_panels_take_any_shape(comparison: Comparison, shape: tuple[int, int]) -> None:
    pictures = {name: torch.rand(1, 3, *shape) for name in ("bilinear", "mse", "perceptual")}
    panel = draw_panel(Photo("odd", torch.rand(1, 3, *shape), pictures), comparison.runs)
    assert panel.width == 1644
    assert 200 < panel.height < 2000


def test_long_labels_are_broken_and_keep_the_pictures_level(comparison: Comparison, photos: list[Photo]) -> None:
    runs = [replace(comparison.runs[0], label="a label of very many words " * 4), *comparison.runs[1:]]
    plain = draw_panel(photos[0], comparison.runs, boxes=[Box.at(0, 0, 96, 96)])
    longer = draw_panel(photos[0], runs, boxes=[Box.at(0, 0, 96, 96)])
    assert longer.height > plain.height
    below = [np.asarray(panel.crop((0, panel.height - 420, panel.width, panel.height))) for panel in (plain, longer)]
    np.testing.assert_array_equal(*below)


def test_panels_are_written_under_safe_names(comparison: Comparison, photos: list[Photo], tmp_path: Path) -> None:
    named = [replace(photos[0], name="trip/a cat"), photos[1]]
    paths = write_panels(comparison, named, tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == [
        "panels/trip-a-cat.png",
        "panels/astronaut.png",
    ]
    with Image.open(paths[0]) as picture:
        assert picture.mode == "RGB"
