"""Files that are written in rows hold the same bytes however the rows come, and what other readers find is right."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from perceptualloss.pictures import tiff
from perceptualloss.pictures.box import Box
from perceptualloss.pictures.change import change_in_parts
from perceptualloss.pictures.exif import parse
from perceptualloss.pictures.jpeg import write_jpeg
from perceptualloss.pictures.metadata import Metadata, read_metadata
from perceptualloss.pictures.parts import Parts
from perceptualloss.pictures.picture import Picture
from perceptualloss.pictures.png import write_png
from perceptualloss.pictures.rows import Rows, Samples, on_all_cores
from perceptualloss.pictures.stored import Stored
from perceptualloss.pictures.tiff import write_pages

SIZES = [(1, 1), (5, 7), (64, 3), (65, 9), (200, 131)]


def noise(height: int, width: int, channels: int, bits: int) -> Samples:
    random = np.random.default_rng(height + width + channels)
    smooth = np.add.outer(np.arange(height), np.arange(width))[..., None] % 200
    samples = smooth + random.integers(0, 50, (height, width, channels))
    return (samples * (1 if bits == 8 else 257) + (0 if bits == 8 else 3)).astype(np.uint8 if bits == 8 else np.uint16)


def in_bands(samples: Samples) -> Rows:
    """Return samples in bands of uneven numbers of rows."""

    def bands() -> Iterator[Samples]:
        top = 0
        for number in range(len(samples)):
            yield samples[top : top + 1 + number % 7]
            top += 1 + number % 7
            if top >= len(samples):
                return

    return Rows(*samples.shape, 8 if samples.dtype == np.uint8 else 16, bands())


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_png(height: int, width: int, channels: int, bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perceptualloss.pictures.png._STRIP", 2000)
    monkeypatch.setattr("perceptualloss.pictures.png._BODY", 1500)
    samples = noise(height, width, channels, bits)
    file, again = io.BytesIO(), io.BytesIO()
    write_png(file, in_bands(samples), b"")
    write_png(again, Rows.of(samples), b"")
    assert file.getvalue() == again.getvalue()
    np.testing.assert_array_equal(imagecodecs.png_decode(file.getvalue()).reshape(samples.shape), samples)
    if bits == 8:
        np.testing.assert_array_equal(np.asarray(Image.open(file)).reshape(samples.shape), samples)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_jpeg_has_the_bytes_of_pillow(height: int, width: int, channels: int) -> None:
    samples = noise(height, width, channels, 8)
    beside = {"dpi": (300, 300), "comment": b"words", "exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}
    file, whole = io.BytesIO(), io.BytesIO()
    write_jpeg(file, in_bands(samples), beside)
    picture = Image.fromarray(samples[..., 0] if channels == 1 else samples)
    picture.save(whole, "JPEG", quality=95, subsampling=0, restart_marker_rows=1, **beside)  # type: ignore[arg-type]
    assert file.getvalue() == whole.getvalue()


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 16])
def test_tiff(big: bool, order: str, bits: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff, "_STRIP", 1000)
    if big:
        monkeypatch.setattr(tiff, "_MOST", 0)
    image = Image.new("L", (2, 2))
    tags = image.getexif()
    tags[0x010F], tags[0x8769] = "Maker of cameras", {0x9003: "2024:01:02 03:04:05", 0x9204: 0.5}
    exif = parse(tags.tobytes())
    if order == "<":
        exif = parse(b"II*\0\x08\0\0\0\x01\0\x0f\x01\x02\0\x05\0\0\0\x1a\0\0\0\0\0\0\0Mine\0")
    assert exif.order == order
    for channels in (1, 2, 3, 4):
        samples = noise(37, 53, channels, bits)
        with (tmp_path / "a.tif").open("w+b") as file:
            write_pages(file, iter([in_bands(samples), Rows.of(samples)]), 2 * samples.nbytes, Metadata(exif), b"")
        with tifffile.TiffFile(tmp_path / "a.tif") as found:
            assert (found.is_bigtiff, len(found.pages)) == (big, 2)
            for page in found.pages:
                np.testing.assert_array_equal(page.asarray().reshape(samples.shape), samples)
            maker = found.pages[0].tags[0x010F].value  # type: ignore[union-attr]
            assert maker == ("Mine" if order == "<" else "Maker of cameras")
            if order == ">":
                assert found.pages[0].tags[0x8769].value["DateTimeOriginal"] == "2024:01:02 03:04:05"  # type: ignore[union-attr]
        kept = read_metadata((tmp_path / "a.tif").read_bytes())
        assert kept.notes == ()
        assert kept.exif is not None
        assert (kept.exif.main | exif.main, kept.exif.inner) == (kept.exif.main, exif.inner)


def test_strips_and_order() -> None:
    samples = noise(23, 3, 1, 8)
    strips = list(in_bands(samples).strips(5))
    assert [len(strip) for strip in strips] == [5, 5, 5, 5, 3]
    np.testing.assert_array_equal(np.concatenate(strips), samples)
    np.testing.assert_array_equal(in_bands(samples).whole(), samples)
    assert list(on_all_cores(abs, range(-20, 0))) == list(range(20, 0, -1))


def test_an_error_in_a_later_band_is_the_callers() -> None:
    def bands() -> Iterator[Samples]:
        yield noise(70, 3, 3, 8)
        raise MemoryError

    for write in (write_png, write_jpeg):
        with pytest.raises(MemoryError):
            write(io.BytesIO(), Rows(200, 3, 3, 8, bands()), b"" if write is write_png else {})  # type: ignore[operator]


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_memory_does_not_hold_the_result(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A result of 10 MB is written in less than half of it, with what is loaded meanwhile."""
    monkeypatch.setattr("perceptualloss.pictures.rows._MOST", 2)
    for where in ("parts._BAND", "png._STRIP", "png._BODY", "tiff._STRIP"):
        monkeypatch.setattr(f"perceptualloss.pictures.{where}", 100_000)
    Image.fromarray(noise(64, 64, 3, 8)).save(tmp_path / "small.png")

    def larger(stored: Stored, number: int, count: int) -> Parts:
        def part(box: Box) -> Picture:
            return Picture(torch.full((1, 3, box.height, box.width), 0.25))

        return Parts(1800, 1800, False, part, 200)

    tracemalloc.start()  # which sees NumPy's memory and bytes, and not PyTorch's
    try:
        change_in_parts(larger, tmp_path / "small.png", tmp_path / name, lambda height, width: (1800, 1800))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4_500_000
    with Image.open(tmp_path / name) as image:
        assert image.size == (1800, 1800)
        assert image.getpixel((1799, 1799)) == (64, 64, 64)
