"""Aspect, turns, mirrors, interlaced rows, odd and changing sizes."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from av.filter import Graph
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.pictures.video import transform_video
from perceptualloss.pictures.video.frames import as_picture


def through(source: Path, clips: Any, suffix: str = ".mp4") -> Any:
    target = source.with_name(f"out{suffix}")
    transform_video(source, target, lambda frame: frame)
    return clips.see(target)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("aspect", [Fraction(16, 15), Fraction(64, 45), Fraction(8, 9), Fraction(1)])
def test_the_aspect_of_pixels_is_kept(clips: Any, tmp_path: Path, suffix: str, aspect: Fraction) -> None:
    frames = [clips.picture() for _ in range(3)]
    for name in ("in.mp4", "in.mkv"):
        source = clips.write(tmp_path / name, frames, aspect=aspect, tags=(1, 1, 1, 1))
        assert through(source, clips, suffix).aspect == aspect


def test_dv_is_deinterlaced_and_keeps_its_shape(clips: Any, heard: list[str], tmp_path: Path) -> None:
    frames = [clips.picture("yuv420p", size=(720, 576), matrix="601") for _ in range(2)]
    source = clips.write(tmp_path / "in.dv", frames, "dvvideo", rate=25, aspect=Fraction(16, 15))
    seen = through(source, clips)
    assert seen.aspect == clips.see(source).aspect != 1
    assert np.abs(seen.bars - clips.BARS).max() <= 3  # DV's own loss is 2
    assert len(seen.times) == 2
    assert any("deinterlaced" in line for line in heard)


TURNS = {  # a, b, c, d of x' = a x + c y, y' = b x + d y, and the same by numpy
    (1, 0, 0, 1): lambda p: p,
    (0, 1, -1, 0): lambda p: np.rot90(p, -1),
    (-1, 0, 0, -1): lambda p: np.rot90(p, 2),
    (0, -1, 1, 0): lambda p: np.rot90(p, 1),
    (-1, 0, 0, 1): lambda p: p[:, ::-1],
    (1, 0, 0, -1): lambda p: p[::-1],
    (0, 1, 1, 0): lambda p: p.transpose(1, 0, 2),
    (0, -1, -1, 0): lambda p: p[::-1, ::-1].transpose(1, 0, 2),
}


@pytest.mark.parametrize("turn", TURNS)
def test_frames_come_as_the_screen_shows_them(
    clips: Any, heard: list[str], tmp_path: Path, turn: tuple[int, int, int, int]
) -> None:
    samples = np.full((48, 64, 3), 40, np.uint8)
    samples[:16, :20] = (220, 60, 60)  # a red corner and a blue side
    samples[:, 56:] = (60, 60, 220)
    frames = [av.VideoFrame.from_ndarray(samples, format="rgb24").reformat(format="yuv444p", dst_colorspace=1)] * 2
    source = clips.write(tmp_path / "in.mp4", frames, aspect=Fraction(4, 3), tags=(1, 1, 1, 1))
    data = bytearray(source.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (65536 * number for number in turn)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    source.write_bytes(bytes(data))
    shown: list[Tensor] = []
    transform_video(source, tmp_path / "out.mp4", lambda frame: shown.append(frame) or frame)  # type: ignore[func-returns-value]
    wanted = TURNS[turn](samples)
    assert np.abs(255 * shown[0][0].permute(1, 2, 0).numpy() - wanted).mean() < 2
    seen = clips.see(tmp_path / "out.mp4")
    assert seen.size == wanted.shape[1::-1]
    assert seen.aspect == (Fraction(3, 4) if turn[0] == 0 else Fraction(4, 3))
    assert bool(heard) == (turn != (1, 0, 0, 1))


def test_interlaced_frames_go_through_bwdif_at_their_times(clips: Any, heard: list[str], tmp_path: Path) -> None:
    frames = []
    for number in range(5):  # what moves is at another place in every second row
        planes = np.full((72, 64), 128, np.uint8)
        planes[:48] = 50
        planes[:48:2, 8 * number : 8 * number + 20] = 200
        planes[1:48:2, 8 * number + 4 : 8 * number + 24] = 200
        frames.append(av.VideoFrame.from_ndarray(planes, format="yuv420p"))
    times = [0, 1, 2, 4, 5]
    options = {"x264-params": "tff=1"}
    source = clips.write(tmp_path / "in.mp4", frames, times=times, options=options, tags=(1, 1, 1, 1))
    shown: list[Tensor] = []
    transform_video(source, tmp_path / "out.mp4", lambda frame: shown.append(frame) or frame)  # type: ignore[func-returns-value]
    with av.open(str(source)) as clip:
        decoded = list(clip.decode(video=0))
        assert decoded[0].interlaced_frame
        graph = Graph()
        nodes = [graph.add_buffer(template=clip.streams.video[0]), graph.add("bwdif", "0"), graph.add("buffersink")]
        graph.link_nodes(*nodes).configure()
        for frame in (*decoded, None):
            graph.push(frame)
        wanted = [as_picture(graph.vpull()) for _ in decoded]
    for mine, theirs in zip(shown, wanted, strict=True):
        assert (mine - theirs).abs().max() < 2 / 255
    combed = [as_picture(frame) for frame in decoded]
    assert (combed[2] - shown[2]).abs().max() > 0.2
    assert clips.see(tmp_path / "out.mp4").times == pytest.approx([time / 10 for time in times], abs=1e-3)
    assert len(heard) == 1


def test_odd_sizes_are_cut_and_said(clips: Any, heard: list[str], tmp_path: Path) -> None:
    source = clips.write(tmp_path / "in.mp4", [clips.picture("yuv444p", size=(63, 47))] * 3, tags=(1, 1, 1, 1))
    assert through(source, clips).size == (62, 46)
    assert len(heard) == 1
    assert "odd last row or column is cut off" in heard[0]


@pytest.mark.parametrize("size", [(1, 40), (40, 16386)])
def test_sizes_that_h264_does_not_take_are_refused_at_the_first_frame(
    clips: Any, tmp_path: Path, size: tuple[int, int]
) -> None:
    source, calls = clips.write(tmp_path / "in.mp4", [clips.picture() for _ in range(3)]), []

    def change(frame: Tensor) -> Tensor:
        calls.append(1)
        return torch.zeros(1, 3, *size)

    with pytest.raises(InputError, match="2 to 16384 pixels"):
        transform_video(source, tmp_path / "out.mp4", change)
    assert len(calls) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_frames_that_change_their_size_get_the_first_ones(clips: Any, heard: list[str], tmp_path: Path) -> None:
    for name, size in (("a.ts", (64, 48)), ("b.ts", (96, 64))):
        frames = [clips.picture(size=size) for _ in range(3)]
        clips.write(tmp_path / name, frames, options={"bf": "0", "g": "1"}, tags=(1, 1, 1, 1))
    (tmp_path / "in.ts").write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    seen = through(tmp_path / "in.ts", clips)
    assert len(seen.times) == 6
    assert seen.size == (64, 48)
    assert np.abs(seen.bars - clips.BARS).max() <= 3
    assert any("change their size" in line for line in heard)


def test_several_streams_of_pictures_and_a_cover(clips: Any, heard: list[str], tmp_path: Path) -> None:
    def cover(clip: Any) -> Any:
        stream = clip.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuvj420p"
        stream.disposition = 1 << 10  # attached_pic
        frame = av.VideoFrame.from_ndarray(np.full((240, 320, 3), 99, np.uint8), format="rgb24")

        def send() -> None:
            clip.mux(stream.encode(frame.reformat(format="yuvj420p")))
            clip.mux(stream.encode())

        return send

    def second(clip: Any) -> Any:
        stream = clip.add_stream("libx264", rate=10)
        stream.width, stream.height = 32, 32

        def send() -> None:
            for number in range(5):
                frame = av.VideoFrame(32, 32, "yuv420p")
                frame.pts = number
                clip.mux(stream.encode(frame))
            clip.mux(stream.encode())

        return send

    for first in (True, False):
        source = clips.write(
            tmp_path / "in.mp4",
            [clips.picture() for _ in range(5)],
            tracks=[cover, second],
            tags=(1, 1, 1, 1),
            first=first,
        )
        seen = through(source, clips)
        assert len(seen.times) == 5
        assert seen.size == ((64, 48) if first else (32, 32))  # .mp4 marks the first as what is shown
        assert sorted(next(line for line in heard if "left out" in line).split(": ")[-1].split(", ")) == [
            "another stream of pictures (h264)",
            "the cover picture",
        ]
