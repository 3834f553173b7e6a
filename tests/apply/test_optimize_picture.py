"""Pictures found by descent, where the answer is known."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from perceptualloss.apply.optimize_picture import Method, Space, Step, optimize_picture
from perceptualloss.errors import InputError
from perceptualloss.losses.pixel import MSELoss
from perceptualloss.losses.total_variation import TotalVariationLoss

GOAL = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(1))


def mse(picture: Tensor) -> dict[str, Tensor]:
    return {"mse": (picture - GOAL).square().mean()}


@pytest.mark.parametrize("space", ["pixels", "frequencies"])
@pytest.mark.parametrize(("method", "steps"), [("lbfgs", 30), ("adam", 200)])
def test_the_goal_is_found(method: Method, steps: int, space: Space) -> None:
    found = optimize_picture(mse, torch.full_like(GOAL, 0.5), steps, method, space=space)
    assert (found.picture - GOAL).abs().max() < 0.03
    assert found.losses[-1] < 2e-3 * found.losses[0]


@pytest.mark.parametrize("space", ["pixels", "frequencies"])
@pytest.mark.parametrize("method", ["lbfgs", "adam"])
def test_pixels_that_should_leave_the_range_stay_at_its_ends(method: Method, space: Space) -> None:
    goal = torch.tensor([-1.0, 2.0]).view(1, 1, 1, 2).expand(1, 3, 4, 2)
    found = optimize_picture(
        lambda x: {"far": (x - goal).square().mean()}, torch.full((1, 3, 4, 2), 0.5), 60, method, 0.1, space
    )
    assert found.picture.min() >= 0
    assert found.picture.max() <= 1
    near = 0.12 if (method, space) == ("adam", "frequencies") else 0.02  # its momentum overshoots
    assert torch.allclose(found.picture, goal.clamp(0, 1), atol=near)


def test_loss_terms_are_what_the_loss_gives_at_the_picture() -> None:
    loss = MSELoss() + 0.1 * TotalVariationLoss("squared")
    seen: list[Step] = []
    found = optimize_picture(lambda x: loss.terms(x, GOAL), torch.zeros_like(GOAL), 4, progress=seen.append)
    assert [step.number for step in seen] == [0, 1, 2, 3, 4]
    assert [step.loss for step in seen] == list(found.losses)
    for step in seen:
        expected = {name: value.item() for name, value in loss.terms(step.picture, GOAL).items()}
        assert step.terms == pytest.approx(expected, rel=1e-5)
        assert step.loss == pytest.approx(sum(expected.values()), rel=1e-5)
    assert torch.equal(seen[-1].picture, found.picture)
    assert torch.equal(seen[0].picture, torch.zeros_like(GOAL))  # no later step has changed it


def test_evaluations_are_counted() -> None:
    calls = 0

    def counted(picture: Tensor) -> dict[str, Tensor]:
        nonlocal calls
        calls += 1
        return mse(picture)

    for method in ("lbfgs", "adam"):
        calls = 0
        found = optimize_picture(counted, torch.zeros_like(GOAL), 5, method)  # type: ignore[arg-type]
        assert found.evaluations[0] == 1
        assert found.evaluations[-1] == calls
        assert all(b > a for a, b in pairwise(found.evaluations))
        assert len(found.losses) == len(found.seconds) == len(found.terms)


def test_no_step_gives_the_start() -> None:
    found = optimize_picture(mse, GOAL, 0)
    assert torch.equal(found.picture, GOAL)
    assert found.losses == (0.0,)


def test_the_course_ends_where_nothing_is_left_to_gain() -> None:
    found = optimize_picture(mse, GOAL, 10)
    assert len(found.losses) == 1
    assert torch.equal(found.picture, GOAL)


@pytest.mark.parametrize("method", ["lbfgs", "adam"])
def test_twice_the_same_bits_and_the_start_is_left_alone(method: Method) -> None:
    start = torch.zeros_like(GOAL)
    first, second = (optimize_picture(mse, start, 8, method, space="frequencies") for _ in range(2))
    assert torch.equal(first.picture, second.picture)
    assert first.losses == second.losses
    assert not start.any()


def test_gradients_may_be_switched_off_around_it() -> None:
    with torch.no_grad():
        assert optimize_picture(mse, torch.zeros_like(GOAL), 3).losses[-1] < 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "sgd"}, "method to be one of lbfgs, adam"),
        ({"space": "pixel"}, "Did you mean 'pixels'"),
        ({"steps": -1}, "steps to be at least 0"),
        ({"learning_rate": 0.0}, "learning rate above 0"),
        ({"start": torch.zeros(3, 4, 4)}, "start of shape"),
        ({"terms": lambda x: {"bad": x.mean() / 0}}, "finite"),
    ],
)
def test_errors_of_use(options: dict[str, object], message: str) -> None:
    given: dict[str, object] = {"terms": mse, "start": torch.zeros_like(GOAL), "steps": 1} | options
    with pytest.raises(InputError, match=message):
        optimize_picture(**given)  # type: ignore[arg-type]
