"""A video frame by frame through a function, with its times and its sound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from perceptualloss.errors import InputError
from perceptualloss.files import part_of, put_in_place
from perceptualloss.pictures.picture import Progress
from perceptualloss.pictures.samples import whole_numbers

if TYPE_CHECKING:
    import av
    from av.container import InputContainer, OutputContainer
    from av.video.stream import VideoStream

READ_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm")
WRITE_SUFFIXES = (".mkv", ".mov", ".mp4")

_BT709 = 1  # FFmpeg's number for the colours of HD video
_QUALITY = "18"  # x264's constant rate factor: hardly a visible loss


def transform_video(
    source: str | Path,
    target: str | Path,
    change: Callable[[Tensor], Tensor],
    progress: Progress | None = None,
    overwrite: bool = True,
) -> int:
    """Write a video whose frames are what ``change`` makes of those of another, and return their number.

    Every frame keeps its time, and the sound is copied as it is. Frames are turned upright. The result is H.264
    with 4:2:0 chrominance in the colours of BT.709: a last odd row or column is cut off. One frame at a time is in
    memory. The file appears whole or not at all.

    Args:
        source: a file that FFmpeg reads.
        target: a name that ends in .mp4, .mov or .mkv.
        change: takes a frame (1, 3, H, W) in [0, 1] and returns one of any size, the same for all frames.
        progress: called with frames done and about how many there are.
        overwrite: whether it takes the place of a file of that name.

    Raises:
        InputError: PyAV is not installed; a video that cannot be read, without pictures, or broken; a target that
            cannot be written; sound that the target's kind of file cannot hold; a target that is there, unless
            ``overwrite``.
    """
    av, target = _av(), Path(target)
    if target.suffix.lower() not in WRITE_SUFFIXES:
        raise InputError(f"a file name that ends in {', '.join(WRITE_SUFFIXES)}", repr(target.name))
    part = part_of(target, target.suffix)
    try:
        with _reading(av, source) as video, _writing(av, part, target) as result:
            frames = _transform(av, video, result, change, progress)
        put_in_place(part, target, overwrite)
    except FileExistsError as error:
        raise InputError(f"a new file {target}", "one that is there already") from error
    finally:
        part.unlink(missing_ok=True)
    return frames


def _av() -> Any:
    try:
        import av  # noqa: PLC0415  an extra
    except ImportError as error:
        remedy = "Install it with: pip install 'perceptualloss[video]'"
        raise InputError("the package av, which reads and writes videos", "none installed", remedy) from error
    return av


@contextmanager
def _reading(av: Any, source: str | Path) -> Iterator[InputContainer]:
    if not Path(source).is_file():
        raise InputError(f"a video {source}", "no such file")
    try:
        video = av.open(str(source))
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{source} to be a video", f"a file that FFmpeg does not open ({error.strerror})") from error
    with video:
        if not video.streams.video:
            raise InputError(f"{source} to be a video", "a file without pictures")
        yield video


@contextmanager
def _writing(av: Any, part: Path, target: Path) -> Iterator[OutputContainer]:
    try:
        with av.open(str(part), "w") as result:
            yield result
    except (av.FFmpegError, OSError) as error:
        remedy = "Is the disk full, the folder there, the sound of a kind that this file can hold? .mkv holds any."
        raise InputError(f"{target} to be writable", str(error.strerror or error), remedy) from error


def _transform(
    av: Any,
    video: InputContainer,
    result: OutputContainer,
    change: Callable[[Tensor], Tensor],
    progress: Progress | None,
) -> int:
    """Send every packet on: pictures decoded, changed and encoded, sound as it is."""
    pictures = max(video.streams.video, key=lambda stream: stream.width * stream.height)
    pictures.thread_type = "AUTO"
    sounds: dict[Any, Any] = {}
    early: list[Any] = []  # sound before the first picture, whose size the file's head needs
    total, done, out = frame_count(pictures), 0, None
    for packet in video.demux(pictures, *video.streams.audio):
        if packet.stream is not pictures:
            if packet.dts is not None:
                early.append(packet)
        else:
            for frame in _decoded(av, packet, done):
                samples = whole_numbers(change(as_picture(frame))[0], 8)
                if out is None:
                    out = _add_pictures(result, pictures, samples.shape[1], samples.shape[0])
                    sounds = {stream: result.add_stream_from_template(stream) for stream in video.streams.audio}
                result.mux(out.encode(_encodable(av, samples, frame)))
                done += 1
                if progress is not None:
                    progress(done, max(done, total))
        if out is not None:
            for sound in early:
                sound.stream = sounds[sound.stream]
                result.mux(sound)
            early.clear()
    if out is None:
        raise InputError("a video with pictures", "none that decodes")
    result.mux(out.encode())
    return done


def _decoded(av: Any, packet: Any, done: int) -> list[av.VideoFrame]:
    try:
        frames: list[av.VideoFrame] = packet.decode()
    except av.FFmpegError as error:
        raise InputError("a video that decodes", f"an error after frame {done}: {error.strerror}") from error
    return frames


def frame_count(pictures: VideoStream) -> int:
    """Return how many frames a stream says it has, or about how many its duration makes; 0 if it says neither."""
    if pictures.frames or not (pictures.duration and pictures.time_base and pictures.average_rate):
        return pictures.frames
    return round(pictures.duration * pictures.time_base * pictures.average_rate)


def as_picture(frame: av.VideoFrame) -> Tensor:
    """Return a decoded frame upright as (1, 3, H, W) in [0, 1]."""
    samples = torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1)[None]
    return torch.rot90(samples.float() / 255, round(frame.rotation / 90), dims=(-2, -1)).contiguous()


def _add_pictures(result: OutputContainer, pictures: VideoStream, width: int, height: int) -> VideoStream:
    """Add a stream of H.264 with the times of ``pictures``."""
    stream = result.add_stream("libx264", rate=pictures.average_rate or 25, options={"crf": _QUALITY})
    stream.width, stream.height, stream.pix_fmt = width // 2 * 2, height // 2 * 2, "yuv420p"
    if pictures.time_base is not None:
        stream.codec_context.time_base = pictures.time_base
    for name in ("colorspace", "color_primaries", "color_trc"):
        setattr(stream.codec_context, name, _BT709)
    return stream


def _encodable(package: Any, samples: np.ndarray[Any, Any], like: av.VideoFrame) -> av.VideoFrame:
    """Return samples (H, W, 3) of 8 bits as a frame of BT.709 at the time of another."""
    height, width = (side // 2 * 2 for side in samples.shape[:2])
    frame: av.VideoFrame = package.VideoFrame.from_ndarray(
        np.ascontiguousarray(samples[:height, :width]), format="rgb24"
    )
    frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
    frame.pts, frame.time_base = like.pts, like.time_base
    return frame
