"""Sound, subtitles, chapters and tags of a clip, kept or said."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from perceptualloss.pictures.video import READ_SUFFIXES, WRITE_SUFFIXES, transform_video


def through(source: Path, clips: Any, suffix: str = ".mp4") -> Any:
    target = source.with_name(f"out{suffix}")
    transform_video(source, target, lambda frame: frame)
    return clips.see(target)


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as clip:
        return [bytes(packet) for packet in clip.demux(audio=0) if packet.size]


@pytest.mark.parametrize(
    ("source", "codec", "target", "becomes"),
    [
        ("in.avi", "pcm_s16le", ".mp4", "aac"),
        ("in.mkv", "pcm_s16le", ".mp4", "aac"),
        ("in.mkv", "pcm_s24le", ".mov", "pcm_s24le"),
        ("in.mov", "pcm_s16be", ".mkv", "pcm_s16be"),
        ("in.wmv", "wmav2", ".mp4", "aac"),
        ("in.mkv", "libopus", ".mp4", "opus"),
        ("in.mkv", "libopus", ".mov", "aac"),
        ("in.mkv", "flac", ".mp4", "flac"),
        ("in.mkv", "flac", ".mov", "aac"),
        ("in.mkv", "ac3", ".mp4", "ac3"),
        ("in.avi", "libmp3lame", ".mp4", "mp3"),
        ("in.ts", "aac", ".mp4", "aac"),
        ("in.ts", "aac", ".mkv", "aac"),
        ("in.ts", "mp2", ".mp4", "aac"),
        ("in.ts", "mp2", ".mkv", "mp2"),
        ("in.mov", "alac", ".mkv", "alac"),
        ("in.flv", "aac", ".mov", "aac"),
        ("in.mkv", "vorbis", ".mp4", "aac"),
    ],
)
def test_sound_is_copied_or_recoded(
    clips: Any, heard: list[str], tmp_path: Path, source: str, codec: str, target: str, becomes: str
) -> None:
    if codec == "vorbis":
        pytest.importorskip("av").codec.Codec(codec, "w")
    pictures = "wmv2" if source.endswith("wmv") else "libx264"
    track = clips.tone(codec, seconds=1.0) if codec != "vorbis" else stereo_vorbis
    made = clips.write(
        tmp_path / source, [clips.picture() for _ in range(10)], pictures, tags=(1, 1, 1, 1), tracks=[track]
    )
    seen = through(made, clips, target)
    assert [sound[0] for sound in seen.sounds] == [becomes]
    original = {"libopus": "opus", "libmp3lame": "mp3"}.get(codec, codec)
    assert any("goes as AAC" in line for line in heard) == (becomes != original)
    if becomes == original and not source.endswith((".ts", ".mov")):  # .ts has a head before each packet
        assert packets(tmp_path / f"out{target}") == packets(made)
    with av.open(str(tmp_path / f"out{target}")) as clip:
        wave = np.concatenate([np.atleast_2d(f.to_ndarray())[0] for f in clip.decode(audio=0)]).astype(float)
        rate = clip.streams.audio[0].rate
    assert len(wave) / rate == pytest.approx(1.0, abs=0.15)
    middle = wave[len(wave) // 4 : len(wave) // 4 + 8192]
    pitch = np.abs(np.fft.rfft(middle * np.hanning(len(middle)))).argmax() * rate / len(middle)
    assert pitch == pytest.approx(48000 / 20 / (2 * np.pi), rel=0.03)


def test_sound_that_changes_its_channels(clips: Any, heard: list[str], tmp_path: Path) -> None:
    pictures = [clips.picture() for _ in range(10)]
    for number, layout in enumerate(("mono", "stereo")):
        tracks = [clips.tone("mp2", seconds=1.0, start=1.0 * number, layout=layout)]
        times = [10 * number + n for n in range(10)]
        clips.write(tmp_path / f"{layout}.ts", pictures, times=times, tags=(1, 1, 1, 1), tracks=tracks)
    (tmp_path / "in.ts").write_bytes((tmp_path / "mono.ts").read_bytes() + (tmp_path / "stereo.ts").read_bytes())
    seen = through(tmp_path / "in.ts", clips)
    assert len(seen.times) == 20
    with av.open(str(tmp_path / "out.mp4")) as clip:
        assert sum(frame.samples for frame in clip.decode(audio=0)) == pytest.approx(2 * 48000, abs=5000)


def test_damaged_sound_does_not_lose_the_clip(clips: Any, heard: list[str], tmp_path: Path) -> None:
    made = clips.write(
        tmp_path / "in.ts", [clips.picture() for _ in range(10)], tags=(1, 1, 1, 1), tracks=[clips.tone("aac")]
    )
    data = bytearray(made.read_bytes())
    for at in range(0, len(data) - 188, 188):
        if (
            data[at + 1] & 0x5F == 0x41 and data[at + 2] == 0x01 and at > len(data) // 2
        ):  # a packet of sound that begins
            data[at + 30 : at + 60] = bytes(30)
    made.write_bytes(bytes(data))
    assert len(through(made, clips).times) == 10


def test_sound_that_is_promised_and_not_there(clips: Any, heard: list[str], tmp_path: Path) -> None:
    def nothing(clip: Any) -> Any:
        clip.add_stream("mp2", rate=48000)
        return lambda: None

    frames = [clips.picture() for _ in range(10)]
    tracks = [clips.tone("aac"), nothing]
    made = clips.write(tmp_path / "in.ts", frames, tags=(1, 1, 1, 1), tracks=tracks)
    assert len(through(made, clips).sounds) == 1
    assert any("left out: the sound (mp" in line for line in heard)


def stereo_vorbis(clip: Any) -> Any:
    stream = clip.add_stream("vorbis", rate=48000, options={"strict": "-2"})
    stream.layout = "stereo"

    def send() -> None:
        wave = (8000 * np.sin(np.arange(48000) / 20) / 32768).astype(np.float32)
        for at in range(0, 48000, 1024):
            piece = np.repeat(wave[None, at : at + 1024], 2, axis=0)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = 48000, at
            clip.mux(stream.encode(frame))
        clip.mux(stream.encode())

    return send


@pytest.mark.parametrize("target", [".mp4", ".mkv", ".mov"])
def test_several_tracks_keep_language_title_and_purpose(clips: Any, tmp_path: Path, target: str) -> None:
    comment = 1 << 3  # FFmpeg's number of a track of comments
    tracks = [
        clips.tone("aac", "ger", "Deutsch", disposition=1),
        clips.tone("ac3", "eng", "English"),
        clips.tone("pcm_s16le", "fre", "Remarques", disposition=comment),
    ]
    source = clips.write(tmp_path / "in.mkv", [clips.picture() for _ in range(6)], tags=(1, 1, 1, 1), tracks=tracks)
    seen = through(source, clips, target)
    assert [sound[1] for sound in seen.sounds] == ["ger", "eng", "fra" if target == ".mov" else "fre"]
    assert [sound[2] for sound in seen.sounds] == ["Deutsch", "English", "Remarques"]
    with av.open(str(tmp_path / f"out{target}")) as clip:
        assert [int(stream.disposition) & 1 for stream in clip.streams.audio] == [1, 0, 0]
        if target == ".mkv":
            assert int(clip.streams.audio[2].disposition) & comment


LINES = [(0.0, 0.2, "Good day"), (0.3, 0.2, "Füße, 日本")]


def subtitles(codec: str, language: str = "eng") -> Any:
    def add(clip: Any) -> Any:
        stream = clip.add_stream(codec)
        reader: Any = av.CodecContext.create("subrip", "r")
        reader.open()
        stream.codec_context.subtitle_header = reader.subtitle_header  # FFmpeg's usual style
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.metadata["language"] = language

        def send() -> None:
            for number, (start, long, text) in enumerate(LINES):
                line = f"{number},0,Default,,0,0,0,,{text}".encode()
                lines = av.subtitles.subtitle.SubtitleSet.create(line, 0, round(1000 * long), 0)
                packet = stream.codec_context.encode_subtitle(lines)
                packet.pts = packet.dts = round(1000 * start)
                packet.duration, packet.time_base, packet.stream = round(1000 * long), Fraction(1, 1000), stream
                clip.mux(packet)

        return send

    return add


@pytest.mark.parametrize(
    ("source", "codec", "target", "becomes"),
    [
        ("in.mkv", "srt", ".mkv", "subrip"),
        ("in.mkv", "srt", ".mp4", "mov_text"),
        ("in.mkv", "ass", ".mkv", "ass"),
        ("in.mkv", "ass", ".mov", "mov_text"),
        ("in.mp4", "mov_text", ".mp4", "mov_text"),
        ("in.mp4", "mov_text", ".mkv", "subrip"),
    ],
)
def test_subtitles_are_copied_or_recoded(
    clips: Any, heard: list[str], tmp_path: Path, source: str, codec: str, target: str, becomes: str
) -> None:
    frames = [clips.picture() for _ in range(8)]
    made = clips.write(tmp_path / source, frames, tags=(1, 1, 1, 1), tracks=[subtitles(codec)])
    assert [text for _, _, text in clips.see(made).subtitles[0][2]] == [text for _, _, text in LINES]
    kind, language, lines = through(made, clips, target).subtitles[0]
    assert (kind, language) == (becomes, "eng")
    assert [text for _, _, text in lines] == [text for _, _, text in LINES]
    assert [time for line in lines for time in line[:2]] == pytest.approx(
        [t for line in LINES for t in line[:2]], abs=2e-3
    )
    assert any("goes as" in line for line in heard) == (becomes != {"srt": "subrip"}.get(codec, codec))


def test_what_cannot_go_is_said(clips: Any, heard: list[str], tmp_path: Path) -> None:
    def bitmaps(clip: Any) -> Any:
        stream = clip.add_mux_stream("hdmv_pgs_subtitle")
        stream.metadata["language"] = "ger"
        return lambda: None

    def font(clip: Any) -> Any:
        clip.add_attachment("letters.ttf", "application/x-truetype-font", b"letters")
        return lambda: None

    made = clips.write(
        tmp_path / "in.mkv", [clips.picture() for _ in range(4)], tags=(1, 1, 1, 1), tracks=[bitmaps, font]
    )
    assert not through(made, clips).subtitles
    assert heard == ["in.mkv: left out: subtitles (hdmv_pgs_subtitle, ger), a stream of attachment (letters.ttf)"]
    assert [kind for kind, _, _ in through(made, clips, ".mkv").subtitles] == ["hdmv_pgs_subtitle"]


@pytest.mark.parametrize("target", [".mp4", ".mkv", ".mov"])
def test_tags_and_chapters_are_kept(clips: Any, heard: list[str], tmp_path: Path, target: str) -> None:
    tags = {"title": "Sea & sky", "date": "2024-05-06", "comment": "at dawn", "artist": "nobody"}
    chapters = [
        {"id": 1, "start": 0, "end": 300, "time_base": Fraction(1, 1000), "metadata": {"title": "One"}},
        {"id": 2, "start": 300, "end": 600, "time_base": Fraction(1, 1000), "metadata": {"title": "Two"}},
    ]
    frames = [clips.picture() for _ in range(6)]
    for name in ("in.mp4", "in.mkv"):
        made = clips.write(tmp_path / name, frames, tags=(1, 1, 1, 1), metadata=tags, chapters=chapters)
        seen = through(made, clips, target)
        assert {key.lower(): text for key, text in seen.tags.items() if key.lower() in tags} == tags
        assert [title for _, _, title in seen.chapters] == ["One", "Two"]
        assert [time for c in seen.chapters for time in c[:2]] == pytest.approx([0, 0.3, 0.3, 0.6], abs=2e-3)
    assert not heard
    odd = clips.write(tmp_path / "odd.mkv", frames, tags=(1, 1, 1, 1), metadata={"MOOD": "calm"})
    through(odd, clips, target)
    assert bool(heard) == (target != ".mkv")
    assert all("are lost: MOOD" in line for line in heard)


def test_a_language_that_is_lost_is_said(clips: Any, heard: list[str], tmp_path: Path) -> None:
    source = clips.write(
        tmp_path / "in.mkv", [clips.picture()] * 4, tags=(1, 1, 1, 1), tracks=[clips.tone("aac", "gsw")]
    )
    assert through(source, clips, ".mp4").sounds[0][1] == "gsw"
    assert not heard
    through(source, clips, ".mov")
    assert heard == ["in.mkv: tags that .mov does not hold are lost: language gsw"]


def test_tags_of_cameras_of_apple_are_kept(clips: Any, heard: list[str], tmp_path: Path) -> None:
    tags = {
        "com.apple.quicktime.make": "Apple",
        "com.apple.quicktime.creationdate": "2024-05-06T07:08:09+0200",
        "com.apple.quicktime.location.ISO6709": "+48.1+011.5/",
    }
    made = tmp_path / "in.mov"
    with av.open(str(made), "w", container_options={"movflags": "use_metadata_tags"}) as clip:
        clip.metadata.update(tags)
        stream = clip.add_stream("libx264", rate=10)
        stream.width, stream.height = 64, 48
        stream.codec_context.colorspace = 1
        for _ in range(3):
            clip.mux(stream.encode(clips.picture()))
        clip.mux(stream.encode())
    for target in (".mov", ".mp4"):
        seen = through(made, clips, target)
        assert {key: seen.tags.get(key) for key in tags} == tags
    assert not any("lost" in line for line in heard)


def test_text_of_other_alphabets_in_tags_ends_nothing(clips: Any, tmp_path: Path) -> None:
    made = clips.write(tmp_path / "in.avi", [clips.picture()] * 3, metadata={"title": "Cafe"})
    made.write_bytes(made.read_bytes().replace(b"Cafe", b"Caf\xe9"))  # Latin-1, as old programs write it
    assert through(made, clips).tags["title"].startswith("Caf")


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("in.mpg", "mpeg2video"), ("in.vob", "mpeg2video"), ("in.m2ts", "libx264"), ("in.mts", "libx264"),
        ("in.ts", "libx264"), ("in.wmv", "wmv2"), ("in.asf", "wmv2"), ("in.flv", "flv"), ("in.f4v", "libx264"),
        ("in.3gp", "libx264"), ("in.mxf", "mpeg2video"), ("in.webm", "libvpx-vp9"), ("in.ogv", "libvpx"),
        ("in.avi", "mpeg4"), ("in.m4v", "mpeg4"), ("in.mov", "mjpeg"), ("in.nut", "ffv1"), ("in.mjpg", "mjpeg"),
        ("in.y4m", "rawvideo"), ("in.hevc", "libx265"), ("in.ivf", "libvpx"), ("in.m2v", "mpeg2video"),
    ],
)  # fmt: skip
def test_kinds_of_files(clips: Any, tmp_path: Path, name: str, codec: str) -> None:
    assert Path(name).suffix in READ_SUFFIXES
    pixels, full = ("yuvj420p", True) if codec == "mjpeg" else ("yuv420p", False)
    frames = [clips.picture(pixels, matrix="601", full=full) for _ in range(6)]
    quality = {"qmin": "1", "qmax": "2"} if codec in ("mpeg4", "wmv2", "flv", "mpeg2video", "mjpeg") else {}
    if codec.startswith("libvpx"):
        quality = {"crf": "4", "b:v": "0" if codec == "libvpx-vp9" else "4M"}
    more = {"x265-params": "log-level=none:crf=4"} if codec == "libx265" else {}
    made = clips.write(tmp_path / name, frames, codec, rate=25, options=quality | more)
    seen = through(made, clips)
    assert len(seen.times) == 6
    assert np.diff(seen.times) == pytest.approx([0.04] * 5, abs=2e-3)
    assert np.abs(seen.bars - clips.BARS).max() <= 6  # of which the lossy source has up to 4
    assert seen.codec == "h264"


def test_lists_of_kinds() -> None:
    assert set(WRITE_SUFFIXES) < set(READ_SUFFIXES)
    assert list(READ_SUFFIXES) == sorted(READ_SUFFIXES)
