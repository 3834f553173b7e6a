"""Animations and pages: all are changed, and other readers find all with their times."""

from __future__ import annotations

import io
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from perceptualloss.errors import InputError
from perceptualloss.pictures.change import Writing, change_file
from perceptualloss.pictures.kinds import PNG
from perceptualloss.pictures.metadata import Metadata
from perceptualloss.pictures.picture import Picture
from perceptualloss.pictures.rows import Rows
from perceptualloss.pictures.sequences import Timing, write_sequence

HEIGHT, WIDTH = 24, 36
TIMES = [100, 250, 40]


def scene(number: int, colours: int = 3) -> NDArray[np.uint8]:
    """Return a smooth ground with a square that goes to the right, and to which it is opaque."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    ground = np.stack([4 * x, 6 * y, 90 + 0 * x, 255 + 0 * x], axis=-1).astype(np.uint8)[..., :colours]
    ground[8:16, 4 + 8 * number : 12 + 8 * number, :3] = (240, 60, 20)
    return ground


def animation(kind: str, frames: list[NDArray[np.uint8]], **options: object) -> bytes:
    buffer = io.BytesIO()
    first, *others = (Image.fromarray(frame) for frame in frames)
    first.save(buffer, kind, save_all=True, append_images=others, duration=TIMES, **options)
    return buffer.getvalue()


def twice(picture: Picture, number: int = 0, count: int = 1) -> Picture:
    """Return every pixel four times, which any reader can check."""
    alpha = picture.alpha
    larger = picture.colours.repeat_interleave(2, -1).repeat_interleave(2, -2)
    clear = None if alpha is None else alpha.repeat_interleave(2, -1).repeat_interleave(2, -2)
    return replace(picture, colours=larger, alpha=clear)


def change(source: Path, target: Path, **options: object) -> None:
    change_file(twice, source, target, lambda height, width: (2 * height, 2 * width), Writing(**options))  # type: ignore[arg-type]


def found(path: Path) -> tuple[list[NDArray[np.uint8]], list[float], int | None]:
    """Return what Pillow shows of a file: the frames, their times in milliseconds, and how often it plays."""
    with Image.open(path) as image:
        loop = image.info.get("loop")
        shown = [
            (np.asarray(frame.convert("RGBA")), frame.info.get("duration")) for frame in ImageSequence.Iterator(image)
        ]
    return [frame for frame, _ in shown], [float(time or 0) for _, time in shown], loop


@pytest.mark.parametrize("source", ["GIF", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("target", ["png", "webp", "avif", "gif"])
def test_animated_in_animated_out(source: str, target: str, tmp_path: Path) -> None:
    frames = [scene(number) for number in range(3)]
    options = {"WEBP": {"lossless": True}, "AVIF": {"quality": 95}}.get(source, {})
    (tmp_path / "a").write_bytes(animation(source, frames, **options))
    change(tmp_path / "a", tmp_path / f"b.{target}")
    before = found(tmp_path / "a")[0]
    after, times, _ = found(tmp_path / f"b.{target}")
    assert times == TIMES
    assert len(after) == 3
    for was, now in zip(before, after, strict=True):
        assert now.shape == (2 * HEIGHT, 2 * WIDTH, 4)
        error = np.abs(now[::2, ::2, :3].astype(int) - was[..., :3])
        assert error.mean() < (0.01 if target == "png" else 8 if target == "gif" else 3)


def test_a_transparent_gif_stays_so_and_its_frames_are_whole(tmp_path: Path) -> None:
    frames = []
    for number in range(3):  # the square alone is opaque
        frame = scene(number, 4)
        frame[..., 3] = 255 * (frame[..., :3] == (240, 60, 20)).all(axis=-1)
        frames.append(frame)
    (tmp_path / "a.gif").write_bytes(animation("GIF", frames, disposal=2))
    for name in ("b.png", "b.webp", "b.gif"):
        change(tmp_path / "a.gif", tmp_path / name)
        for was, now in zip(frames, found(tmp_path / name)[0], strict=True):
            np.testing.assert_array_equal(now[::2, ::2, 3] > 127, was[..., 3] > 127)
            np.testing.assert_allclose(now[::2, ::2][was[..., 3] > 0][:, :3].mean(axis=0), (240, 60, 20), atol=8)


@pytest.mark.parametrize(("gif", "others"), [(None, 1), (0, 0), (2, 3)])
def test_how_often_it_plays(gif: int | None, others: int, tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(
        animation("GIF", [scene(n) for n in range(3)], **({} if gif is None else {"loop": gif}))
    )
    for name, expected in (("b.png", others), ("b.webp", others), ("b.gif", gif)):
        change(tmp_path / "a.gif", tmp_path / name)
        assert found(tmp_path / name)[2] == expected


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(2, 5),
    channels=st.integers(1, 4),
    deep=st.booleans(),
    times=st.lists(st.floats(0, 200_000), min_size=5, max_size=5),
)
def test_any_frames_are_exact_in_png(
    seed: int, count: int, channels: int, deep: bool, times: list[float], tmp_path: Path
) -> None:
    random = np.random.default_rng(seed)
    first = random.integers(0, 256, (5, 7, channels), dtype=np.uint8)
    frames = [first]
    for _ in range(count - 1):  # of each frame a part changes, or nothing
        after = frames[-1].copy()
        top, left = random.integers(0, 5), random.integers(0, 7)
        after[top : top + random.integers(0, 4), left : left + random.integers(0, 4)] = random.integers(
            0, 256, channels
        )
        frames.append(after)
    samples = (Rows.of(frame.astype(np.uint16) * np.uint16(257) if deep else frame) for frame in frames)
    write_sequence(samples, tmp_path / "a.png", PNG, Metadata(), Timing(times[:count], 4))
    with Image.open(tmp_path / "a.png") as image:
        assert (image.n_frames, image.info["loop"]) == (count, 4)
        for number, (frame, time) in enumerate(zip(frames, times, strict=False)):
            image.seek(number)
            expected = Image.fromarray(frame[..., 0] if channels == 1 else frame).convert("RGBA")
            if not deep:
                np.testing.assert_array_equal(np.asarray(image.convert("RGBA")), np.asarray(expected))
            assert abs(image.info["duration"] - time) <= (0.5 if time < 65_535 else 500)


def test_pages_stay_pages_with_16_bits_and_their_own_sizes(tmp_path: Path) -> None:
    pages = [np.random.default_rng(n).integers(0, 65536, (6 + n, 9, 3), dtype=np.uint16) for n in range(3)]
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in pages:
            writer.write(page, photometric="rgb", resolution=(300, 300), metadata=None)
    change(tmp_path / "a.tif", tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as written:
        assert len(written.pages) == 3
        for page, was in zip(written.pages, pages, strict=True):
            np.testing.assert_array_equal(page.asarray()[::2, ::2], was)
            assert page.tags["XResolution"].value == (300, 1)


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("a.gif", "b.jpg", "the first of 3 frames alone is written; .avif, .gif, .png or .webp would have all"),
        ("a.gif", "b.jxl", "the first of 3 frames"),
        ("a.tif", "b.png", "the first of 2 pages alone is written; .tif would have all"),
        ("a.gif", "b.tif", "the 3 frames become pages, without their times"),
        ("a.gif", "b.gif", "GIF has 256 colours"),
        ("a.gif", "b.avif", "it plays for ever and not 1 times"),
    ],
)
def test_what_is_lost_is_said(
    source: str, target: str, words: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.gif").write_bytes(animation("GIF", [scene(n) for n in range(3)]))
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((2, 6, 9, 3), np.uint8), photometric="rgb")
    change(tmp_path / source, tmp_path / target)
    assert f"{target}: {words}" in caplog.text
    assert (tmp_path / target).is_file()
    if target == "b.tif":
        with tifffile.TiffFile(tmp_path / target) as written:
            assert len(written.pages) == 3


def test_a_frame_that_is_cut_off_is_refused_before_the_work(tmp_path: Path) -> None:
    data = animation("WEBP", [scene(n) for n in range(3)])
    (tmp_path / "a.webp").write_bytes(data[: len(data) - 40])
    done = []

    def count(picture: Picture, number: int, _: int) -> Picture:
        done.append(number)
        return picture

    with pytest.raises(InputError):
        change_file(count, tmp_path / "a.webp", tmp_path / "b.png", lambda height, width: (height, width))
    assert not done
    assert [path.name for path in tmp_path.iterdir()] == ["a.webp"]


def test_an_error_in_a_later_frame_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(animation("GIF", [scene(n) for n in range(3)]))
    for target in ("b.png", "b.webp", "b.gif", "b.tif"):

        def fail(picture: Picture, number: int, _: int) -> Picture:
            if number == 2:
                raise InputError("memory", "too little")
            return picture

        with pytest.raises(InputError, match="memory"):
            change_file(fail, tmp_path / "a.gif", tmp_path / target, lambda height, width: (height, width))
        assert [path.name for path in tmp_path.iterdir()] == ["a.gif"]


def test_one_frame_alone_is_in_memory(tmp_path: Path) -> None:
    """The frame before the last is gone when the next one is asked for: what was made of it is no longer there."""
    frames = [scene(n % 3) for n in range(12)]
    buffer = io.BytesIO()
    first, *others = (Image.fromarray(frame) for frame in frames)
    first.save(buffer, "PNG", save_all=True, append_images=others, duration=50)
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    made: list[weakref.ref[torch.Tensor]] = []
    most = 0

    def count(picture: Picture, number: int, _: int) -> Picture:
        nonlocal most
        changed = twice(picture)
        most = max(most, sum(one() is not None for one in made))
        made.append(weakref.ref(changed.colours))
        return changed

    for target in ("b.png", "b.webp", "b.tif"):
        made.clear()
        change_file(count, tmp_path / "a.png", tmp_path / target, lambda height, width: (2 * height, 2 * width))
    assert len(made) == 12
    assert most <= 1
