"""The trained networks that come with the package, by name: upscalers and styles."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Literal, get_args

from perceptualloss.errors import InputError, check_choice
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.checkpoint import load_network

Kind = Literal["mse", "perceptual", "adversarial"]


KINDS: tuple[Kind, ...] = get_args(Kind)


FOLDER = Path(__file__).parent / "trained"


_NAME = re.compile(r"residual(\d+)x-(\w+)\.safetensors")


_STYLE = "style-"


def shipped() -> dict[tuple[int, str], Path]:
    """Return the files of the trained upscalers by scale and kind, such as ``(4, "mse")``."""
    names = ((_NAME.fullmatch(file.name), file) for file in sorted(FOLDER.glob("*.safetensors")))
    return {(int(name[1]), name[2]): file for name, file in names if name}


def shipped_network(scale: int, kind: str | None = None, perception: float | None = None) -> TransformationNetwork:
    """Load a trained upscaler; with ``perception``, between the MSE and the perceptual one.

    Args:
        scale: how many times larger the pictures become.
        kind: what it was trained with: "mse", "perceptual" or "adversarial"; None is "mse".
        perception: instead of ``kind``: 0 is "mse", 1 is "perceptual", and between them the weights are blended.

    Raises:
        InputError: no such kind, a kind with a perception, none that ships for this scale, or a perception beyond
            [0, 1].
    """
    if kind is not None:
        check_choice("kind", kind, KINDS)
    if perception is None:
        return load_network(_file(scale, kind or "mse"))
    if kind is not None:
        raise InputError("perception between the kinds mse and perceptual", f"the kind {kind!r} too", "Leave it out.")
    if not 0 <= perception <= 1:
        raise InputError("perception from 0 to 1", f"{perception:g}")
    return blend(load_network(_file(scale, "mse")), load_network(_file(scale, "perceptual")), perception)


def _file(scale: int, kind: str) -> Path:
    there = shipped()
    if (scale, kind) not in there:
        known = ", ".join(f"{kind} x{scale}" for scale, kind in sorted(there)) or "none"
        raise InputError(
            f"a trained network for {kind} x{scale} in this installation",
            known,
            "Train one with perceptualloss train and give its file as network.",
        )
    return there[scale, kind]


def shipped_styles() -> dict[str, Path]:
    """Return the files of the style networks by the name of their style."""
    return {file.stem.removeprefix(_STYLE): file for file in sorted(FOLDER.glob(f"{_STYLE}*.safetensors"))}


def shipped_style(name: str) -> TransformationNetwork:
    """Load the network of a style that comes with the package.

    Raises:
        InputError: no style of this name ships.
    """
    there = shipped_styles()
    train = f"Train one with perceptualloss train recipes/style.yaml --style {name}.jpg and name its file."
    return load_network(there[check_choice("style", name, there, train)])


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
