"""What JPEG leaves of a batch of pictures, on their device: libjpeg's arithmetic without the file, bit for bit.

Only what loses something is computed: colours, halved chroma, the transform of 8 x 8 blocks and its rounding to the
quality's steps, and the same backwards. The entropy code in between loses nothing and is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

# libjpeg's "islow" transform, 2**13 times the cosines as its flow graph rounds them; row u is frequency u. It is
# integer arithmetic, of at most 2**31, which 64-bit floating point does without rounding in any order.
_HALF = (
    (8192, 8192, 8192, 8192),
    (11363, 9633, 6437, 2260),
    (10703, 4433, -4433, -10703),
    (9633, -2259, -11362, -6436),
    (8192, -8192, -8192, 8192),
    (6437, -11362, 2261, 9633),
    (4433, -10704, 10704, -4433),
    (2260, -6436, 9633, -11363),
)
_COSINES = torch.tensor(
    [[*half, *((-1) ** u * value for value in reversed(half))] for u, half in enumerate(_HALF)], dtype=torch.float64
)

# ITU-T T.81, tables K.1 and K.2: rows of vertical, columns of horizontal frequencies
_LUMINANCE = (
    "16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62 "
    "18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"
)
_CHROMA = "17 18 24 47 99 99 99 99 18 21 26 66 99 99 99 99 24 26 56 99 99 99 99 99 47 66 99 99" + " 99" * 36
_STEPS = torch.tensor([[int(step) for step in table.split()] for table in (_LUMINANCE, _CHROMA)]).view(2, 8, 8)


def jpeg(pictures: Tensor, qualities: Sequence[int]) -> Tensor:
    """Return the pictures as they are after they were saved as JPEG by Pillow and read again.

    Baseline, with the chroma halved both ways (4:2:0), Pillow's default. Bit for bit what Pillow's wheels give, which
    have libjpeg-turbo; on a device without 64-bit floating point (mps) it is computed on the CPU.

    Args:
        pictures: (N, 3, H, W) in [0, 1]; rounded to 8 bits first.
        qualities: Pillow's, one for each picture, 1 to 100.

    Returns:
        (N, 3, H, W), multiples of 1 / 255, of the same type and device.
    """
    work = pictures.cpu() if pictures.device.type == "mps" else pictures
    height, width = work.shape[-2:]
    luminance, *chroma = _to_ycc((work.float() * 255).round().clamp(0, 255))
    small = torch.stack([_halved(plane) for plane in chroma], dim=1)
    steps = torch.stack([_steps(quality) for quality in qualities]).to(work.device)
    luminance = _coded(luminance[:, None], steps[:, :1])[:, 0]
    small = _coded(small, steps[:, 1:])[..., : (width + 1) // 2]
    blue, red = (_doubled(small)[:, :, :height, :width] - 128).unbind(1)
    found = _to_rgb(luminance, blue, red).div_(255)
    return found.to(pictures)


def _to_ycc(rgb: Tensor) -> list[Tensor]:
    """Return Y, Cb and Cr, each (N, H, W), whole numbers from 0 to 255: fixed-point arithmetic, exact in 32 bits."""
    red, green, blue = rgb.unbind(1)
    luminance = 19595 * red + 38470 * green + (7471 * blue + 2**15)
    to_blue = (2**23 + 2**15 - 1) - 11059 * red - 21709 * green + 32768 * blue
    to_red = (2**23 + 2**15 - 1) - 27439 * green - 5329 * blue + 32768 * red
    return [plane.mul_(2**-16).floor_() for plane in (luminance, to_blue, to_red)]


def _to_rgb(luminance: Tensor, blue: Tensor, red: Tensor) -> Tensor:
    """Return RGB, (N, 3, H, W), from 0 to 255; the chroma is around 0."""
    added = (91881 * red + 2**15, -22554 * blue + 2**15 - 46802 * red, 116130 * blue + 2**15)
    return torch.stack([luminance + (part * 2**-16).floor_() for part in added], dim=1).clamp_(0, 255)


def _halved(plane: Tensor) -> Tensor:
    """Return the means of 2 x 2 values, (N, H, W) to whole blocks' columns, with halves up and down in turn."""
    height, width = plane.shape[-2:]
    wide = F.pad(plane[:, None], (0, -width % 16, 0, height % 2), mode="replicate")[:, 0]
    rows = wide[:, ::2] + wide[:, 1::2]
    sums = rows[..., ::2] + rows[..., 1::2]
    bias = torch.arange(sums.shape[-1], device=plane.device) % 2 + 1
    return sums.add_(bias).mul_(0.25).floor_()


def _doubled(planes: Tensor) -> Tensor:
    """Return planes (N, C, h, w) twice as large, by libjpeg's triangle filter; narrow ones repeated, as it does."""
    if planes.shape[-1] <= 2:
        return planes.repeat_interleave(2, 2).repeat_interleave(2, 3)
    padded = F.pad(planes, (0, 0, 1, 1), mode="replicate")
    middle = 3 * planes
    rows = torch.stack([middle + padded[:, :, :-2], middle + padded[:, :, 2:]], dim=3).flatten(2, 3)
    padded, middle = F.pad(rows, (1, 1, 0, 0), mode="replicate"), 3 * rows
    sides = torch.stack([middle + padded[..., :-2] + 8, middle + padded[..., 2:] + 7], dim=4).flatten(3, 4)
    return sides.mul_(2**-4).floor_()


def _coded(planes: Tensor, steps: Tensor) -> Tensor:
    """Return planes (N, C, H, W) of whole numbers after their frequencies were rounded to steps (N, C, 8, 8)."""
    height, width = planes.shape[-2:]
    cosines = _COSINES.to(planes.device)
    whole = F.pad(planes, (0, -width % 8, 0, -height % 8), mode="replicate").double().sub_(128)
    blocks = whole.unflatten(3, (-1, 8)).unflatten(2, (-1, 8)).permute(5, 3, 0, 1, 2, 4)  # (x, y, N, C, rows, columns)
    frequencies = _transformed(_transformed(blocks, cosines, 11).transpose(0, 1), cosines, 15)  # 8 times as large
    step = steps.permute(2, 3, 0, 1)[..., None, None]
    counts = frequencies.abs().add_(4 * step + 0.5).mul_(0.125 / step).floor_().copysign_(frequencies)
    columns = _transformed(counts.mul_(step), cosines.T, 11)
    back = _transformed(columns.transpose(0, 1), cosines.T, 18).float().add_(128).clamp_(0, 255)
    return back.permute(2, 3, 4, 1, 5, 0).flatten(4).flatten(2, 3)[:, :, :height, :width]


def _transformed(blocks: Tensor, matrix: Tensor, shift: int) -> Tensor:
    """Return a matrix times whole numbers (8, ...), over 2**shift and rounded, halves up."""
    found = matrix @ blocks.reshape(8, -1)
    return found.add_(2 ** (shift - 1)).mul_(2.0**-shift).floor_().view(blocks.shape)


@cache
def _steps(quality: int) -> Tensor:
    """Return the steps of luminance, blue and red at a quality, (3, 8, 8), as libjpeg scales its tables."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return ((_STEPS * percent + 50) // 100).clamp(1, 255).double()[[0, 1, 1]]
