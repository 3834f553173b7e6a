"""How sure a mean and a difference are: bootstrap intervals, a sign-flip test and a win rate."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 10_000
LEVEL = 0.95
_ALL_FLIPS = 12  # pictures up to which every flip is counted
_AT_ONCE = 2_000_000  # numbers drawn at a time

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Paired:
    """How candidate A differs from B on the same pictures.

    Attributes:
        difference: The mean of A - B; infinite where one alone is on some picture, not a number where each is on some.
        low: The lower end of its bootstrap interval; not a number where the difference is not finite.
        high: The upper end.
        chance: How probable a mean so far from 0 is if A and B were alike: p of the two-sided sign-flip test. Where
            differences are infinite, how probable so uneven numbers of wins and losses are: p of the sign test.
        wins: On how many pictures A is the better one.
        losses: On how many B is.
        pictures: Of how many.
        unbounded: On how many the values differ by infinity, such as the PSNR of an equal picture and of another.
    """

    difference: float
    low: float
    high: float
    chance: float
    wins: int
    losses: int
    pictures: int
    unbounded: int = 0

    @property
    def win_rate(self) -> float:
        """The share of the pictures on which A is better; a tie counts half. Not a number without pictures."""
        if not self.pictures:
            return float("nan")
        return (self.wins + (self.pictures - self.wins - self.losses) / 2) / self.pictures

    @property
    def sure(self) -> bool:
        """Whether this is more than noise: the interval, if there is one, leaves out 0; chance is below 1 in 20."""
        return (self.low > 0 or self.high < 0 or self.unbounded > 0) and self.chance < 1 - LEVEL


def bootstrap_interval(values: Sequence[float], seed: int = 0, draws: int = DRAWS) -> tuple[float, float]:
    """Return the 95% percentile interval of the mean, by drawing the pictures anew with replacement.

    It says how much the mean would vary over other pictures of the same kind. Not a number for a single
    value or one that is not finite.

    >>> low, high = bootstrap_interval([1.0, 2.0, 3.0, 4.0])
    >>> 1 <= low < 2.5 < high <= 4
    True
    """
    numbers = np.asarray(values, np.float64)
    if len(numbers) < 2 or not np.isfinite(numbers).all():
        return float("nan"), float("nan")
    random = np.random.default_rng(seed)
    step = max(1, _AT_ONCE // len(numbers))
    means = [
        numbers[random.integers(0, len(numbers), (min(step, draws - start), len(numbers)))].mean(axis=1)
        for start in range(0, draws, step)
    ]
    low, high = np.quantile(np.concatenate(means), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def compare_paired(a: Sequence[float], b: Sequence[float], higher_is_better: bool, seed: int = 0) -> Paired:
    """Compare the values of A and B on the same pictures, in the same order.

    Two equal values are a tie, two infinite ones, too.

    Raises:
        ValueError: for a value that is not a number.

    >>> paired = compare_paired([3.0, 4.0, 5.0], [2.0, 4.0, 4.5], higher_is_better=True)
    >>> paired.difference, paired.wins, paired.losses, paired.sure
    (0.5, 2, 0, False)
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    better, worse = (first > second, first < second) if higher_is_better else (first < second, first > second)
    if np.isnan(first).any() or np.isnan(second).any():
        raise ValueError("a value is not a number")
    with np.errstate(invalid="ignore"):  # of two infinities, and of their mean where each candidate has some
        differences = np.where(first == second, 0.0, first - second)
        mean = float(differences.mean()) if len(differences) else math.nan
    unbounded = int(np.isinf(differences).sum())
    low, high = bootstrap_interval(list(differences), seed)
    wins, losses = int(better.sum()), int(worse.sum())
    return Paired(
        difference=mean,
        low=low,
        high=high,
        chance=_chance_of_signs(wins, losses) if unbounded else _chance(differences, seed),
        wins=wins,
        losses=losses,
        pictures=len(first),
        unbounded=unbounded,
    )


def _chance_of_signs(wins: int, losses: int) -> float:
    """Return how probable as uneven numbers are where either side is as likely: the two-sided sign test."""
    count, most = wins + losses, max(wins, losses)
    return float(min(1, 2 * sum(math.comb(count, k) for k in range(most, count + 1)) / 2**count))


def _chance(differences: Numbers, seed: int) -> float:
    """Return how often flipping signs at random gives a mean as far from 0; of few pictures, all flips are counted.

    Source: Fisher's randomisation test for paired samples.
    """
    count = len(differences)
    if count == 0:
        return 1.0
    reach = abs(differences.sum()) * (1 - 1e-12)
    if count <= _ALL_FLIPS:
        signs = np.array(list(itertools.product((-1.0, 1.0), repeat=count)))
        return float((np.abs(signs @ differences) >= reach).mean())
    random = np.random.default_rng(seed)
    step = max(1, _AT_ONCE // count)
    far = 0
    for start in range(0, DRAWS, step):
        signs = random.choice((-1.0, 1.0), (min(step, DRAWS - start), count))
        far += int((np.abs(signs @ differences) >= reach).sum())
    return (far + 1) / (DRAWS + 1)
