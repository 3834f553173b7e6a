"""The trained networks that come with the package: upscalers and styles."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, get_args

from perceptualloss.errors import InputError, check_choice
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.blend import blend
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
