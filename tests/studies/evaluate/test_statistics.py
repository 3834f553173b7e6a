"""Intervals and tests on distributions with a known answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from perceptualloss.studies.evaluate.statistics import bootstrap_interval, compare_paired


def test_interval_of_a_normal_sample_is_its_standard_error() -> None:
    values = np.random.default_rng(0).normal(10, 2, 200)
    low, high = bootstrap_interval(list(values))
    error = values.std() / math.sqrt(len(values))
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error)


def test_interval_covers_the_truth_about_95_times_of_100() -> None:
    random = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        low, high = bootstrap_interval(list(random.exponential(1.0, 60)), draws=500)
        covered += low <= 1 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_interval_is_seeded_and_small_for_equal_values() -> None:
    values = list(np.random.default_rng(2).normal(size=30))
    assert bootstrap_interval(values, seed=3) == bootstrap_interval(values, seed=3)
    assert bootstrap_interval(values, seed=3) != bootstrap_interval(values, seed=4)
    assert bootstrap_interval([0.5] * 9) == (0.5, 0.5)


@pytest.mark.parametrize("values", [[1.0], [], [1.0, math.inf], [1.0, math.nan]])
def test_interval_of_what_has_none(values: list[float]) -> None:
    assert all(math.isnan(end) for end in bootstrap_interval(values))


def test_few_pictures_are_never_sure() -> None:
    found = compare_paired([5.0] * 5, [4.0, 4.1, 4.2, 4.3, 4.4], higher_is_better=True)
    assert (found.wins, found.losses, found.win_rate) == (5, 0, 1.0)
    assert found.low > 0
    assert found.chance == 2 / 32
    assert not found.sure


def test_a_constant_gain_is_sure_and_noise_is_not() -> None:
    random = np.random.default_rng(5)
    b = random.normal(30, 3, 40)
    gain = b + 0.3 + random.normal(0, 0.1, 40)
    found = compare_paired(list(gain), list(b), higher_is_better=True)
    assert found.difference == pytest.approx(0.3, abs=0.06)
    assert found.sure
    assert found.win_rate > 0.9
    assert not compare_paired(list(gain), list(b), higher_is_better=False).wins > 4
    sure = [
        compare_paired(list(b + random.normal(0, 1, 40)), list(b), higher_is_better=True, seed=n).sure
        for n in range(40)
    ]
    assert sum(sure) <= 6  # one in twenty is expected


def test_ties_and_infinities() -> None:
    found = compare_paired([math.inf, 3.0, 2.0], [math.inf, 2.0, 2.0], higher_is_better=True)
    assert (found.wins, found.losses, found.pictures) == (1, 0, 3)
    assert found.win_rate == pytest.approx(2 / 3)
    assert found.difference == pytest.approx(1 / 3)  # two infinite values are a tie, which counts
    assert compare_paired([math.inf], [math.inf], higher_is_better=True).difference == 0
    with pytest.raises(ValueError, match="not a number"):
        compare_paired([math.nan], [1.0], higher_is_better=True)


@pytest.mark.parametrize(
    ("a", "b", "difference", "unbounded", "sure"),
    [
        ([math.inf] * 8, [30.0] * 8, math.inf, 8, True),
        ([30.0] * 8, [math.inf] * 8, -math.inf, 8, True),
        ([math.inf] * 3, [30.0] * 3, math.inf, 3, False),  # so few
        ([math.inf, 30.0] * 4, [30.0, math.inf] * 4, math.nan, 8, False),
        ([math.inf, 30.0, 31.0], [math.inf, 30.0, 30.0], 1 / 3, 0, False),
    ],
)
def test_values_that_differ_by_infinity(
    a: list[float], b: list[float], difference: float, unbounded: int, sure: bool
) -> None:
    found = compare_paired(a, b, higher_is_better=True)
    assert found.difference == pytest.approx(difference, nan_ok=True)
    assert (found.unbounded, found.sure) == (unbounded, sure)


def test_the_sign_test_is_scipys() -> None:
    for wins, losses in ((8, 0), (7, 1), (5, 3), (4, 4), (0, 6)):
        values = [math.inf] * wins + [0.0] * losses, [0.0] * wins + [math.inf] * losses
        found = compare_paired(*values, higher_is_better=True)
        assert found.chance == pytest.approx(binomtest(wins, wins + losses).pvalue)
