import pytest
import torch

from perceptualloss.errors import InputError, check_choice, check_image_batch, check_same_shape


def test_an_input_error_is_a_value_error_in_three_parts() -> None:
    error = InputError("a picture", "a song", "Look instead.")
    assert isinstance(error, ValueError)
    assert str(error) == "expected a picture, got a song. Look instead."


def test_something_that_is_no_tensor() -> None:
    with pytest.raises(InputError, match="read_image"):
        check_image_batch("x", "photo.jpg")  # type: ignore[arg-type]


def test_shapes_and_choices() -> None:
    with pytest.raises(InputError, match="same shape"):
        check_same_shape("a", torch.zeros(1), "b", torch.zeros(2))
    with pytest.raises(InputError) as error:
        check_choice("thing", "zzz", ["abc"])
    assert "Did you mean" not in str(error.value)
