"""Opening a clip, and its frames one by one, without those that are damaged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.format import Flags
from av.stream import Disposition
from av.video.stream import VideoStream

from perceptualloss.errors import InputError

log = logging.getLogger("perceptualloss.pictures.video")

# What PyAV raises for files and streams that it cannot use, FFmpeg's own errors (OSError, ValueError) among them.
UNUSABLE = (av.FFmpegError, OSError, ValueError, RuntimeError, NotImplementedError, AssertionError)
_UNSAID = {"colorspace": 2, "color_primaries": 2, "color_trc": 2, "color_range": 0}  # FFmpeg's numbers of "not said"
_FASTEST = 1000  # frames a second; some files say 60000 and mean the unit of their times
_MOST_WITHOUT = 1000  # packets in which there is no frame, after which there is none


@contextmanager
def as_unreadable(source: Path) -> Iterator[None]:
    """Within it, what PyAV raises is told of the clip that is read.

    Raises:
        InputError: for any of it.
    """
    try:
        yield
    except InputError:
        raise
    except UNUSABLE as error:
        raise InputError(f"{source} to be a video", f"one that FFmpeg does not read ({reason(error)})") from error


def reason(error: BaseException) -> str:
    """Return in a few words what went wrong."""
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


@dataclass
class Clip:
    """An open clip.

    Attributes:
        path: its file.
        container: what PyAV has opened.
        pictures: the stream whose frames are read.
        start: time in seconds that counts as 0.
        tags: what the file says of the colours, where the frames say nothing.
        bad: packets that did not decode.
        mended: frames that the decoder gave although they are damaged.
        reach: seconds at which the last packet of pictures or sound that was read ends.
        end: why reading ended before the file, or nothing.
    """

    path: Path
    container: InputContainer
    pictures: VideoStream
    start: Fraction
    tags: dict[str, int]
    bad: int = 0
    mended: int = 0
    reach: Fraction = Fraction(0)
    end: str = ""
    _said: set[str] = field(default_factory=set)

    @property
    def unit(self) -> Fraction:
        """Of the pictures' times, in seconds."""
        return self.pictures.time_base or Fraction(1, 1000)

    def say(self, line: str) -> None:
        """Tell the user of this clip, the same only once."""
        if line not in self._said:
            self._said.add(line)
            log.warning("%s: %s", self.path.name, line)

    def frames(self, others: list[Any], take: Callable[[Any], None]) -> Iterator[av.VideoFrame]:
        """Yield the frames that decode, in the order in which they are shown.

        Args:
            others: streams that are read, too.
            take: called with every packet of them, as they come between the frames.
        """
        found = False
        for packet in self.packets(others):
            if packet.stream is not self.pictures:
                take(packet)
                continue
            for frame in self._decoded(packet):
                found = True
                yield frame
            if not found and self.bad > _MOST_WITHOUT:
                return
        yield from self._decoded(None)  # those that waited for later ones

    def packets(self, others: list[Any]) -> Iterator[Any]:
        """Yield the packets of the pictures and of other streams until the file, or what can be read of it, ends."""
        packets = self.container.demux(self.pictures, *others)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except UNUSABLE as error:
                self.end = reason(error)
                return
            self._note_reach(packet)
            if packet.size:  # an empty one would end the decoding; AVI has them for frames that are to be repeated
                yield packet

    def _note_reach(self, packet: Any) -> None:
        time = packet.pts if packet.pts is not None else packet.dts
        if time is not None and packet.time_base:
            self.reach = max(self.reach, Fraction((time + (packet.duration or 0)) * packet.time_base))

    def _decoded(self, packet: Any) -> list[av.VideoFrame]:
        try:
            frames: list[Any] = self.pictures.codec_context.decode(packet)
        except EOFError:
            return []
        except UNUSABLE:
            self.bad += 1
            return []
        for frame in frames:
            self.mended += frame.is_corrupt
            for name, unsaid in _UNSAID.items():
                if getattr(frame, name) == unsaid:
                    setattr(frame, name, self.tags[name])
        return frames

    def report(self, done: int) -> None:
        """Say what was wrong with the frames of which ``done`` came."""
        if self.bad:
            self.say(f"{self.bad} of {done + self.bad} frames did not decode and were left out")
        if self.mended:
            self.say(f"{self.mended} of {done} frames are damaged and came as the decoder mended them")
        if self.end:
            self.say(f"reading ended after frame {done}: {self.end}")
        elif self.is_cut():
            reach, lasts = float(self.reach), float(self.lasts)
            self.say(
                f"it says that it lasts {lasts:.2f} s, but only {reach:.2f} s are there: the rest is missing or damaged"
            )

    @property
    def lasts(self) -> Fraction:
        """How many seconds it says that it lasts."""
        return Fraction(self.container.duration or 0, 1_000_000)

    def is_cut(self) -> bool:
        """Return whether what was read ends before the clip says that it does."""
        return bool(self.end) or self.reach < Fraction(95, 100) * self.lasts - 2 / rate_of(self.pictures)


@contextmanager
def reading(source: Path) -> Iterator[Clip]:
    """Open a clip.

    Raises:
        InputError: a file that is not there, that FFmpeg does not open, or without pictures that it decodes.
    """
    if not source.is_file():
        raise InputError(f"a video {source}", "no such file")
    with as_unreadable(source):
        container = av.open(str(source), metadata_errors="replace")
    with container:
        with as_unreadable(source):
            pictures = _pictures(source, container)
            tags = {name: int(getattr(pictures.codec_context, name)) for name in _UNSAID}
            pictures.thread_type = "SLICE"  # threads over frames would tell of a damaged one too late
        yield Clip(source, container, pictures, _start(container), tags)


def _pictures(source: Path, container: InputContainer) -> VideoStream:
    """Return the stream that players show: no cover; of several the one marked so, or the largest."""
    own = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    clips = [stream for stream in own if stream.codec_context is not None]
    if not clips:
        got = "pictures of a kind that FFmpeg does not decode" if own else "a file without pictures"
        raise InputError(
            f"{source} to be a video", f"{got} but a cover" if container.streams.video and not own else got
        )
    marked = [stream for stream in clips if stream.disposition & Disposition.default]
    return max(marked or clips, key=lambda stream: stream.width * stream.height)


def _start(container: InputContainer) -> Fraction:
    """Return the time that becomes 0: that of streams which begin anywhere, and any beyond a second."""
    start = Fraction(container.start_time or 0, 1_000_000)
    return start if start >= 1 or (start > 0 and begins_anywhere(container)) else Fraction(0)


def begins_anywhere(container: InputContainer) -> bool:
    """Return whether a file is a piece of a stream: the first time in it means nothing."""
    anywhere: Any = Flags.ts_discont.value
    return bool(container.format.flags & anywhere) and container.format.name != "flv"


def rate_of(pictures: VideoStream) -> Fraction:
    """Return frames a second as a stream says it, or as it looks; 25 if it says nothing that can be."""
    rates = (rate for rate in (pictures.average_rate, pictures.guessed_rate) if rate and rate <= _FASTEST)
    return next(rates, Fraction(25))


def frame_count(pictures: VideoStream) -> int:
    """Return how many frames a stream says it has, or about how many its duration makes; 0 if it says neither."""
    if pictures.frames or not (pictures.duration and pictures.time_base and pictures.average_rate):
        return pictures.frames
    return round(pictures.duration * pictures.time_base * pictures.average_rate)
