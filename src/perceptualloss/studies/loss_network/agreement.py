"""How well a distance agrees with what is known about distortions: pairs that it orders right."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from perceptualloss.data.distortions import BETTER, STRENGTHS, WORSE, shift
from perceptualloss.features.base import LossNetwork
from perceptualloss.features.network import loss_network
from perceptualloss.losses.distance import unit_over_layers

Distance = Callable[[Tensor, Tensor], Tensor]
"""A function of two batches (N, 3, H, W) in [0, 1] that gives one value per image, (N,), 0 for equal ones."""


@dataclass(frozen=True)
class Agreement:
    """Percent of the pairs that a distance orders right (nan where there was no pair), and its mean values.

    Attributes:
        same_photo: of two strengths of one distortion, the stronger one is farther.
        any_photos: the same with each strength on another photo; a distance that depends on the photo fails here.
        equal_psnr: what people mind (``WORSE``) is farther than what they mind less at the same PSNR.
        against: the same against each kind of the latter alone.
        by_kind: ``any_photos`` for each kind of distortion.
        means: for each kind of distortion the mean distance over the photos at every strength.
    """

    same_photo: float
    any_photos: float
    equal_psnr: float
    against: Mapping[str, float]
    by_kind: Mapping[str, float]
    means: Mapping[str, Sequence[float]]


class NetworkDistance:
    """The distance in a network's layers: channels of unit length, squared differences, their mean.

    The features of the batch that came first last time are kept: photos are compared with many distorted ones.
    """

    def __init__(self, network: LossNetwork) -> None:
        self.network = network
        self._kept: tuple[Tensor, int, list[Tensor]] | None = None

    @torch.no_grad()
    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the distance of each pair of images, (N,)."""
        return unit_over_layers(self._maps(second), self._maps_of_first(first))

    def _maps_of_first(self, images: Tensor) -> list[Tensor]:
        if self._kept is not None:
            known, version, maps = self._kept  # holding the batch keeps others from taking its place in memory
            same_memory = known.data_ptr() == images.data_ptr() and known.stride() == images.stride()
            if same_memory and known.shape == images.shape and version == images._version:
                return maps
        maps = self._maps(images)
        self._kept = images, images._version, maps
        return maps

    def _maps(self, images: Tensor) -> list[Tensor]:
        return [*self.network(images).values()]


def mean_squared_error(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean squared error of each pair of images, (N,)."""
    return (first - second).square().mean((1, 2, 3))


def random_distance(architecture: str, layers: Sequence[str], seed: int) -> NetworkDistance:
    """Return the distance in an untrained network; the caller's random numbers are left as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NetworkDistance(loss_network(architecture, layers, weights=None))


def ladders(photos: Sequence[Tensor]) -> dict[str, Tensor]:
    """Return for each kind of distortion the photos at its strengths, (strengths, N, 3, H, W)."""
    return {
        kind: torch.stack([torch.stack([distort(photo, s) for photo in photos]) for s in strengths])
        for kind, (distort, strengths) in STRENGTHS.items()
    }


def equal_psnr(photo: Tensor) -> dict[str, Tensor]:
    """Return ``photo`` under each kind at the error of a shift by one pixel; nothing where that changes nothing."""
    shifted = shift(photo, 1)
    target = (shifted - photo).square().mean().item()
    if target < 1e-8:
        return {}
    cases = {kind: at_psnr(photo, kind, most, target) for kind, most in {**WORSE, **BETTER}.items()}
    return {"shift": shifted} | {kind: case for kind, case in cases.items() if case is not None}


def at_psnr(photo: Tensor, kind: str, strongest: float, target: float) -> Tensor | None:
    """Return ``photo`` distorted so that its mean squared error is within 20% of ``target``, if that can be."""
    distort = STRENGTHS[kind][0]
    low, high = 1e-3 if kind not in {"down-up", "pixelate", "motion"} else 1.0, strongest
    for _ in range(14):
        middle = (low + high) / 2
        candidate = distort(photo, middle)
        error = (candidate - photo).square().mean().item()
        if abs(error / target - 1) < 0.02:
            break
        low, high = (middle, high) if error < target else (low, middle)
    return candidate if abs(error / target - 1) < 0.2 else None


def measure(
    distance: Distance, photos: Tensor, distorted: Mapping[str, Tensor], equal: Sequence[Mapping[str, Tensor]]
) -> Agreement:
    """Measure how a distance orders distorted photos; photos that a kind does not change have no part in it.

    Args:
        distance: what is measured.
        photos: (N, 3, H, W) in [0, 1].
        distorted: :func:`ladders` of the photos.
        equal: :func:`equal_psnr` of each photo.
    """
    same, across, by_kind, means = [], [], {}, {}
    for kind, levels in distorted.items():
        changed = (levels[-1] - photos).abs().amax((1, 2, 3)) > 1e-6  # fading leaves grey photos as they are
        if not changed.any():
            continue
        far = torch.stack([distance(photos, level)[changed] for level in levels])  # (strengths, N)
        other = []
        for weak, strong in combinations(range(len(far)), 2):
            same.append((far[strong] > far[weak]).float().mean())
            other.append((far[strong][:, None] > far[weak][None, :]).float().mean())
        across += other
        by_kind[kind], means[kind] = 100 * torch.stack(other).mean().item(), far.mean(1).tolist()
    right = _right_at_equal_psnr(distance, photos, equal)
    return Agreement(
        same_photo=100 * torch.stack(same).mean().item() if same else math.nan,
        any_photos=100 * torch.stack(across).mean().item() if across else math.nan,
        equal_psnr=_percent([r for ordered in right.values() for r in ordered]),
        against={better: _percent(ordered) for better, ordered in right.items()},
        by_kind=by_kind,
        means=means,
    )


def mean_agreement(agreements: Sequence[Agreement]) -> Agreement:
    """Return the mean of what several distances reached on the same photos, such as draws of random weights."""

    def mean(values: Iterable[float]) -> float:
        return sum(values) / len(agreements)

    first = agreements[0]
    return Agreement(
        same_photo=mean(a.same_photo for a in agreements),
        any_photos=mean(a.any_photos for a in agreements),
        equal_psnr=mean(a.equal_psnr for a in agreements),
        against={kind: mean(a.against[kind] for a in agreements) for kind in first.against},
        by_kind={kind: mean(a.by_kind[kind] for a in agreements) for kind in first.by_kind},
        means={k: [mean(a.means[k][i] for a in agreements) for i in range(len(first.means[k]))] for k in first.means},
    )


def _right_at_equal_psnr(
    distance: Distance, photos: Tensor, equal: Sequence[Mapping[str, Tensor]]
) -> dict[str, list[bool]]:
    """Return for each kind that people mind less whether each worse one is farther, over all photos."""
    right: dict[str, list[bool]] = {name: [] for name in ("shift", *BETTER)}
    for photo, cases in zip(photos, equal, strict=True):
        value = {name: distance(photo[None], case[None]).item() for name, case in cases.items()}
        for better in right.keys() & value.keys():
            right[better] += [value[worse] > value[better] for worse in WORSE.keys() & value.keys()]
    return right


def _percent(ordered: Sequence[bool]) -> float:
    return 100 * torch.tensor(ordered, dtype=torch.float32).mean().item() if ordered else math.nan
