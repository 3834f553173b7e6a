"""Clips that are damaged, cut off, or of which a killed run has left a piece."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.pictures.video import seconds_shown, transform_video


def damage(path: Path, numbers: tuple[int, ...]) -> Path:
    """Overwrite the payload of some packets of pictures."""
    with av.open(str(path)) as clip:
        places = [(packet.pos, packet.size) for packet in clip.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for number in numbers:
        at, size = places[number]
        begin, end = at + size // 3, at + size  # some kinds of file count the head of a packet, too
        data[begin:end] = bytes([0xAA]) * (end - begin)
    path.write_bytes(bytes(data))
    return path


@pytest.mark.parametrize(("name", "codec"), [("in.mp4", "libx264"), ("in.avi", "ffv1"), ("in.mkv", "ffv1")])
def test_damaged_frames_are_left_out_and_counted(
    clips: Any, heard: list[str], tmp_path: Path, name: str, codec: str
) -> None:
    options = {"g": "1", "bf": "0"} if codec == "libx264" else {"slicecrc": "1"} if codec == "ffv1" else {}
    frames = [clips.picture(matrix="601") for _ in range(10)]
    source = damage(clips.write(tmp_path / name, frames, codec, options=options, tags=(6, 1, 1, 1)), (3, 6))
    count = transform_video(source, tmp_path / "out.mp4", lambda frame: frame)
    seen = clips.see(tmp_path / "out.mp4")
    assert len(seen.times) == count
    assert any("2 of 10 frames" in line for line in heard), heard
    if count == 8:  # the others stay where they were
        assert seen.times == pytest.approx([0, 0.1, 0.2, 0.4, 0.5, 0.7, 0.8, 0.9], abs=2e-3)
    assert np.abs(seen.bars[0] - clips.BARS).max() <= 2.5


@pytest.mark.parametrize("name", ["in.mkv", "in.avi", "in.ts", "in.flv"])
def test_a_clip_without_its_end_gives_what_is_there(clips: Any, heard: list[str], tmp_path: Path, name: str) -> None:
    random = np.random.default_rng(0)
    frames = [clips.picture(rgb=random.integers(0, 256, (3, 3))) for _ in range(40)]
    source = clips.write(tmp_path / name, frames, options={"g": "5", "bf": "0", "crf": "1"}, tags=(1, 1, 1, 1))
    source.write_bytes(source.read_bytes()[: int(0.6 * source.stat().st_size)])
    count = transform_video(source, tmp_path / "out.mp4", lambda frame: frame)
    assert 5 < count < 40
    assert len(clips.see(tmp_path / "out.mp4").times) == count
    if name != "in.ts":  # which says nowhere how long it is
        assert any("missing or damaged" in line or "reading ended" in line for line in heard), heard


def test_what_never_decodes_is_refused(clips: Any, tmp_path: Path) -> None:
    frames = [clips.picture().reformat(format="rgb24", src_colorspace=1) for _ in range(5)]
    source = damage(clips.write(tmp_path / "in.avi", frames, "png"), tuple(range(5)))
    with pytest.raises(InputError, match=r"in\.avi to be a video"):
        transform_video(source, tmp_path / "out.mp4", lambda frame: frame)
    cut = clips.write(tmp_path / "cut.mp4", [clips.picture() for _ in range(9)])
    cut.write_bytes(cut.read_bytes()[:-100])  # what says where all is stands at the end
    with pytest.raises(InputError, match=r"cut\.mp4 to be a video"):
        transform_video(cut, tmp_path / "out.mp4", lambda frame: frame)
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("kind", ["mp4", "avi", "mkv", "mpg", "ts", "flv", "mov"])
def test_no_bytes_at_all_raise_but_input_errors(clips: Any, tmp_path: Path, kind: str) -> None:
    codec = {"mpg": "mpeg2video"}.get(kind, "libx264")
    frames = [clips.picture() for _ in range(8)]
    whole = clips.write(tmp_path / f"in.{kind}", frames, codec, rate=25, tracks=[clips.tone("aac")] * (kind != "mpg"))
    content, random = whole.read_bytes(), np.random.default_rng(0)
    for _ in range(6):
        data = np.frombuffer(content, np.uint8).copy()
        data[random.integers(0, len(data), 30)] = random.integers(0, 256, 30)
        whole.write_bytes(data.tobytes())
        try:
            transform_video(whole, tmp_path / "out.mp4", lambda frame: frame)
        except InputError as error:
            assert "in." in str(error) or "out." in str(error)  # noqa: PT017


def test_how_long_a_clip_is_shown(clips: Any, tmp_path: Path) -> None:
    source = clips.write(tmp_path / "in.ts", [clips.picture() for _ in range(20)], times=[n + 500 for n in range(20)])
    assert seconds_shown(source) == pytest.approx(1.9, abs=1e-3)
    for suffix in (".mp4", ".mkv", ".mov"):
        target = tmp_path / f"out{suffix}"
        transform_video(source, target, lambda frame: frame)
        assert seconds_shown(target) == pytest.approx(1.9, abs=2e-3)
        target.write_bytes(target.read_bytes()[: target.stat().st_size * 2 // 3])
        try:
            assert seconds_shown(target) < 1.9
        except InputError as error:
            assert str(target) in str(error)  # noqa: PT017


HOLDS = """
import fcntl, sys, time
with open(sys.argv[1], "xb") as part:
    fcntl.flock(part, fcntl.LOCK_EX)
    part.write(b"half")
    part.flush()
    print("begun", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_run_left_is_removed_and_what_goes_on_is_not(
    clips: Any, heard: list[str], tmp_path: Path
) -> None:
    pytest.importorskip("fcntl")
    source = clips.write(tmp_path / "in.mp4", [clips.picture() for _ in range(3)], tags=(1, 1, 1, 1))
    target = tmp_path / "out.mp4"
    part, other = tmp_path / ".out.mp4.0123abcd.mp4", tmp_path / ".out.mp4.clip.mp4"
    other.touch()
    process = subprocess.Popen([sys.executable, "-c", HOLDS, str(part)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        os.utime(part, (0, 0))
        transform_video(source, target, lambda frame: frame)
        assert part.exists()  # the other run holds it
    finally:
        process.kill()
        process.communicate()
    transform_video(source, target, lambda frame: frame)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([other.name, "in.mp4", "out.mp4"])
    assert any("killed" in line for line in heard)


def test_a_run_locks_what_it_writes(clips: Any, tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    source = clips.write(tmp_path / "in.mp4", [clips.picture() for _ in range(3)])

    def change(frame: Tensor) -> Tensor:
        (part,) = tmp_path.glob(".out.mp4.*")
        with part.open("rb") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return frame

    assert transform_video(source, tmp_path / "out.mp4", change) == 3
