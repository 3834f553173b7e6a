"""Which values pictures have: what is surely in another range is refused, what is likely is warned of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from perceptualloss.errors import InputError, warn_once
from perceptualloss.numerics import wide

OVERSHOOT = 0.25
"""How far data may leave its range, in ranges: sharp resampling of black and white leaves it by 0.15."""
FAR = 10.0
"""How far a network's output may: an untrained one has any scale, but not that of 8 bits where [0, 1] is wanted."""

Setting = Literal["input_range", "data_range", ""]
"""How the user says the range; nothing where it is always [0, 1]."""


def values_can_be_read() -> bool:
    """Return whether a tensor's values are at hand: not while torch.compile, torch.func or a tracer follows them."""
    if torch.compiler.is_compiling():
        return False
    return not (torch._C._are_functorch_transforms_active() or torch._C._get_tracing_state())


def check_values(
    name: str,
    images: Tensor,
    low: float,
    high: float,
    slack: float = OVERSHOOT,
    setting: Setting = "input_range",
    finite: bool = True,
    doubts: bool = True,
) -> None:
    """Raise unless all values are finite and in [``low``, ``high``], and warn of those that are so by mistake.

    Reads the values, so on a GPU it waits for them: losses call it on their first call only. Does nothing where values
    cannot be read.

    Refused: values further beyond the range than ``slack`` times its length (:data:`OVERSHOOT` for data, :data:`FAR`
    for what a network gives), and data in [-1, 1] that are no whole numbers where the range is that of 8 bits.

    Warned of, once, unless all values are the same: what a network gives between -1 and 1 with some below -0.5 where
    [0, 1] is wanted, as if it ended in tanh; all values in [0, 1] where the range begins below 0; data that stay below
    2/255 in [0, 1], as if divided twice; a network's output in [0, 1] where the range is that of 8 bits.

    Args:
        name: what the error calls them.
        images: any shape.
        low: black.
        high: white.
        slack: as above.
        setting: which setting the remedy names.
        finite: whether values that are not finite are refused; without it they show in the result.
        doubts: whether to warn.
    """
    if not values_can_be_read():
        return
    with torch.no_grad():
        least, most = (v.item() for v in torch.aminmax(images.detach().float()))
    known = abs(least) < float("inf") and abs(most) < float("inf")
    if not known and not finite:
        return
    room = slack * (high - low)
    if not (least >= low - room and most <= high + room):  # also catches NaN
        remedy = _remedy(least, most, low, high, setting)
        if not known:
            remedy = "The values are not finite: look at the network or the data that made them."
        raise InputError(f"{name} with values in [{low:g}, {high:g}]", f"[{least:.4g}, {most:.4g}]", remedy)
    data, tiny = slack < FAR, high - low >= 100 and -1 <= least < most <= 1
    if tiny and not (images != images.round()).any():  # nearly black, as 8 bits can be
        return
    if data and tiny:
        remedy = f"Values in [0, 1] are the default: leave {setting} away. Or multiply them by {high:g}."
        raise InputError(f"{name} with values in [{low:g}, {high:g}]", f"[{least:.4g}, {most:.4g}]", remedy)
    doubt = _doubt(least, most, low, high, data) if doubts and least < most else ""
    if doubt:
        warn_once(f"{name} {doubt}. {_remedy(least, most, low, high, setting)}".strip())


def check_pair(
    output: Tensor, target: Tensor, low: float = 0.0, high: float = 1.0, setting: Setting = "", finite: bool = False
) -> None:
    """Check the values of an output and of its target, which is data (see :func:`check_values`)."""
    check_values("target", target, low, high, OVERSHOOT, setting, finite)
    check_values("output", output, low, high, FAR, setting, finite)


def _doubt(least: float, most: float, low: float, high: float, data: bool) -> str:
    """Return what is likely wrong with values that are allowed, or nothing."""
    unit, inside = (low, high) == (0, 1), least >= 0 and most <= 1
    if unit and not data and -1.05 <= least < -0.5 and most <= 1.05:
        return "has values in [-1, 1] where [0, 1] is expected"
    if unit and data and least >= 0 and most <= 2 / 255:
        return "has no value above 2/255, as if pictures in [0, 1] had been divided by 255"
    if low < 0 and high > 0 and inside:
        return f"has all values in [0, 1] where [{low:.4g}, {high:.4g}] is expected"
    if high - low >= 100 and not data and inside:
        return f"has all values in [0, 1] where [{low:g}, {high:g}] is expected"
    return ""


def _remedy(least: float, most: float, low: float, high: float, setting: Setting) -> str:
    if low < 0 <= least and most <= 1:
        return "If they are in [0, 1], leave input_range away." if setting == "input_range" else ""
    if high <= 1 and most > 2:
        said = {"input_range": ", or say input_range=(0, 255)", "data_range": ", or say data_range=255"}
        return f"Divide 8-bit values by 255{said.get(setting, '')}."
    if low == 0 and least < 0:
        other = "For images in [-1, 1] say input_range=(-1, 1)."
        return other if setting == "input_range" else "Bring images in [-1, 1] to [0, 1]: (images + 1) / 2."
    return f"Say what range your images have with {setting}." if setting else ""


InputRange = tuple[float, float] | Literal["imagenet"]
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def check_input_range(input_range: Any) -> InputRange:
    """Return ``input_range`` as a pair of floats or "imagenet", or raise InputError."""
    if input_range == "imagenet":
        return "imagenet"
    try:
        low, high = (float(v) for v in input_range)
    except (TypeError, ValueError):
        low = high = 0.0
    if not low < high:
        raise InputError(
            "input_range to be (low, high) with low < high, or 'imagenet'",
            repr(input_range),
            "Usual ranges: (0, 1), (-1, 1), (0, 255).",
        )
    return low, high


def range_normalisation(
    input_range: InputRange, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD
) -> tuple[Tensor, Tensor]:
    """Return what to take away and to divide by, each (1, 3, 1, 1), to bring images to a network's statistics.

    Args:
        input_range: the range of the images.
        mean: of the three channels of pictures in [0, 1], as the network was trained with.
        std: the same.
    """
    own_mean, own_std, usual_mean, usual_std = (
        torch.tensor(tuple(values)).view(1, 3, 1, 1) for values in (mean, std, IMAGENET_MEAN, IMAGENET_STD)
    )
    if input_range == "imagenet":
        return (own_mean - usual_mean) / usual_std, own_std / usual_std
    low, high = input_range
    return low + own_mean * (high - low), own_std * (high - low)


def range_bounds(input_range: InputRange) -> tuple[float, float]:
    """Return the least and the largest value of pictures in a range."""
    if input_range != "imagenet":
        return input_range
    pairs = list(zip(IMAGENET_MEAN, IMAGENET_STD, strict=True))
    return min(-m / s for m, s in pairs), max((1 - m) / s for m, s in pairs)


def normalised(images: Tensor) -> Tensor:
    """Return [0, 1] images (N, 3, H, W) as loss networks take them."""
    mean, std = range_normalisation((0.0, 1.0))
    return (images - mean.to(images)) / std.to(images)


def to_unit_range(images: Tensor, input_range: InputRange) -> Tensor:
    """Return images (N, 3, H, W) of ``input_range`` in [0, 1], in 32 bits or more.

    >>> to_unit_range(torch.tensor([-1.0, 0.0, 1.0]), (-1, 1))
    tensor([0.0000, 0.5000, 1.0000])
    """
    images = wide(images)
    if input_range == "imagenet":  # numbers one by one: a tensor of them would have to travel to the GPU
        channels = zip(images.unbind(dim=1), IMAGENET_MEAN, IMAGENET_STD, strict=True)
        return torch.stack([channel * std + mean for channel, mean, std in channels], dim=1)
    low, high = input_range
    return images if (low, high) == (0, 1) else (images - low) / (high - low)
