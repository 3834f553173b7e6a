"""Small clips of every awkward kind, made with PyAV, and what is in a clip by formulas written out here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

# Three bars, from left to right, in R, G and B from 0 to 255
BARS = np.array([[200.0, 60.0, 60.0], [60.0, 180.0, 90.0], [70.0, 80.0, 210.0]])
KR_KB = {"601": (0.299, 0.114), "709": (0.2126, 0.0722), "2020": (0.2627, 0.0593)}


def to_yuv(rgb: Any, matrix: str, full: bool, bits: int = 8) -> Any:
    """Return Y, Cb, Cr of R, G, B from 0 to 255, by the formulas of ITU-R BT.601, BT.709 and BT.2020."""
    (kr, kb), unit = KR_KB[matrix], np.asarray(rgb) / 255
    y = unit @ np.array([kr, 1 - kr - kb, kb])
    cb, cr = (unit[..., 2] - y) / (2 * (1 - kb)), (unit[..., 0] - y) / (2 * (1 - kr))
    if full:
        most, middle = 2**bits - 1, 2 ** (bits - 1)
        return np.stack([y * most, np.minimum(cb * most + middle, most), np.minimum(cr * most + middle, most)], axis=-1)
    return np.stack([16 + 219 * y, 128 + 224 * cb, 128 + 224 * cr], axis=-1) * 2 ** (bits - 8)


def to_rgb(yuv: Any, matrix: str = "709", full: bool = False, bits: int = 8) -> Any:
    """Return R, G, B from 0 to 255 of Y, Cb, Cr."""
    kr, kb = KR_KB[matrix]
    if full:
        y, cb, cr = (yuv[..., i] / (2**bits - 1) for i in range(3))
        cb, cr = (c - 2 ** (bits - 1) / (2**bits - 1) for c in (cb, cr))
    else:
        y, cb, cr = (
            (yuv[..., i] / 2 ** (bits - 8) - zero) / span
            for i, zero, span in ((0, 16, 219), (1, 128, 224), (2, 128, 224))
        )
    red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return np.clip(255 * np.stack([red, green, blue], axis=-1), 0, 255)


def held(matrix: str, full: bool, bits: int = 8, rgb: Any = BARS) -> Any:
    """Return the colours that a clip's whole numbers hold of those given: 8 bits are off by up to 1.5 of 255."""
    return to_rgb(np.round(to_yuv(rgb, matrix, full, bits)), matrix, full, bits)


@dataclass
class Seen:
    """What is in a clip: its frames' bars by BT.709's formula from the samples, and all else that must be kept."""

    bars: Any
    times: list[float]
    size: tuple[int, int]
    aspect: Fraction
    colours: tuple[int, int, int, int]
    sounds: list[tuple[str, str, str, float]]
    subtitles: list[tuple[str, str, list[tuple[float, float, str]]]]
    tags: dict[str, str]
    chapters: list[tuple[float, float, str]]
    codec: str
    frames: list[Any] = field(repr=False, default_factory=list)


def see(path: Path) -> Seen:
    """Look at a clip with nothing but PyAV."""
    import av  # noqa: PLC0415  an extra

    with av.open(str(path)) as clip:
        stream = clip.streams.video[0]
        frames = list(clip.decode(stream))
        sounds = []
        for number, track in enumerate(clip.streams.audio):
            with av.open(str(path)) as again:
                heard = next(again.demux(audio=number))
            what = (
                track.codec_context.codec.canonical_name,
                track.language or "",
                track.metadata.get("title", track.metadata.get("name", "")),
            )
            sounds.append((*what, float((heard.pts or 0) * heard.time_base)))
        subtitles = []
        for track in clip.streams.subtitles:
            with av.open(str(path)) as again:
                lines = [
                    (float(packet.pts * packet.time_base), float((packet.duration or 0) * packet.time_base), text)
                    for packet in again.demux(again.streams[track.index])
                    for rect in (packet.decode() if packet.size else [])
                    if (text := rect.dialogue.decode())
                ]
            subtitles.append((track.codec_context.codec.canonical_name, track.language or "", lines))
        first = frames[0]
        return Seen(
            np.stack([_bars(frame) for frame in frames]),
            [float(frame.time) for frame in frames],
            (first.width, first.height),
            Fraction(stream.sample_aspect_ratio or 1),
            tuple(int(getattr(first, n)) for n in ("colorspace", "color_primaries", "color_trc", "color_range")),  # type: ignore[arg-type]
            sounds,
            subtitles,
            dict(clip.metadata),
            [
                (float(c["start"] * c["time_base"]), float(c["end"] * c["time_base"]), c["metadata"].get("title", ""))
                for c in clip.chapters()
            ],
            stream.codec_context.name,
            frames,
        )


def _bars(frame: Any) -> Any:
    planes = [np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size) for plane in frame.planes]
    places = [frame.width // 6, frame.width // 2, 5 * frame.width // 6]
    row = frame.height // 2
    return to_rgb(np.array([[planes[0][row, x], *(p[row // 2, x // 2] for p in planes[1:])] for x in places], float))


def picture(
    pixels: str = "yuv420p", size: tuple[int, int] = (64, 48), matrix: str = "709", full: bool = False, rgb: Any = BARS
) -> Any:
    """Return a frame of upright bars, whose samples are made by the formula; its colours are tagged by no name."""
    import av  # noqa: PLC0415

    width, height = size
    frame = av.VideoFrame(width, height, pixels)
    bits = frame.format.components[0].bits
    whole = np.round(to_yuv(rgb, matrix, full, bits))
    kind = np.uint8 if bits == 8 else np.uint16
    for plane, values in zip(frame.planes, whole.T, strict=False):
        columns = np.minimum(3 * np.arange(plane.width) // plane.width, 2)
        line = np.zeros(plane.line_size // kind().itemsize, kind)
        line[: plane.width] = values[columns]
        plane.update(np.tile(line, plane.height).tobytes())
    return frame


def write(
    path: Path,
    frames: Sequence[Any],
    codec: str = "libx264",
    rate: Fraction | int = 10,
    tags: Sequence[int] = (),
    times: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
    aspect: Fraction | None = None,
    tracks: Sequence[Callable[[Any], Callable[[], None]]] = (),
    metadata: dict[str, str] | None = None,
    first: bool = True,
    **more: Any,
) -> Path:
    """Write a clip.

    Args:
        path: ends as its kind does.
        frames: their pts is set.
        codec: of the pictures.
        rate: frames a second, the unit of ``times``.
        tags: matrix, primaries, transfer and range, FFmpeg's numbers.
        times: of the frames.
        options: of the codec.
        aspect: of a pixel.
        tracks: each adds a stream, and returns what writes to it.
        metadata: of the file.
        first: whether pictures are the first stream.
        more: "chapters", or "disposition".
    """
    import av  # noqa: PLC0415

    with av.open(str(path), "w") as clip:
        clip.metadata.update(metadata or {})
        if "chapters" in more:
            clip.set_chapters(more["chapters"])
        writers = [] if first else [track(clip) for track in tracks]
        quality = {"crf": "4"} if codec == "libx264" else {}
        stream = clip.add_stream(codec, rate=rate, options=quality | (options or {}))
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, frames[0].format.name
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        names = ("colorspace", "color_primaries", "color_trc", "color_range")
        for name, value in zip(names, tags, strict=False):
            setattr(stream.codec_context, name, value)
        writers += [track(clip) for track in tracks] if first else []
        for number, frame in enumerate(frames):
            for name, value in zip(names, tags, strict=False):
                setattr(frame, name, value)
            frame.pts, frame.time_base = number if times is None else times[number], 1 / Fraction(rate)
            clip.mux(stream.encode(frame))
        clip.mux(stream.encode())
        for writer in writers:
            writer()
    return path


def tone(
    codec: str,
    language: str = "",
    title: str = "",
    seconds: float = 0.6,
    start: float = 0.0,
    disposition: int = 0,
    layout: str = "mono",
) -> Callable[[Any], Callable[[], None]]:
    """Return what adds a sound track."""
    import av  # noqa: PLC0415

    def add(clip: Any) -> Callable[[], None]:
        stream = clip.add_stream(codec, rate=48000)
        stream.layout = layout
        stream.bit_rate = 128000
        stream.metadata.update({"language": language} if language else {})
        stream.metadata.update({"title": title} if title else {})
        if disposition:
            stream.disposition = disposition

        def send() -> None:
            wave = (8000 * np.sin(np.arange(int(48000 * seconds)) / 20)).astype(np.int16)
            for at in range(0, len(wave), 1024):
                piece = np.repeat(wave[at : at + 1024], 1 if layout == "mono" else 2)[None]
                frame = av.AudioFrame.from_ndarray(piece, format="s16", layout=layout)
                frame.sample_rate, frame.pts = 48000, at + int(48000 * start)
                clip.mux(stream.encode(frame))
            clip.mux(stream.encode())

        return send

    return add


class Clips:
    """What tests of clips make and look at them with."""

    BARS = BARS
    picture = staticmethod(picture)
    write = staticmethod(write)
    tone = staticmethod(tone)
    see = staticmethod(see)
    to_yuv = staticmethod(to_yuv)
    held = staticmethod(held)


@pytest.fixture
def clips() -> type[Clips]:
    """Give the functions that make clips and look at them; without PyAV the test is skipped."""
    pytest.importorskip("av")
    return Clips


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """Give the lines that are said of clips."""
    lines: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    listener, logger = Listener(), logging.getLogger("perceptualloss.pictures.video")
    logger.addHandler(listener)
    yield lines
    logger.removeHandler(listener)
