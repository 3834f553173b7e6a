"""When frames and sound are shown: as the clip says where its times rise, in order where they do not."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perceptualloss.pictures.video import transform_video
from perceptualloss.pictures.video.times import InOrder, fine


def ordered(times: list[int | None], step: int = 100, jump: int = 1000) -> tuple[list[int], int]:
    order = InOrder[int](step, jump)
    shown = list(order.of(enumerate(times)))
    assert [frame for frame, _ in shown] == list(range(len(times)))
    return [time for _, time in shown], order.moved


@pytest.mark.parametrize(
    ("times", "wanted", "moved"),
    [
        ([0, 100, 250, 900], [0, 100, 250, 900], 0),  # a variable rate
        ([-100, 0, 100], [-100, 0, 100], 0),
        ([100, 300, 400, 200, 600, 500], [100, 200, 300, 400, 500, 600], 5),  # AVI with frames of both sides
        ([0, 100, 100, 300], [0, 100, 200, 300], 1),  # repeated where one is missing
        ([0, 100, 100, 200, 300], [0, 100, 150, 200, 300], 1),  # and where none is
        ([0, 100, 100, 100, 5000], [0, 100, 200, 300, 5000], 2),
        ([None, None, None], [0, 100, 200], 3),
        ([None, 100, None, 300, None], [0, 100, 200, 300, 400], 3),
        ([5000, 5100, 0, 100, 200], [5000, 5100, 5200, 5300, 5400], 0),  # two recordings, one after the other
    ],
)
def test_times_by_hand(times: list[int | None], wanted: list[int], moved: int) -> None:
    got, count = ordered(times)
    assert got == wanted
    assert count == (moved if wanted[0] != 5000 else 0)


@given(st.lists(st.one_of(st.none(), st.integers(-20000, 20000)), max_size=40), st.integers(1, 500))
def test_times_rise_whatever_comes(times: list[int | None], step: int) -> None:
    got, _ = ordered(times, step, 10 * step)
    assert all(later > earlier for earlier, later in pairwise(got))


@given(st.lists(st.integers(0, 10**6), max_size=40, unique=True))
def test_times_that_rise_stay(times: list[int]) -> None:
    assert ordered(sorted(times), 7, 100) == (sorted(times), 0)


def test_units_leave_room_between_frames() -> None:
    for unit in (Fraction(1, 10), Fraction(1001, 30000), Fraction(1, 90000), Fraction(1)):
        assert unit / fine(unit) <= Fraction(1, 1000)


def through(source: Path, clips: Any, suffix: str = ".mp4") -> Any:
    target = source.with_name(f"out{suffix}")
    transform_video(source, target, lambda frame: frame)
    return clips.see(target)


def test_a_variable_rate_stays(clips: Any, heard: list[str], tmp_path: Path) -> None:
    times = [0, 1, 4, 5, 9, 12]
    frames = [clips.picture() for _ in times]
    for kind in (".mp4", ".mkv"):
        source = clips.write(tmp_path / f"in{kind}", frames, times=times, tags=(1, 1, 1, 1))
        for suffix in (".mp4", ".mkv", ".mov"):
            assert through(source, clips, suffix).times == pytest.approx([t / 10 for t in times], abs=1e-3)
    assert not heard


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_avi_with_frames_predicted_from_both_sides(clips: Any, heard: list[str], tmp_path: Path, codec: str) -> None:
    shades = [clips.BARS * (0.5 + 0.1 * number) for number in range(6)]
    frames = [clips.picture(rgb=shade) for shade in shades]
    more = {"x264-params": "bframes=2:b-adapt=0:scenecut=0"} if codec == "libx264" else {"bf": "2", "qmax": "2"}
    source = clips.write(tmp_path / "in.avi", frames, codec, options=more)
    seen = through(source, clips)
    assert np.diff(seen.times) == pytest.approx([0.1] * 5, abs=1e-3)
    shown = [float(bars.mean()) for bars in seen.bars]
    assert shown == sorted(shown)  # in the order in which they were
    assert any("in order" in line for line in heard) == (codec == "libx264")


def test_raw_h264_has_no_times(clips: Any, heard: list[str], tmp_path: Path) -> None:
    source = clips.write(tmp_path / "in.h264", [clips.picture() for _ in range(6)], rate=20, tags=(1, 1, 1, 1))
    assert through(source, clips).times == pytest.approx([number / 20 for number in range(6)], abs=1e-3)
    assert heard == ["in.h264: 6 of 6 frames had no time, or not one after that of the frame before; they are shown in "
                     "order between the others"]  # fmt: skip


def remux(source: Path, target: Path, pts: Any) -> Path:
    """Copy the pictures' packets with other times."""
    with av.open(str(source)) as clip, av.open(str(target), "w") as out:
        stream = out.add_stream_from_template(clip.streams.video[0], opaque=True)
        for number, packet in enumerate(packet for packet in clip.demux(video=0) if packet.size):
            packet.pts = packet.dts = round(pts(number) / float(packet.time_base))
            packet.stream = stream
            out.mux(packet)
    return target


def test_repeated_times(clips: Any, heard: list[str], tmp_path: Path) -> None:
    frames = [clips.picture() for _ in range(6)]
    source = clips.write(tmp_path / "plain.mkv", frames, options={"bf": "0"}, tags=(1, 1, 1, 1))
    twice = remux(source, tmp_path / "in.mkv", lambda n: [0, 0.1, 0.1, 0.2, 0.4, 0.5][n])
    for suffix in (".mp4", ".mkv"):
        assert through(twice, clips, suffix).times == pytest.approx([0, 0.1, 0.15, 0.2, 0.4, 0.5], abs=1.1e-3)
    assert any("1 of 6 frames" in line for line in heard)


def test_two_recordings_in_one_stream(clips: Any, heard: list[str], tmp_path: Path) -> None:
    frames = [clips.picture() for _ in range(4)]
    options = {"bf": "0", "g": "1"}
    for name, late in (("a.ts", 200), ("b.ts", 0)):
        clips.write(tmp_path / name, frames, times=[n + late for n in range(4)], options=options, tags=(1, 1, 1, 1))
    (tmp_path / "in.ts").write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    seen = through(tmp_path / "in.ts", clips)
    assert len(seen.times) == 8
    assert np.diff(seen.times) == pytest.approx([0.1] * 7, abs=2e-3)
    assert any("jump back" in line for line in heard)


@pytest.mark.parametrize(("name", "start"), [("in.ts", 0.0), ("in.mkv", 0.3), ("in.mp4", 0.3)])
def test_sound_stays_with_the_pictures(clips: Any, tmp_path: Path, name: str, start: float) -> None:
    frames = [clips.picture() for _ in range(6)]
    times = [number + 3 for number in range(6)]  # pictures begin 0.3 s after the sound
    source = clips.write(tmp_path / name, frames, times=times, tracks=[clips.tone("aac", seconds=1.0)])
    before = clips.see(source)
    for suffix in (".mp4", ".mkv"):
        after = through(source, clips, suffix)
        apart = [seen.times[0] - seen.sounds[0][3] for seen in (before, after)]
        assert apart[1] == pytest.approx(apart[0], abs=0.003)
    pcm = clips.write(tmp_path / "pcm.mkv", frames, times=times, tracks=[clips.tone("pcm_s16le", start=0.5)])
    recoded = through(pcm, clips)
    assert recoded.sounds[0][0] == "aac"
    assert recoded.sounds[0][3] - recoded.times[0] == pytest.approx(
        0.2, abs=0.025
    )  # AAC's frames begin 1024 samples before


def test_an_hour_before_the_beginning_is_none(clips: Any, heard: list[str], tmp_path: Path) -> None:
    frames = [clips.picture() for _ in range(4)]
    tracks = [clips.tone("aac", start=3600.0)]
    source = clips.write(tmp_path / "in.mkv", frames, times=[36000 + n for n in range(4)], tracks=tracks)
    seen = through(source, clips)
    assert seen.times == pytest.approx([0, 0.1, 0.2, 0.3], abs=0.03)
    assert seen.sounds[0][3] == pytest.approx(0, abs=0.03)
    assert any("begins at 3599.9" in line or "begins at 3600" in line for line in heard)
