"""What keeps a style from flickering in videos: small changes of a picture after which it should look the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from perceptualloss.losses.motion import Shift
from perceptualloss.losses.pixel import MSELoss
from perceptualloss.losses.warping import along

SHIFT, NOISE = 4, 0.02  # the largest shift in pixels and the noise's standard deviation
_SQUARED = MSELoss()


@dataclass(frozen=True)
class Jolt(Shift):
    """A small change from one frame of a video to the next: a shift by whole pixels, and noise.

    Args:
        down: pixels by which the picture moves down.
        right: and to the right.
        noise: (N, 3, H, W), added.
    """

    noise: Tensor

    def __call__(self, pictures: Tensor) -> Tensor:
        """Return the moved pictures (N, 3, H, W) with noise; what comes in at the border is mirrored."""
        return super().__call__(pictures) + self.noise


def draw_jolt(
    pictures: Tensor, seed: int, step: int, shift: int = SHIFT, noise: float = NOISE, before: int = 0
) -> Jolt:
    """Draw a jolt of pictures (N, 3, H, W): a pure function of (seed, step).

    Args:
        pictures: for their shape, type and device.
        seed: a whole number from 0.
        step: the step of the training.
        shift: the largest shift, in pixels, either way.
        noise: the standard deviation of the Gaussian noise, in units of the pictures' range [0, 1].
        before: how many pictures of the same batch come before these, in other processes.
    """
    random = np.random.default_rng([seed, step, 1])
    down, right = (int(pixels) for pixels in random.integers(-shift, shift + 1, size=2))
    batch = (before + len(pictures), *pictures.shape[1:])
    added = random.standard_normal(batch, dtype=np.float32)[before:] * np.float32(noise)
    return Jolt(down, right, torch.from_numpy(added).to(pictures))


def instability(output: Tensor, again: Tensor, jolt: Jolt) -> Tensor:
    """Return the mean squared difference between a moved result and the result of the moved picture, (N,).

    The temporal loss of two frames whose motion is known (:func:`along`).

    Args:
        output: the network's results, (N, 3, H, W).
        again: its results for the pictures that ``jolt`` moved.
        jolt: that.

    Zero for a network that changes nothing, where the jolt has no noise.
    """
    return along(output, again, jolt, _SQUARED)["mse"]
