"""A photo with what networks made of it, and the windows in which that differs most."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from perceptualloss.errors import InputError
from perceptualloss.files import unique_stems
from perceptualloss.pictures.box import Box
from perceptualloss.pictures.color import luma

TRUTH = "ground truth"
_STRONG = 0.06  # luminance beside its local mean; more is the edge of a thing rather than texture


@dataclass(frozen=True)
class Photo:
    """A validation photo and what each run made of it: tensors (1, 3, H, W) in [0, 1]."""

    name: str
    target: Tensor
    outputs: Mapping[str, Tensor]

    def __post_init__(self) -> None:
        """Refuse pictures that do not lie over each other."""
        for name, picture in {"target": self.target, **self.outputs}.items():
            if picture.ndim != 4 or picture.shape[:2] != (1, 3) or picture.shape != self.target.shape:
                raise InputError(
                    f"the pictures of {self.name!r} to share one shape (1, 3, H, W)",
                    f"{tuple(picture.shape)} for {name} beside {tuple(self.target.shape)} for the target",
                )


def file_stems(photos: Iterable[Photo]) -> list[str]:
    """One file name per photo, all different (see :func:`unique_stems`)."""
    return unique_stems(photo.name for photo in photos)


def find_details(photo: Photo, size: int = 96, names: Sequence[str] | None = None) -> list[Box]:
    """Find one or two windows with the most texture where the runs differ the most.

    A pixel counts the root of texture times deviation, both after taking away the local mean: texture of
    the target's luminance, deviation over the luminances of the runs. So a difference in overall colour
    counts nothing. Both are bounded, so that texture all over a window counts more than one strong edge.
    The windows keep away from the border, where networks pad, and from each other; the second one is left
    out where it would show little.

    ``names`` restricts the runs that are looked at. ``size`` shrinks on small pictures.
    """
    height, width = photo.target.shape[2:]
    size = min(size, max(1, height // 2), max(1, width // 2))
    outputs = [photo.outputs[name] for name in (names or photo.outputs)]
    with torch.no_grad():
        interest = _fine(photo.target).abs().clamp(max=_STRONG)
        if len(outputs) > 1:
            interest = interest * torch.cat([_fine(output) for output in outputs]).std(0, keepdim=True).clamp(
                max=_STRONG / 2
            )
        # Two narrow means are the square one, at a fraction of the work.
        scores = avg_pool2d(avg_pool2d(interest.sqrt(), (size, 1), stride=1), (1, size), stride=1)[0, 0]
    border = min(max(8, size // 4), (min(height, width) - size) // 2)
    scores = scores[border : height - size - border + 1, border : width - size - border + 1].clone()
    boxes: list[Box] = []
    enough = float(scores.max()) / 2
    while len(boxes) < 2 and float(scores.max()) >= enough:
        row, column = divmod(int(scores.flatten().argmax()), scores.shape[1])
        boxes.append(Box.at(row + border, column + border, size, size))
        reach = size + size // 4  # a little room between the windows
        scores[max(0, row - reach + 1) : row + reach, max(0, column - reach + 1) : column + reach] = -1
    return boxes


def _fine(pixels: Tensor) -> Tensor:
    """Luminance without its local mean over 9 x 9 pixels, in float64 so that every machine picks alike."""
    values = pixels.detach().to("cpu", torch.float64).nan_to_num(0).clamp(0, 1)
    grey = luma(values)
    return grey - avg_pool2d(grey, 9, stride=1, padding=4, count_include_pad=False)
