import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from perceptualloss.checks import InputError, check_choice, check_image_batch, check_same_shape, check_values


def test_an_input_error_is_a_value_error_in_three_parts() -> None:
    error = InputError("a picture", "a song", "Look instead.")
    assert isinstance(error, ValueError)
    assert str(error) == "expected a picture, got a song. Look instead."


@given(st.floats(0, 1), st.floats(0, 1))
def test_values_in_range_pass(a: float, b: float) -> None:
    check_values("x", torch.tensor([a, b]), 0, 1)


@pytest.mark.parametrize(("value", "slack", "fits"), [(1.4, 0.5, True), (1.6, 0.5, False), (-9.0, 10.0, True)])
def test_slack_is_a_share_of_the_range(value: float, slack: float, fits: bool) -> None:
    if fits:
        check_values("x", torch.tensor([value]), 0, 1, slack)
    else:
        with pytest.raises(InputError):
            check_values("x", torch.tensor([value]), 0, 1, slack)


def test_infinite_values_are_named_as_such() -> None:
    with pytest.raises(InputError, match="not finite"):
        check_values("x", torch.tensor([float("inf")]), 0, 1)


def test_something_that_is_no_tensor() -> None:
    with pytest.raises(InputError, match="read_image"):
        check_image_batch("x", "photo.jpg")  # type: ignore[arg-type]


def test_shapes_and_choices() -> None:
    with pytest.raises(InputError, match="same shape"):
        check_same_shape("a", torch.zeros(1), "b", torch.zeros(2))
    with pytest.raises(InputError) as error:
        check_choice("thing", "zzz", ["abc"])
    assert "Did you mean" not in str(error.value)
