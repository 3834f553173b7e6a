"""Pictures into a stream of H.264."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
import torch
from av.container import OutputContainer
from av.video.stream import VideoStream
from torch import Tensor
from torch.nn import functional as F

from perceptualloss.errors import InputError
from perceptualloss.pictures.video.parts import send
from perceptualloss.pictures.video.reading import Clip, rate_of

_QUALITY = "18"  # x264's constant rate factor: hardly a visible loss
_BT709, _NARROW = 1, 1  # FFmpeg's numbers for the colours of HD video, and for 16 to 235
_ZERO = torch.tensor([[16.0], [128.0], [128.0]])
_FROM_RGB = torch.tensor(  # BT.709's Y, Cb, Cr, 219 and 224 numbers wide
    [
        [219 * 0.2126, 219 * 0.7152, 219 * 0.0722],
        [-224 * 0.2126 / 1.8556, -224 * 0.7152 / 1.8556, 224 / 2],
        [224 / 2, -224 * 0.7152 / 1.5748, -224 * 0.0722 / 1.5748],
    ]
)
_LARGEST = 16384  # pixels of a side that x264 takes


class Encoder:
    """Writes pictures of one size into a stream, H.264 of 8 bits, 4:2:0, BT.709.

    Args:
        result: the file, in which a stream is added at once; what is in it is known from the first picture on.
        clip: that the pictures are of.
        unit: of the times, in seconds.
    """

    def __init__(self, result: OutputContainer, clip: Clip, unit: Fraction) -> None:
        self.result, self.clip, self.unit = result, clip, unit
        self.stream: VideoStream = result.add_stream("libx264", rate=rate_of(clip.pictures), options={"crf": _QUALITY})
        self.stream.codec_context.time_base = unit
        self.size: tuple[int, int] | None = None
        self.refused = 0

    def begin(self, size: tuple[int, int], aspect: Fraction, curve: int) -> None:
        """Set what pictures are like.

        Args:
            size: rows and columns.
            aspect: of a pixel, width by height.
            curve: FFmpeg's number of the curve of light.

        Raises:
            InputError: for pictures that H.264 does not take.
        """
        height, width = size
        if not 2 <= min(size) <= max(size) <= _LARGEST:
            raise InputError(f"frames of 2 to {_LARGEST} pixels a side, which H.264 takes", f"{width} x {height}")
        if height % 2 or width % 2:
            self.clip.say("an odd last row or column is cut off, because H.264 has colours for two by two pixels")
        self.size = size
        context = self.stream.codec_context
        context.width, context.height, context.pix_fmt = width // 2 * 2, height // 2 * 2, "yuv420p"
        context.sample_aspect_ratio = aspect
        context.colorspace, context.color_primaries, context.color_trc = _BT709, _BT709, curve
        context.color_range = _NARROW

    def write(self, picture: Tensor, time: int) -> None:
        """Write a picture (1, 3, H, W) in [0, 1]; one of another size than the first is resized."""
        if self.size is not None:
            picture = resized(picture, self.size)
        self.refused += send(self.result, self.stream.encode(self._frame(picture, time)))

    def _frame(self, picture: Tensor, time: int) -> av.VideoFrame:
        frame = av.VideoFrame.from_ndarray(to_yuv420(picture), format="yuv420p")
        frame.colorspace, frame.color_range = _BT709, _NARROW
        frame.pts, frame.time_base = time, self.unit
        return frame

    def finish(self) -> None:
        """Write what the encoder has kept for later."""
        self.refused += send(self.result, self.stream.encode())
        if self.refused:
            self.clip.say(f"{self.refused} packets are damaged so that the file does not take them; they are left out")


def resized(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """Return a picture (1, 3, H, W) in the size of the others."""
    if tuple(picture.shape[-2:]) == size:
        return picture
    return F.interpolate(picture, size=size, mode="bilinear", antialias=True).clamp(0, 1)


def to_yuv420(picture: Tensor) -> np.ndarray[Any, Any]:
    """Return a picture (1, 3, H, W) in [0, 1] as the samples of BT.709 in 8 bits, 16 to 235: rows of Y, then Cb, Cr.

    Colour is at the left of two columns and between two rows, as H.264 has it where it says nothing. Without a last
    odd row or column.
    """
    height, width = (side // 2 * 2 for side in picture.shape[-2:])
    rgb = picture[0, :, :height, :width].detach().to("cpu", torch.float32).clamp(0, 1)
    y, blue, red = torch.addmm(_ZERO, _FROM_RGB, rgb.reshape(3, -1)).view(3, height, width)
    colour = torch.stack([blue[::2] + blue[1::2], red[::2] + red[1::2]])
    left = torch.cat([colour[..., :1], colour[..., 1:-1:2]], dim=-1)
    colour = (left + 2 * colour[..., ::2] + colour[..., 1::2]) / 8
    return torch.cat([y, colour.reshape(-1, width)]).round_().to(torch.uint8).numpy()
