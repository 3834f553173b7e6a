"""Sound and subtitles of a clip into another file: copied, or recoded where that cannot hold them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from av.container import OutputContainer
from av.stream import Disposition

from perceptualloss.pictures.video.reading import UNUSABLE, Clip
from perceptualloss.pictures.video.recoding import CopiedTrack, SoundTrack, SubtitleTrack, Track

# What players of .mp4 and .mov find in them; FFmpeg's writers take more.
_COPIED = {
    ".mp4": ("aac", "ac3", "alac", "dts", "eac3", "flac", "mov_text", "mp3", "opus", "dvd_subtitle"),
    ".mov": ("aac", "ac3", "alac", "eac3", "mp3", "mov_text", "pcm_"),
    ".mkv": ("",),
}
_TEXTS = ("ass", "mov_text", "srt", "ssa", "subrip", "text", "webvtt")
# QuickTime's names of languages, where they are not the usual ones of three letters.
_QUICKTIME = {"fre": "fra", "deu": "ger", "nld": "dut", "swe": "sve", "ell": "gre", "isl": "ice", "zho": "chi"}
_QUICKTIME |= {"rum": "ron", "cze": "ces", "slo": "slk", "sqi": "alb", "gle": "iri", "mkd": "mac"}
_OWN_TAGS = (
    "DURATION",
    "BPS",
    "NUMBER_OF_",
    "_STATISTICS_",
    "encoder",
    "vendor_id",
    "timecode",
    "rotate",
    "handler_name",
)


class Tracks:
    """All of a clip's tracks but its pictures, on their way into another file."""

    def __init__(self, clip: Clip, result: OutputContainer, suffix: str) -> None:
        self.clip, self.result, self.suffix = clip, result, suffix
        self.tracks: dict[int, Track] = {}
        self.streams: list[Any] = []
        self.languages: dict[int, str] = {}  # by the number of the stream in the file
        self._early: list[Any] | None = []  # before the first picture, whose size the file's head needs
        left: list[str] = []
        for stream in clip.container.streams:
            if stream is not clip.pictures and not _is_chapters(clip, stream):
                track = self._track(stream) if stream.type in ("audio", "subtitle") else None
                if track is None:
                    left.append(_name(stream))
                else:
                    self.tracks[stream.index] = track
                    self.streams.append(stream)
        if left:
            clip.say(f"left out: {', '.join(left)}")

    def _track(self, stream: Any) -> Track | None:
        """Return the way of a stream into the file, or None where there is none."""
        if stream.codec_context is None:
            return None
        if stream.type == "audio" and not (stream.codec_context.sample_rate and stream.codec_context.channels):
            return None  # promised, but nothing of it is there
        kind = stream.codec_context.codec.canonical_name
        makers: list[Callable[[], Track]] = []
        if kind.startswith(_COPIED[self.suffix]):
            makers.append(lambda: CopiedTrack(self.result, stream))
        if stream.type == "audio":
            makers.append(lambda: SoundTrack(self.result, stream))
        elif kind in _TEXTS:
            name = "srt" if self.suffix == ".mkv" else "mov_text"
            makers.append(lambda: SubtitleTrack(self.result, stream, name))
        for make in makers:
            try:
                track = make()
            except UNUSABLE:
                continue
            copy_tags(stream, track.stream)
            tags = track.stream.metadata
            if tags.get("language", "und") != "und":
                if self.suffix == ".mov":
                    tags["language"] = _QUICKTIME.get(tags["language"], tags["language"])
                self.languages[track.stream.index] = tags["language"]
            if not isinstance(track, CopiedTrack):
                self.clip.say(f"{_name(stream)} goes as {track.name}, because {self.suffix} does not hold it")
            return track
        return None

    def take(self, packet: Any) -> None:
        """Send a packet on, or keep it until :meth:`begin`."""
        if self._early is not None:
            self._early.append(packet)
        else:
            self._send(packet)

    def begin(self) -> None:
        """Send on what came before the file's head was known."""
        early, self._early = self._early or [], None
        for packet in early:
            self._send(packet)

    def _send(self, packet: Any) -> None:
        self.tracks[packet.stream.index].send(packet, self.clip.start)

    def finish(self) -> None:
        """Write what is kept, and say what did not decode."""
        for index, track in self.tracks.items():
            track.finish()
            if track.bad:
                self.clip.say(
                    f"{track.bad} packets of {_name(self.clip.container.streams[index])} are damaged and were left out"
                )


def copy_tags(source: Any, target: Any) -> None:
    """Give a stream the language, title and purpose of another."""
    own = {key: text for key, text in source.metadata.items() if not key.startswith(_OWN_TAGS)}
    if "name" in own:  # as .mp4 and .mov call it
        own.setdefault("title", own.pop("name"))
    target.metadata.update(own)
    target.disposition = source.disposition & ~(Disposition.attached_pic | Disposition.timed_thumbnails)


def _is_chapters(clip: Clip, stream: Any) -> bool:
    """Return whether a stream is what .mp4 and .mov hold the names of chapters in, which go by themselves."""
    return stream.type == "data" and stream.name == "bin_data" and bool(clip.container.chapters())


def _name(stream: Any) -> str:
    """Return what a stream is, for people."""
    context = stream.codec_context
    kind = context.codec.canonical_name if context is not None else getattr(stream, "name", None) or "of unknown kind"
    if stream.disposition & Disposition.attached_pic:
        return "the cover picture"
    language = f", {stream.language}" if stream.language not in (None, "", "und") else ""
    what = {"video": "another stream of pictures", "audio": "the sound", "subtitle": "subtitles"}
    return f"{what.get(stream.type, f'a stream of {stream.type}')} ({kind}{language})"
