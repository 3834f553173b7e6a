"""The order of samples out of shards: arithmetic that needs no state."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perceptualloss.data.shards.order import Order, permutation
from perceptualloss.data.shards.training import held_out, training_counts
from perceptualloss.errors import InputError

COUNTS = st.lists(st.integers(0, 9), min_size=1, max_size=9).filter(any)


def picture(order: Order, sample: int) -> tuple[int, int]:
    group, place = order.find(sample)
    return next(group.pictures(place))


@settings(deadline=None, max_examples=60)
@given(COUNTS, st.integers(1, 12), st.integers(0, 2**32), st.integers(0, 5))
def test_every_epoch_has_each_picture_once(counts: list[int], group: int, seed: int, epoch: int) -> None:
    order = Order(counts, group, seed)
    first = epoch * sum(counts)
    seen = Counter(picture(order, sample) for sample in range(first, first + sum(counts)))
    assert seen == Counter((shard, n) for shard, count in enumerate(counts) for n in range(count))


@settings(deadline=None, max_examples=40)
@given(COUNTS, st.integers(1, 12), st.integers(0, 99), st.data())
def test_a_sample_does_not_depend_on_those_asked_for_before(
    counts: list[int], group: int, seed: int, data: st.DataObject
) -> None:
    several = Order(counts, group, seed)
    for sample in data.draw(st.lists(st.integers(0, 20 * sum(counts)), max_size=12)):
        assert picture(several, sample) == picture(Order(counts, group, seed), sample)


@settings(deadline=None, max_examples=40)
@given(COUNTS, st.integers(1, 4), st.integers(0, 99))
def test_no_more_shards_than_a_group_has_are_read_at_a_time(counts: list[int], size: int, seed: int) -> None:
    order = Order(counts, size, seed)
    groups = [order.find(sample)[0] for sample in range(sum(counts))]
    numbers = [group.number for group in groups]
    assert numbers == sorted(numbers)
    assert all(len(group.shards) <= size for group in groups)
    assert all(picture(order, sample)[0] in group.shards for sample, group in enumerate(groups))
    assert all(counts[shard] for group in groups for shard in group.shards)


def test_another_seed_and_epoch_give_another_order() -> None:
    orders = [[picture(Order([30, 30, 30], 2, seed), sample) for sample in range(first, first + 90)]
              for seed, first in ((0, 0), (1, 0), (0, 90))]  # fmt: skip
    assert len({tuple(order) for order in orders}) == 3


def test_the_group_behind_the_last_is_the_next_epochs_first() -> None:
    order = Order([2, 2, 2], 2, 0)
    after = order.group(0, 2)
    assert (after.epoch, after.number) == (1, 0)
    assert list(after.shards) == list(order.find(6)[0].shards)


def test_a_place_is_followed_by_all_others_of_its_group() -> None:
    group, place = Order([5, 4], 2, 3).find(7)
    assert sorted(group.pictures(place)) == [(shard, n) for shard, count in ((0, 5), (1, 4)) for n in range(count)]


def test_the_order_stays_the_same_from_version_to_version() -> None:
    assert permutation(8, 7, 1, 2).tolist() == [2, 6, 3, 4, 7, 0, 1, 5]
    assert [picture(Order([3, 4, 2], 2, 5), sample) for sample in (0, 8, 9, 10**12)] == [(0, 0), (1, 0), (0, 1), (1, 2)]


def test_nothing_to_train_on_is_refused() -> None:
    with pytest.raises(InputError, match="at least one picture"):
        Order([0, 0], 1, 0)


@settings(deadline=None, max_examples=40)
@given(COUNTS.filter(lambda counts: sum(counts) > 1), st.data())
def test_the_last_pictures_are_held_out(counts: list[int], data: st.DataObject) -> None:
    held = data.draw(st.integers(1, sum(counts) - 1))
    trained = training_counts(counts, held)
    flat = [n < limit for count, limit in zip(counts, trained, strict=True) for n in range(count)]
    assert flat == [True] * (sum(counts) - held) + [False] * held


def test_a_share_holds_out_no_more_than_it_takes_to_measure(caplog: pytest.LogCaptureFixture) -> None:
    assert (held_out(1000, 0.1), held_out(5, 0.01), held_out(10**7, 500)) == (100, 1, 500)
    assert not caplog.records
    assert held_out(10**7, 0.1) == 256
    assert "the last 256 pictures" in caplog.text
    for validation in (0, 5, -1):
        with pytest.raises(InputError, match="at least one picture each"):
            held_out(5, validation)
