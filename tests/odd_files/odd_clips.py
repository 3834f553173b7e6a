"""Clips of every awkward kind, through a function that changes nothing: frames, times, colours, aspect, sound, tags."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from odd_case import Heard, Outcome

from perceptualloss.errors import InputError
from perceptualloss.pictures.video import transform_video

WIDTH, HEIGHT, FRAMES = 64, 48, 6
COLOURS = np.array([[200.0, 60.0, 60.0], [60.0, 180.0, 90.0], [70.0, 80.0, 210.0]])
KR_KB = {"601": (0.299, 0.114), "709": (0.2126, 0.0722), "2020": (0.2627, 0.0593)}
MATRIX = {"601": 6, "709": 1, "2020": 9}  # FFmpeg's numbers


@dataclass(frozen=True)
class Facts:
    """What a clip must be afterwards.

    Attributes:
        frames: how many; None is most of them, of a clip that is not whole.
        colours: of three patches of the first frame, 0 to 255; None is not compared.
        times: of the frames in seconds from the first; None is not compared.
        aspect: of a pixel.
        size: of a frame; None is that of the source.
        sounds: the language of every sound track.
        subtitles: how many tracks.
        tags: that the clip must have.
    """

    frames: int | None = FRAMES
    colours: NDArray[np.float64] | None = None
    times: Sequence[float] | None = None
    aspect: Fraction = Fraction(1)
    size: tuple[int, int] | None = None
    sounds: tuple[str, ...] = ()
    subtitles: int = 0
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Clip:
    """An awkward clip; ``says`` and ``refuses`` as in a Case."""

    title: str
    make: Callable[[Path], Path]
    facts: Facts
    target: str = "out.mp4"
    within: float = 2.0
    says: str | None = None
    refuses: str | None = None


def try_clip(clip: Clip, folder: Path) -> Outcome:
    """Make the clip, send it through, and look at what comes out."""
    source, target = clip.make(folder), folder / clip.target
    heard, logger = Heard(), logging.getLogger("perceptualloss")
    logger.addHandler(heard)
    try:
        transform_video(source, target, lambda frame: frame)
    except InputError as error:
        wrong = "refused" if clip.refuses is None else ""
        if clip.refuses is not None and not re.search(clip.refuses, str(error)):
            wrong = f"the refusal does not say {clip.refuses!r}"
        expected = _words(clip.facts) if clip.refuses is None else "refused"
        return Outcome(expected, "refused", str(error), wrong or _left(folder, source, target))
    finally:
        logger.removeHandler(heard)
    words = " ".join(heard.lines)
    found = look_at(target)
    wrong = "not refused" if clip.refuses is not None else _difference(clip, found) or _left(folder, source, target)
    if not wrong and clip.says is not None and not re.search(clip.says, words):
        wrong = f"nothing says {clip.says!r}"
    return Outcome(_words(clip.facts), _words(found), words, wrong)


def _left(folder: Path, *known: Path) -> str:
    others = [path.name for path in folder.iterdir() if path not in known]
    return f"it left {others}" if others else ""


def _words(facts: Facts) -> str:
    parts = ["most frames" if facts.frames is None else f"{facts.frames} frames"]
    if facts.colours is not None:
        parts.append("/".join(" ".join(f"{value:.0f}" for value in row) for row in facts.colours))
    if facts.aspect != 1:
        parts.append(f"pixels {facts.aspect}")
    if facts.sounds:
        parts.append(f"sound {' '.join(facts.sounds)}")
    if facts.subtitles:
        parts.append(f"{facts.subtitles} subtitles")
    return ", ".join(parts)


def _difference(clip: Clip, found: Facts) -> str:
    """Return what of the result is not as it must be."""
    wanted = clip.facts
    if wanted.frames is None and (found.frames or 0) < 20:
        return f"{found.frames} frames"
    for name in ("aspect", "sounds", "subtitles", *(() if wanted.frames is None else ("frames",))):
        if getattr(found, name) != getattr(wanted, name):
            return f"{name}: {getattr(found, name)} instead of {getattr(wanted, name)}"
    if wanted.size is not None and found.size != wanted.size:
        return f"size {found.size}"
    if wanted.times is not None and np.abs(np.subtract(found.times or (), wanted.times)).max() > 0.002:
        return f"times {[round(t, 3) for t in found.times or ()]}"
    if wanted.colours is not None and found.colours is not None:
        far = np.abs(found.colours - wanted.colours).max()
        if far > clip.within:
            return f"colours {np.round(found.colours).tolist()}"
    missing = [tag for tag in wanted.tags if tag not in found.tags]
    return f"no {missing[0]}" if missing else ""


def look_at(path: Path) -> Facts:
    """Return the facts of a clip, the colours by BT.709's formula from the samples themselves."""
    with av.open(str(path)) as clip:
        stream = clip.streams.video[0]
        frames = list(clip.decode(stream))
        first = frames[0]
        tagged = (first.colorspace, first.color_range)
        start = first.time or 0.0
        return Facts(
            frames=len(frames),
            colours=_patches(first),
            times=[(frame.time or 0.0) - start for frame in frames],
            aspect=Fraction(stream.sample_aspect_ratio or 1),
            size=(first.width, first.height),
            sounds=tuple(sound.language or "und" for sound in clip.streams.audio),
            subtitles=len(clip.streams.subtitles),
            tags=(
                ("matrix", str(int(tagged[0]))),
                ("range", str(int(tagged[1]))),
                *((name, value) for name, value in clip.metadata.items() if name in ("title", "date", "comment")),
            ),
        )


def _patches(frame: Any) -> NDArray[np.float64]:
    planes = frame.reformat(format="yuv444p").to_ndarray().astype(np.float64)
    middle = frame.height // 2
    y, u, v = (planes[plane, middle, [frame.width // 6, frame.width // 2, 5 * frame.width // 6]] for plane in range(3))
    return to_rgb(np.stack([y, u, v], axis=1), "709", full=False)


def to_yuv(rgb: NDArray[np.float64], matrix: str, full: bool, bits: int = 8) -> NDArray[np.float64]:
    """Return Y, Cb, Cr of R, G, B from 0 to 255, by the formula of ITU-R BT.601, BT.709 or BT.2020."""
    (kr, kb), unit = KR_KB[matrix], rgb / 255
    y = unit @ np.array([kr, 1 - kr - kb, kb])
    cb, cr = (unit[..., 2] - y) / (2 * (1 - kb)), (unit[..., 0] - y) / (2 * (1 - kr))
    scale, most = 2 ** (bits - 8), 2**bits - 1
    if full:
        return np.stack([y * most, cb * most + 128 * scale, cr * most + 128 * scale], axis=-1)
    return np.stack([16 + 219 * y, 128 + 224 * cb, 128 + 224 * cr], axis=-1) * scale


def to_rgb(yuv: NDArray[np.float64], matrix: str, full: bool) -> NDArray[np.float64]:
    """Return R, G, B from 0 to 255 of 8-bit Y, Cb, Cr."""
    kr, kb = KR_KB[matrix]
    if full:
        y, cb, cr = yuv[..., 0] / 255, (yuv[..., 1] - 128) / 255, (yuv[..., 2] - 128) / 255
    else:
        y, cb, cr = (yuv[..., 0] - 16) / 219, (yuv[..., 1] - 128) / 224, (yuv[..., 2] - 128) / 224
    red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return np.clip(255 * np.stack([red, green, blue], axis=-1), 0, 255)


def pictures(
    number: int = FRAMES,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    matrix: str = "709",
    full: bool = False,
    deep: bool = False,
) -> list[Any]:
    """Return frames of three upright bars in the known colours, made of samples by the formula."""
    width, height = size
    yuv = np.round(to_yuv(COLOURS, matrix, full, 10 if deep else 8))
    bars = yuv[np.minimum(3 * np.arange(width) // width, 2)]
    planes = np.broadcast_to(bars.T[:, None], (3, height, width))
    kind = "yuv444p10le" if deep else "yuvj444p" if full else "yuv444p"
    return [_frame(planes.astype(np.uint16 if deep else np.uint8), kind) for _ in range(number)]


def _frame(planes: NDArray[Any], kind: str) -> Any:
    """Return a frame of samples (3, H, W), line by line: lines may be longer than they are wide."""
    frame = av.VideoFrame(planes.shape[2], planes.shape[1], kind)
    for plane, samples in zip(frame.planes, planes, strict=True):
        lines = np.zeros((planes.shape[1], plane.line_size // samples.itemsize), samples.dtype)
        lines[:, : samples.shape[1]] = samples
        plane.update(lines.tobytes())
    return frame


def write(
    path: Path,
    frames: Sequence[Any],
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rate: Fraction | int = 10,
    matrix: int | None = None,
    full: bool = False,
    times: Sequence[int] | None = None,
    aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
    add: Callable[[Any], None] | None = None,
    transfer: int | None = None,
    primaries: int | None = None,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write a clip; ``add`` may add streams before the first packet and write to them."""
    with av.open(str(path), "w") as clip:
        clip.metadata.update(metadata or {})
        stream = clip.add_stream(
            codec, rate=rate, options={"crf": "4"} | (options or {}) if "x26" in codec else options
        )
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, pixels
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        for name, value in (("colorspace", matrix), ("color_trc", transfer), ("color_primaries", primaries)):
            if value is not None:
                setattr(stream.codec_context, name, value)
        if full:
            stream.codec_context.color_range = 2
        if add is not None:
            add(clip)
        for number, frame in enumerate(frames):
            changed = _only_subsampled(frame, pixels)
            changed.pts = number if times is None else times[number]
            changed.time_base = 1 / Fraction(rate)
            clip.mux(stream.encode(changed))
        clip.mux(stream.encode())
    return path


def _only_subsampled(frame: Any, pixels: str) -> Any:
    """Return a frame in another format of the same samples: nothing about colours is known or changed."""
    changed = frame.reformat(format=pixels, src_colorspace="ITU709", dst_colorspace="ITU709")
    changed.colorspace, changed.color_range = 2, 0
    return changed


def sound(codec: str, *languages: str, seconds: float = 0.6) -> Callable[[Any], None]:
    """Return what adds sound tracks to a clip, one for each language."""

    def add(clip: Any) -> None:
        streams = [clip.add_stream(codec, rate=48000) for _ in languages]
        for stream, language in zip(streams, languages, strict=True):
            stream.layout = "mono"
            if language != "und":
                stream.metadata["language"] = language
        count = int(48000 * seconds)
        wave = (8000 * np.sin(np.arange(count) / 20)).astype(np.int16)
        for stream in streams:
            for at in range(0, count, 1024):
                piece = np.ascontiguousarray(wave[None, at : at + 1024])
                frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
                frame.sample_rate, frame.pts = 48000, at
                clip.mux(stream.encode(frame))
            clip.mux(stream.encode())

    return add


def _plain(name: str = "in.mp4", **options: Any) -> Callable[[Path], Path]:
    """Return what writes the usual clip with something odd about it."""
    shape = {key: options.pop(key) for key in ("number", "size", "deep") if key in options}
    by = options.pop("by", "709")
    return lambda folder: write(folder / name, pictures(matrix=by, full=options.get("full", False), **shape), **options)


def _with_cover(folder: Path) -> Path:
    """A clip with the picture of a disc's sleeve, larger than the clip."""

    def cover(clip: Any) -> None:
        stream = clip.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 320, 320, "yuvj420p"
        stream.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(np.full((320, 320, 3), 99, np.uint8), format="rgb24")
        clip.mux(stream.encode(frame.reformat(format="yuvj420p")))
        clip.mux(stream.encode())

    return write(folder / "in.mp4", pictures(), matrix=1, add=cover)


def _damaged(folder: Path) -> Path:
    """A clip of which one packet's bytes are wrong."""
    path = write(folder / "in.avi", pictures(30), codec="mpeg4", matrix=1, options={"g": "5"})
    with av.open(str(path)) as clip:
        packet = [packet for packet in clip.demux(video=0) if packet.size][15]
        place, size = packet.pos, packet.size
    data = bytearray(path.read_bytes())
    data[place + size // 4 : place + size] = bytes([255]) * (size - size // 4)
    path.write_bytes(bytes(data))
    return path


def _cut(folder: Path) -> Path:
    path = write(folder / "in.mkv", pictures(60), matrix=1, options={"g": "5"})
    path.write_bytes(path.read_bytes()[: int(0.7 * path.stat().st_size)])
    return path


def _sound_alone(folder: Path) -> Path:
    with av.open(str(folder / "in.mp4"), "w") as clip:
        sound("aac", "und")(clip)
    return folder / "in.mp4"


def _named(name: str, data: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


EVEN = [number / 10 for number in range(FRAMES)]
USUAL = Facts(colours=COLOURS, times=EVEN)
CASES = [
    Clip("clip, H.264 of BT.709", _plain(matrix=1), USUAL),
    Clip("clip, BT.601 by its tag", _plain(matrix=6, by="601"), USUAL),
    Clip("clip, full range", _plain(matrix=1, full=True, pixels="yuvj420p"), USUAL),
    Clip("clip of small size without tags (BT.601 by custom)", _plain(by="601"), USUAL),
    Clip("clip of HD size without tags (BT.709 by custom)", _plain(size=(1280, 720), number=2), Facts(2, COLOURS)),
    Clip("clip of 10 bits", _plain(matrix=1, codec="libx265", pixels="yuv420p10le", deep=True), USUAL),
    Clip("clip of HDR (PQ, BT.2020)", _plain(matrix=9, by="2020", transfer=16, primaries=9), Facts(),
         says="HDR|PQ|tone"),
    Clip("clip with a cover picture", _with_cover, USUAL, says="cover|left out"),
    Clip("clip with pixels that are not square (DVD)", _plain(matrix=6, by="601", aspect=Fraction(16, 15)),
         Facts(colours=COLOURS, aspect=Fraction(16, 15))),
    Clip("clip with a variable frame rate", _plain(matrix=1, times=[0, 1, 4, 5, 9, 12]),
         Facts(colours=COLOURS, times=[0, 0.1, 0.4, 0.5, 0.9, 1.2])),
    Clip("clip of an odd size", _plain(matrix=1, size=(63, 47), pixels="yuv444p"), Facts(size=(62, 46)), says="odd"),
    Clip("AVI with B-frames", _plain("in.avi", matrix=1, options={"bf": "2"}), Facts(colours=COLOURS)),
    Clip("AVI of MPEG-4 with B-frames", _plain("in.avi", codec="mpeg4", options={"bf": "2"}, by="601"), Facts()),
    Clip("AVI of raw pixels", _plain("in.avi", codec="rawvideo", by="601"), Facts(colours=COLOURS)),
    Clip("AVI with PCM sound into .mp4", _plain("in.avi", matrix=1, add=sound("pcm_s16le", "und")),
         Facts(sounds=("und",)), says="AAC|aac"),
    Clip("MKV with PCM sound into .mkv", _plain("in.mkv", matrix=1, add=sound("pcm_s16le", "und")),
         Facts(sounds=("und",)), "out.mkv"),
    Clip("MP4 with AAC sound", _plain(matrix=1, add=sound("aac", "ger")), Facts(sounds=("ger",))),
    Clip("MKV with two languages", _plain("in.mkv", matrix=1, add=sound("aac", "ger", "eng")),
         Facts(sounds=("ger", "eng"))),
    Clip("WebM with Opus into .mp4",
         _plain("in.webm", codec="libvpx-vp9", matrix=1, add=sound("libopus", "fre")), Facts(sounds=("fre",))),
    Clip("clip with a title", _plain(matrix=1, metadata={"title": "Sea & sky"}),
         Facts(tags=(("title", "Sea & sky"),))),
    Clip("clip with a damaged frame", _damaged, Facts(None), says="."),
    Clip("clip without its end", _cut, Facts(None), says="."),
    Clip("MPEG-2 in .mpg", _plain("in.mpg", codec="mpeg2video", rate=25, by="601"), Facts()),
    Clip("MPEG transport stream (.ts)", _plain("in.ts", matrix=1), USUAL),
    Clip("Flash video (.flv)", _plain("in.flv", matrix=1), USUAL),
    Clip("ProRes in .mov", _plain("in.mov", codec="prores_ks", pixels="yuv422p10le", by="601"), USUAL),
    Clip("Motion JPEG in .avi", _plain("in.avi", codec="mjpeg", pixels="yuvj420p", by="601", full=True),
         Facts(colours=COLOURS), within=4),
    Clip("sound without pictures called .mp4", _sound_alone, Facts(), refuses="picture"),
    Clip("text called .mp4", _named("in.mp4", b"words " * 50), Facts(), refuses="in.mp4"),
    Clip("nothing in a .mkv", _named("in.mkv", b""), Facts(), refuses="in.mkv"),
]  # fmt: skip
