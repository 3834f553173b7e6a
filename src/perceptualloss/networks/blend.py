"""Between two trainings of one network."""

from __future__ import annotations

import copy

from perceptualloss.errors import InputError
from perceptualloss.networks.base import TransformationNetwork


def blend(first: TransformationNetwork, second: TransformationNetwork, amount: float) -> TransformationNetwork:
    """Return a network with the weights (1 - amount) * first + amount * second.

    Between a network trained for pixels and one that went on from there for perception, ``amount`` chooses
    how much closeness is given up for texture. Networks that were trained apart from each other do not blend.

    Args:
        first: what amount 0 gives.
        second: what amount 1 gives; of the same class and sizes.
        amount: from 0 to 1.

    Raises:
        InputError: an amount beyond [0, 1], or networks that differ in more than their weights.

    Source: Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", 2018, section 3.4.
    """
    if not 0 <= amount <= 1:
        raise InputError("an amount from 0 to 1", f"{amount:g}")
    state, other = first.state_dict(), second.state_dict()
    shapes = [{name: value.shape for name, value in weights.items()} for weights in (state, other)]
    if type(first) is not type(second) or shapes[0] != shapes[1]:
        names = f"{type(first).__name__} and {type(second).__name__}"
        raise InputError("two networks that differ in their weights alone", f"{names} of different shapes")
    mixed = copy.deepcopy(first)
    lerp = {
        name: value.lerp(other[name].to(value), amount) for name, value in state.items() if value.is_floating_point()
    }
    mixed.load_state_dict(state | lerp)
    return mixed
