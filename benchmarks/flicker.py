"""What losses see of flicker: a photo that pans, with errors that stand still and errors that come and go.

    python benchmarks/flicker.py [--photo FILE] [--frames 8] [--size 96]

The clip is a window that moves over a photo, by default scikit-image's cat, 2 pixels to the right and 1 down a frame.
Its copies have an error of the same size in every frame: brighter by 4/255, or brighter and darker in turn; one pattern
of noise (sigma 4/255) over all frames, or another one in each; and, to compare with, a slight blur (3 x 3).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from perceptualloss.data.folder import builtin_photos
from perceptualloss.losses.base import Loss
from perceptualloss.losses.feature import FeatureReconstructionLoss
from perceptualloss.losses.pixel import L1Loss
from perceptualloss.losses.temporal import TemporalLoss
from perceptualloss.losses.video import VideoLoss
from perceptualloss.pictures.images import read_image

SIZE, FRAMES = 96, 8
RIGHT, DOWN = 2, 1
ERROR = 4 / 255


def pan(photo: Tensor, frames: int = FRAMES, size: int = SIZE) -> Tensor:
    """Return a clip (1, 3, T, size, size): a window that moves over a photo (1, 3, H, W), from its upper left on."""
    windows = [photo[..., DOWN * t : DOWN * t + size, RIGHT * t : RIGHT * t + size] for t in range(frames)]
    return torch.stack(windows, dim=2)


def spoiled(clip: Tensor) -> dict[str, Tensor]:
    """Return copies of a clip by what is wrong with them."""
    generator = torch.Generator().manual_seed(0)
    fresh = ERROR * torch.randn(clip.shape, generator=generator)
    sign = torch.tensor([1.0, -1.0]).repeat(clip.shape[2])[: clip.shape[2]].view(1, 1, -1, 1, 1)
    blurred = F.avg_pool3d(F.pad(clip, (1, 1, 1, 1, 0, 0), mode="replicate"), (1, 3, 3), 1)
    return {
        "brighter": clip + ERROR,
        "brighter and darker in turn": clip + ERROR * sign,
        "one pattern of noise": clip + fresh[:, :, :1],
        "another one in each frame": clip + fresh,
        "blurred a little": blurred,
    }


def losses() -> dict[str, Loss]:
    """Return what is compared: each frame by itself, and the changes between them, of pixels and features."""
    features = FeatureReconstructionLoss("compact", {"relu1_2": 1.0, "relu2_2": 1.0}, "l1")
    return {
        "`VideoLoss`, L1": VideoLoss(L1Loss()),
        "`VideoLoss`, features": VideoLoss(features),
        "`TemporalLoss`, L1": TemporalLoss(L1Loss()),
        "`TemporalLoss`, features": TemporalLoss(features),
    }


@torch.no_grad()
def figures(clip: Tensor) -> Mapping[str, list[float]]:
    """Return every loss of every spoiled copy of a clip."""
    measured = losses()
    return {name: [float(loss(copy, clip)) for loss in measured.values()] for name, copy in spoiled(clip).items()}


def rows(photo: Path | None = None, frames: int = FRAMES, size: int = SIZE) -> tuple[list[str], list[list[str]]]:
    """Return the head and the rows of the table: the figures, times 1000."""
    clip = pan(read_image(builtin_photos("validation")[0] if photo is None else photo), frames, size)
    found = [[name, *(f"{1000 * value:.1f}" for value in row)] for name, row in figures(clip).items()]
    return ["error (values x 1000)", *losses()], found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", type=Path)
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--size", type=int, default=SIZE)
    options = parser.parse_args()
    heads, found = rows(options.photo, options.frames, options.size)
    print("\n".join(" | ".join(line) for line in [heads, *found]))


if __name__ == "__main__":
    main()
