"""One track into another file, packet by packet."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Protocol

from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.container import OutputContainer
from av.packet import Packet

from perceptualloss.pictures.video.parts import send
from perceptualloss.pictures.video.reading import UNUSABLE

_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)  # that AAC knows
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
_BITS = 80_000  # a second for each channel of sound
_GAP = 0.05  # seconds without sound that are kept; shorter ones are rounding
_JUMP = 1  # second back after which it is another recording


class Track(Protocol):
    """The way of a stream into a file.

    Attributes:
        stream: in the file.
        name: of its kind.
        bad: packets that did not decode, or that the file does not take.
    """

    stream: Any
    name: str
    bad: int

    def send(self, packet: Packet[Any], start: Fraction) -> None:
        """Write what comes of a packet whose times count from ``start``, in seconds."""

    def finish(self) -> None:
        """Write what is left."""


class CopiedTrack:
    """Packets as they are; their times are made to rise where they do not."""

    def __init__(self, result: OutputContainer, source: Any) -> None:
        self.stream = result.add_stream_from_template(source)
        self.result, self.name, self.bad = result, source.codec_context.codec.canonical_name, 0
        self._last: int | None = None
        self._next = 0
        self._offset = 0

    def send(self, packet: Packet[Any], start: Fraction) -> None:
        """Write the packet."""
        unit = Fraction(packet.time_base)
        time = packet.dts if packet.dts is not None else packet.pts
        shown = packet.pts if packet.pts is not None else time
        offset = self._offset - round(start / unit)
        time = self._next if time is None else time + offset
        shown = time if shown is None else shown + offset
        if self._last is not None and time <= self._last:
            later = self._next - time if time < self._last - _JUMP / unit else self._last + 1 - time
            if time < self._last - _JUMP / unit:
                self._offset += later
            time, shown = time + later, shown + later
        packet.dts, packet.pts = time, max(time, shown)
        self._last, self._next = time, time + max(1, packet.duration or 0)
        packet.stream = self.stream
        self.bad += send(self.result, [packet])

    def finish(self) -> None:
        """Nothing is left."""


class SoundTrack:
    """Sound as AAC. Its times are counted in samples; gaps stay."""

    name = "AAC"

    def __init__(self, result: OutputContainer, source: Any) -> None:
        context = source.codec_context
        rate = min(_RATES, key=lambda known: (known < context.sample_rate, abs(known - context.sample_rate)))
        self.stream = result.add_stream("aac", rate=rate)
        layout = _LAYOUTS.get(context.channels, "stereo")
        self.stream.codec_context.layout = layout
        self.stream.codec_context.bit_rate = _BITS * self.stream.codec_context.channels
        self.source, self.result, self.rate, self.bad = source, result, rate, 0
        self._layout, self._kind = layout, ("", "", 0)
        self._to = self._resampler()
        self._next: int | None = None

    def send(self, packet: Packet[Any], start: Fraction) -> None:
        """Decode the packet, and write what is whole of it."""
        self._write(self._decoded(packet), start)

    def _decoded(self, packet: Packet[Any] | None) -> list[AudioFrame]:
        try:
            frames: list[AudioFrame] = self.source.codec_context.decode(packet)
        except EOFError:
            return []
        except UNUSABLE:
            self.bad += 1
            return []
        return frames

    def _write(self, frames: list[AudioFrame], start: Fraction) -> None:
        for frame in frames:
            at = None if frame.pts is None else round((frame.pts * self.source.time_base - start) * self.rate)
            frame.pts = None
            kind = (frame.format.name, frame.layout.name, frame.sample_rate)
            if kind != self._kind:  # broadcasts change from stereo to surround and back
                if self._kind[2]:
                    self._empty()
                self._to, self._kind = self._resampler(), kind
            for piece in self._to.resample(frame):
                if self._next is None or (at is not None and at > self._next + _GAP * self.rate):
                    self._next = at or 0
                self._encode(piece)

    def _resampler(self) -> AudioResampler:
        return AudioResampler(format="fltp", layout=self._layout, rate=self.rate)

    def _empty(self) -> None:
        for piece in self._to.resample(None):
            if self._next is not None:
                self._encode(piece)

    def _encode(self, piece: AudioFrame) -> None:
        assert self._next is not None
        piece.pts, piece.time_base = self._next, Fraction(1, self.rate)
        self._next += piece.samples
        self.bad += send(self.result, self.stream.encode(piece))

    def finish(self) -> None:
        """Write what decoder, filter and encoder have kept."""
        self._write(self._decoded(None), Fraction(0))
        if self._kind[2]:
            self._empty()
        self.bad += send(self.result, self.stream.encode(None))


class SubtitleTrack:
    """Subtitles as another kind of text."""

    def __init__(self, result: OutputContainer, source: Any, kind: str) -> None:
        source.codec_context.open()
        self.stream: Any = result.add_stream(kind)  # ASS lines are what FFmpeg's encoders of text take
        context: Any = self.stream.codec_context
        context.subtitle_header = source.codec_context.subtitle_header
        context.time_base = source.time_base
        self.source, self.result, self.bad = source, result, 0
        self.name = "SubRip" if kind == "srt" else kind

    def send(self, packet: Packet[Any], start: Fraction) -> None:
        """Write the packet's text."""
        try:
            lines = self.source.codec_context.decode2(packet)
        except UNUSABLE:
            self.bad += 1
            return
        if lines is None or not len(lines):
            return
        text = self.stream.codec_context.encode_subtitle(lines)
        text.time_base = packet.time_base
        text.pts = text.dts = (packet.pts or 0) - round(start / Fraction(packet.time_base))
        text.duration = packet.duration
        text.stream = self.stream
        self.bad += send(self.result, [text])

    def finish(self) -> None:
        """Nothing is left."""
