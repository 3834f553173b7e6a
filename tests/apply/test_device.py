from __future__ import annotations

import pytest
import torch

from perceptualloss.apply.device import find_device
from perceptualloss.errors import InputError


def test_names_are_those_of_torch_and_auto_is_one_that_is_there() -> None:
    assert find_device("cpu") == torch.device("cpu")
    assert torch.zeros(1, device=find_device("auto")).sum() == 0


@pytest.mark.parametrize("name", ["gpuu", "cuda:99", "xla", "cpu:x"])
def test_what_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="device"):
        find_device(name)
