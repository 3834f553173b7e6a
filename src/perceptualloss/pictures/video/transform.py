"""A clip from file to file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.files import put_in_place
from perceptualloss.pictures.picture import Progress
from perceptualloss.pictures.video import WRITE_SUFFIXES
from perceptualloss.pictures.video.colour import colours_of, kept_curve
from perceptualloss.pictures.video.encoding import Encoder, resized
from perceptualloss.pictures.video.frames import as_picture, is_rgb
from perceptualloss.pictures.video.interlaced import progressive
from perceptualloss.pictures.video.parts import as_unwritable, own_part
from perceptualloss.pictures.video.reading import (
    UNUSABLE,
    Clip,
    as_unreadable,
    begins_anywhere,
    frame_count,
    rate_of,
    reading,
)
from perceptualloss.pictures.video.side_data import side_data, turn_of
from perceptualloss.pictures.video.times import InOrder, fine
from perceptualloss.pictures.video.tracks import Tracks, copy_tags

# Of the file that was, not of the clip.
_NO_TAGS = ("major_brand", "minor_version", "compatible_brands", "encoder", "software")


def transform(
    source: Path, target: Path, change: Callable[[Tensor], Tensor], progress: Progress | None, overwrite: bool
) -> int:
    """Do what :func:`perceptualloss.pictures.video.transform_video` says."""
    if target.suffix.lower() not in WRITE_SUFFIXES:
        raise InputError(f"a file name that ends in {', '.join(WRITE_SUFFIXES)}", repr(target.name))
    if not target.parent.is_dir():
        raise InputError(f"{target} to be writable", "a folder that is not there")
    with own_part(target) as part:
        with reading(source) as clip:
            with _writing(part, target, clip) as result:
                frames, languages = _send(clip, result, target, change, progress)
            _check_tags(clip, languages, part, target)
        with as_unwritable(target):
            put_in_place(part, target, overwrite)
    return frames


@contextmanager
def _writing(part: Path, target: Path, clip: Clip) -> Iterator[OutputContainer]:
    # Tags as cameras of Apple write them have no other place in these kinds of file.
    named = any(key.startswith("com.apple.") for key in clip.container.metadata)
    options = {"movflags": "use_metadata_tags"} if named and target.suffix.lower() != ".mkv" else {}
    with as_unwritable(target):
        result = av.open(str(part), "w", container_options=options)
    try:
        yield result
        with as_unwritable(target):
            result.close()
    finally:
        with suppress(*UNUSABLE):  # what is raised already says why
            result.close()


def _send(
    clip: Clip, result: OutputContainer, target: Path, change: Callable[[Tensor], Tensor], progress: Progress | None
) -> tuple[int, dict[int, str]]:
    """Send every frame and packet on, and return how many frames there were, and the languages of the tracks."""
    if clip.start and not begins_anywhere(clip.container):
        clip.say(f"it begins at {float(clip.start):.3f} s; its times begin at 0 now")
    if clip.pictures.metadata.get("alpha_mode") == "1":
        clip.say("its opacity is a stream within the stream, which FFmpeg's own decoder passes by; it is left out")
    unit, order = clip.unit / fine(clip.unit), _order(clip)
    with as_unwritable(target):
        encoder = Encoder(result, clip, unit)
        tracks = Tracks(clip, result, target.suffix.lower())
        _copy_tags(clip, result, encoder)

    def take(packet: Any) -> None:
        with as_unwritable(target):
            tracks.take(packet)

    total, done = frame_count(clip.pictures), 0
    frames = _timed(clip, progressive(clip.frames(tracks.streams, take), clip.say), unit, order)
    size: tuple[int, int] | None = None
    for frame, moment in _read(clip, order.of(frames)):
        with as_unreadable(clip.path):
            picture = as_picture(frame, clip.say)
            _say_lost(clip, frame)
        if size is not None and tuple(picture.shape[-2:]) != size:
            clip.say("its frames change their size; they are resized to the first one's")
            picture = resized(picture, size)
        shown = change(picture)
        with as_unwritable(target):
            if size is None:
                size = (picture.shape[-2], picture.shape[-1])
                encoder.begin((shown.shape[-2], shown.shape[-1]), _aspect(clip, frame), _curve(frame))
                result.start_encoding()  # what the file cannot hold is refused before the work
                encoder.write(shown, moment)
                tracks.begin()
            else:
                encoder.write(shown, moment)
        done += 1
        if progress is not None:
            progress(done, max(done, total))
    if not done:
        raise InputError(f"{clip.path} to be a video with pictures", "none that decodes")
    with as_unwritable(target):
        encoder.finish()
        tracks.finish()
    _report(clip, order, done)
    return done, tracks.languages


def _say_lost(clip: Clip, frame: av.VideoFrame) -> None:
    """Say what of a frame cannot be in the result."""
    bits = 8 if frame.format.has_palette else max(component.bits for component in frame.format.components)
    if bits > 8:
        clip.say(f"its {bits} bits a colour become 8")
    if side_data(frame, "A53_CC") is not None:
        clip.say("captions within the pictures are left out")


def _read(clip: Clip, frames: Iterator[Any]) -> Iterator[Any]:
    """Yield what comes; what FFmpeg raises meanwhile is told of the clip, what the caller raises is not."""
    while True:
        with as_unreadable(clip.path):
            try:
                item = next(frames)
            except StopIteration:
                return
        yield item


def seconds_shown(path: Path) -> float:
    """Do what :func:`perceptualloss.pictures.video.seconds_shown` says."""
    with reading(path) as clip:
        order, unit = _order(clip), clip.unit / fine(clip.unit)
        frames = _timed(clip, clip.frames([], lambda packet: None), unit, order)
        moments = [moment for _, moment in _read(clip, order.of(frames))]
        if not moments:
            raise InputError(f"{path} to be a video with pictures", "none that decodes")
        return float((moments[-1] - moments[0]) * unit)


def _order(clip: Clip) -> InOrder[av.VideoFrame]:
    unit = clip.unit / fine(clip.unit)
    return InOrder(round(1 / rate_of(clip.pictures) / unit), round(1 / unit))


def _timed(
    clip: Clip, frames: Iterator[av.VideoFrame], unit: Fraction, order: InOrder[av.VideoFrame]
) -> Iterator[tuple[av.VideoFrame, int | None]]:
    """Yield frames with their own times in units, and tell the order how long they are shown."""
    for frame in frames:
        if frame.duration:
            order.step = max(1, round(frame.duration * clip.unit / unit))
        yield frame, None if frame.pts is None else round((frame.pts * clip.unit - clip.start) / unit)


def _aspect(clip: Clip, frame: av.VideoFrame) -> Fraction:
    """Return a pixel's width by its height, upright."""
    aspect = Fraction(clip.pictures.sample_aspect_ratio or 1)  # 0 where it is not known
    return 1 / aspect if turn_of(frame)[1] else aspect


def _curve(frame: av.VideoFrame) -> int:
    return kept_curve(colours_of(frame, is_rgb(frame), lambda line: None))


def _copy_tags(clip: Clip, result: OutputContainer, encoder: Encoder) -> None:
    tags = clip.container.metadata.items()
    result.metadata.update(
        {key: text for key, text in tags if key not in (*_NO_TAGS, "timecode")}
    )  # a track of its own
    copy_tags(clip.pictures, encoder.stream)
    chapters = clip.container.chapters()
    for chapter in chapters:
        late = round(clip.start / (chapter["time_base"] or 1))
        chapter["start"], chapter["end"] = max(0, chapter["start"] - late), max(0, chapter["end"] - late)
    if chapters:
        result.set_chapters(chapters)


def _check_tags(clip: Clip, languages: dict[int, str], part: Path, target: Path) -> None:
    """Say which of the clip's tags the file that was written does not have."""
    with as_unwritable(target), av.open(str(part), metadata_errors="replace") as result:
        others = {text for number, text in languages.items() if result.streams[number].language != text}
        kept = {key.casefold() for key in result.metadata} | {key.casefold() for key in _NO_TAGS}
    lost = sorted(key for key in clip.container.metadata if key.casefold() not in kept)
    lost += [f"language {text}" for text in sorted(others)]
    if lost:
        clip.say(f"tags that {target.suffix} does not hold are lost: {', '.join(lost)}")


def _report(clip: Clip, order: InOrder[av.VideoFrame], done: int) -> None:
    clip.report(done)
    if order.moved:
        clip.say(
            f"{order.moved} of {done} frames had no time, or not one after that of the frame before; "
            "they are shown in order between the others"
        )
    if order.joined:
        clip.say(f"its times jump back {order.joined} times; what follows is shown after what was before")
