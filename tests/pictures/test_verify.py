"""Whether a file is what would be made of a source."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from perceptualloss.pictures.verify import unlike

KINDS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "tif": "TIFF", "gif": "GIF"}


def encoded(kind: str, height: int, width: int) -> bytes:
    buffer = io.BytesIO()
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def twice(height: int, width: int) -> tuple[int, int]:
    return 2 * height, 2 * width


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source.png").write_bytes(encoded("PNG", 8, 10))
    os.utime(tmp_path / "source.png", (1e9, 1e9))
    return tmp_path / "source.png"


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_whole_or_lacks_its_end(kind: str, source: Path, tmp_path: Path) -> None:
    target, data = tmp_path / f"target.{kind}", encoded(KINDS[kind], 16, 20)
    target.write_bytes(data)
    assert unlike(source, target, twice) == ""
    for length in (0, 10, len(data) // 2, len(data) - 20, len(data) - 1):
        target.write_bytes(data[:length])
        assert unlike(source, target, twice) == "not whole", length


def test_size_and_age(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.png"
    target.write_bytes(encoded("PNG", 20, 16))
    assert unlike(source, target, twice) == "16 x 20 and not 20 x 16 pixels large"
    target.write_bytes(encoded("PNG", 16, 20))
    for seconds, why in ((1e9 - 1, "older than its source"), (1e9, ""), (1e9 + 1, "")):
        os.utime(target, (seconds, seconds))
        assert unlike(source, target, twice) == why


def test_a_link_to_nothing_is_nothing(source: Path, tmp_path: Path) -> None:
    (tmp_path / "target.png").symlink_to("nowhere")
    assert unlike(source, tmp_path / "target.png", twice) == "a link to nothing"


def test_a_turned_photo_and_frames(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (10, 8)).save(tmp_path / "turned.jpg", exif=exif)
    Image.new("RGB", (16, 20)).save(tmp_path / "upright.jpg")
    assert unlike(tmp_path / "turned.jpg", tmp_path / "upright.jpg", twice) == ""
    frames = [Image.new("L", (10, 8), shade) for shade in (0, 100, 200)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    large = [frame.resize((20, 16)) for frame in frames]
    for count, why in ((3, ""), (2, "of 2 frames or pages and not of 3"), (1, "")):
        large[0].save(tmp_path / "large.webp", save_all=True, append_images=large[1:count])
        assert unlike(tmp_path / "moving.gif", tmp_path / "large.webp", twice) == why


def test_a_clip_is_as_long_as_its_source_and_of_the_size(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    sizes = {"source": (30, 16), "whole": (30, 32), "short": (5, 32), "small": (30, 16)}
    for name, (count, height) in sizes.items():
        with av.open(str(tmp_path / f"{name}.mp4"), "w") as file:
            stream = file.add_stream("libx264", rate=10)
            stream.width, stream.height, stream.pix_fmt = 2 * height, height, "yuv420p"
            frame = np.zeros((height, 2 * height, 3), np.uint8)
            for _ in range(count):
                file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            file.mux(stream.encode())
    source = tmp_path / "source.mp4"
    os.utime(source, (1e9, 1e9))
    assert unlike(source, tmp_path / "whole.mp4", twice) == ""
    assert unlike(source, tmp_path / "short.mp4", twice) == "not as long as its source"
    assert unlike(source, tmp_path / "small.mp4", twice) == "32 x 16 and not 64 x 32 pixels large"
    assert unlike(source, tmp_path / "whole.mp4", lambda height, width: (33, 65)) == ""  # a clip has even sides
    (tmp_path / "cut.mp4").write_bytes((tmp_path / "whole.mp4").read_bytes()[:300])
    assert unlike(source, tmp_path / "cut.mp4", twice) == "not whole"
