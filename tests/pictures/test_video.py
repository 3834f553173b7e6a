from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.pictures.video import transform_video
from perceptualloss.pictures.video.frames import as_picture

av = pytest.importorskip("av")

RATE = Fraction(30000, 1001)


def make_video(path: Path, frames: int = 8, sound: bool = True, size: tuple[int, int] = (48, 64)) -> Path:
    """Write a video of a colour that becomes brighter, with a gap after half of it, and a tone."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=RATE, options={"crf": "10"})
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 30000)
        tone = file.add_stream("aac", rate=16000) if sound else None
        for number in range(frames):
            samples = np.full((*size, 3), (60 + 10 * number, 120, 200 - 10 * number), np.uint8)
            frame = av.VideoFrame.from_ndarray(samples, format="rgb24")
            frame.pts, frame.time_base = 1001 * (number + 5 * (number >= frames // 2)), Fraction(1, 30000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
        if tone is not None:
            wave = (8000 * np.sin(np.arange(1024 * 6) / 9)).astype(np.int16)[None]
            audio = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
            audio.sample_rate, audio.pts = 16000, 0
            file.mux(tone.encode(audio))
            file.mux(tone.encode())
    return path


def read(path: Path) -> tuple[list[float], Tensor, list[bytes]]:
    """Return times, pictures (N, 3, H, W) and packets of sound."""
    with av.open(str(path)) as file:
        frames = [(frame.time, as_picture(frame)) for frame in file.decode(video=0)]
    with av.open(str(path)) as file:
        sound = [bytes(packet) for packet in file.demux() if packet.stream.type == "audio" and packet.size]
    return [time for time, _ in frames], torch.cat([picture for _, picture in frames]), sound


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return make_video(tmp_path / "in.mp4")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_times_sound_and_pictures_are_kept(video: Path, tmp_path: Path, suffix: str) -> None:
    calls: list[tuple[int, int]] = []
    target = tmp_path / f"out{suffix}"
    count = transform_video(video, target, lambda frame: 1 - frame, lambda *now: calls.append(now))
    (times, pictures, sound), (new_times, new_pictures, new_sound) = read(video), read(target)
    assert count == len(times) == len(new_times) == 8
    later = new_times[0] - times[0]  # Matroska has no times below 0, where AAC starts: all is shifted
    assert [time - later for time in new_times] == pytest.approx(times, abs=2e-3)
    assert (new_pictures - (1 - pictures)).abs().max() < 0.03
    assert len(new_sound) > 3
    assert new_sound == sound
    assert calls == [(number + 1, 8) for number in range(8)]
    with av.open(str(target)) as file:
        assert file.streams.video[0].codec_context.name == "h264"
        assert float(file.streams.video[0].average_rate) == pytest.approx(8 / (times[-1] + 1001 / 30000), rel=0.05)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["in.mp4", target.name])


def test_another_size_of_odd_sides_and_no_sound(tmp_path: Path) -> None:
    video = make_video(tmp_path / "in.mkv", sound=False)
    transform_video(video, tmp_path / "out.mp4", lambda frame: frame[..., :35, :51])
    times, pictures, sound = read(tmp_path / "out.mp4")
    assert pictures.shape == (8, 3, 34, 50)
    assert not sound
    assert (pictures - read(video)[1][..., :34, :50]).abs().max() < 0.03
    assert len(times) == 8


def test_bad_files_are_told_and_leave_nothing(video: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("text")
    for source, target, message in (
        ("none.mp4", "out.mp4", "no such file"),
        ("text.mp4", "out.mp4", "to be a video"),
        ("in.mp4", "out.avi", r"ends in \.mkv"),
        ("in.mp4", "none/out.mp4", "to be writable"),
    ):
        with pytest.raises(InputError, match=message):
            transform_video(tmp_path / source, tmp_path / target, lambda frame: frame)
    half = tmp_path / "half.mkv"
    transform_video(video, half, lambda frame: frame)
    content = half.read_bytes()
    half.write_bytes(content[: len(content) // 8])
    with pytest.raises(InputError):
        transform_video(half, tmp_path / "out.mp4", lambda frame: frame)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["half.mkv", "in.mp4", "text.mp4"]


def test_what_change_raises_comes_through_and_leaves_nothing(video: Path, tmp_path: Path) -> None:
    def fail(frame: Tensor) -> Tensor:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        transform_video(video, tmp_path / "out.mp4", fail)
    assert [p.name for p in tmp_path.iterdir()] == ["in.mp4"]


def test_without_av_it_says_what_to_install(video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r"perceptualloss\[video\]"):
        transform_video(video, tmp_path / "out.mp4", lambda frame: frame)
