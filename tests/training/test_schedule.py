from __future__ import annotations

import math

import pytest

from perceptualloss.errors import InputError
from perceptualloss.training.schedule import RISE, Schedule


def test_half_a_cosine() -> None:
    schedule = Schedule()
    assert schedule.at_step(500, 1000) == pytest.approx(0.5)
    assert schedule.at_step(1000, 1000) == pytest.approx(0)
    assert schedule.at_step(250, 1000) == pytest.approx((1 + math.sqrt(0.5)) / 2)


def test_steps_and_constant() -> None:
    falls = Schedule("steps", (100, 200), 0.1)
    assert [falls.at_step(step, 300) for step in (99, 100, 199, 200)] == pytest.approx([1, 0.1, 0.1, 0.01])
    assert Schedule("constant").at_step(299, 300) == 1


def test_it_rises_at_the_start_and_where_the_loss_changes() -> None:
    schedule = Schedule("constant")
    for start in (0, 100):
        found = [schedule.at_step(start + since, 300, warm_up=100) for since in (0, RISE // 2 - 1, RISE - 1, RISE)]
        assert found == pytest.approx([1 / RISE, 0.5, 1, 1])


@pytest.mark.parametrize(
    "settings", [{"kind": "steps"}, {"at": (5,)}, {"kind": "cosin"}, {"kind": "steps", "at": (5,), "factor": 0}]
)
def test_what_does_not_go_together_is_refused(settings: dict) -> None:  # type: ignore[type-arg]
    with pytest.raises(InputError):
        Schedule(**settings)
