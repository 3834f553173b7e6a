"""Trained networks by name: those that come with the package, with their cards, and every file of one."""

from __future__ import annotations

import copy
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from perceptualloss.errors import InputError, check_choice
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.checkpoint import load_saved, read_header
from perceptualloss.networks.hub import hub_file, is_hub_address
from perceptualloss.networks.onnx_network import load_onnx
from perceptualloss.networks.other_packages import SUFFIXES, load_other

Kind = Literal["mse", "perceptual", "adversarial"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FOLDER = Path(__file__).parent / "trained"
_USUAL = "subpixel"  # the family of which upscale() takes one of a kind
_UPSCALER = re.compile(r"([a-z]+)(\d+)x-(\w+)")
_STYLE = "style-"
_RESTORER = "restore-"


@dataclass(frozen=True)
class NetworkCard:
    """What is known of a trained network that ships, without loading it.

    Attributes:
        name: by which :func:`load_network` finds it; without ``style-`` or ``restore-`` will do.
        network: its class.
        scale: how many times larger it makes pictures.
        kind: what it was trained with: "mse", "perceptual" or "adversarial"; or "style", or "restore".
        weights: how many numbers it has.
        bytes: size of its file.
        licence: under which it may be used, and what its training data ask for, as its card says.
        file: where it lies; its card is beside it, as ``.md``.
    """

    name: str
    network: str
    scale: int
    kind: str
    weights: int
    bytes: int
    licence: str
    file: Path


def list_networks() -> list[NetworkCard]:
    """Return the cards of the networks that ship: upscalers by scale, family and kind, then restorers and styles.

    >>> print(*(card.name for card in list_networks() if card.scale == 2))
    subpixel2x-mse subpixel2x-perceptual subpixel2x-adversarial
    """
    upscalers = sorted(_upscalers().items(), key=lambda item: (item[0][1], item[0][0], KINDS.index(item[0][2])))
    cards = [_card(file, scale, kind) for (_, scale, kind), file in upscalers]
    cards += [_card(file, 1, "restore") for file in shipped_restorers().values()]
    return cards + [_card(file, 1, "style") for file in shipped_styles().values()]


def load_network(name: str | os.PathLike[str], device: str = "cpu") -> TransformationNetwork:
    """Load a trained network, in evaluation mode: one that ships, by its name, or a file.

    What ``name`` may be:

    - **A network that ships**: "subpixel4x-perceptual", "style-wave" or "wave", "restore-denoise" or "denoise"
      (:func:`list_networks`). Where there is a file of that name, it is the file.
    - **A file** that :func:`save_network` or a training wrote.
    - **A file of another package** (``.pth``, ``.safetensors``), if spandrel is installed and knows its architecture.
    - **An ONNX file** (``.onnx``).
    - **An address** of the Hugging Face hub, ``hf://user/name`` (:func:`from_pretrained`).

    Args:
        name: one of the above.
        device: where to put it.

    Raises:
        InputError: for an unknown name, with the nearest one; for a file that is missing, unreadable or no saved
            network; for an unknown network or argument; for weights that are missing, too many, of another shape or not
            finite.

    >>> load_network("subpixel4x-mse").scale
    4
    """
    file = network_file(name)
    if file.suffix.lower() == ".onnx":
        return load_onnx(file)
    return (load_other(file) if _is_of_another_package(file) else load_saved(file)).to(device)


def from_pretrained(
    repository: str, revision: str | None = None, *, token: str | None = None, device: str = "cpu"
) -> TransformationNetwork:
    """Load a network that somebody shared on the Hugging Face hub, in evaluation mode (extra ``hub``).

    Only safetensors are fetched, and read as any file of a stranger is; a copy is kept in the cache of
    huggingface_hub, from which it is taken where the hub cannot be reached.

    Args:
        repository: such as "anna/my-network", or its address, ``hf://anna/my-network``.
        revision: a commit, which is the same for ever, a tag or a branch; None is the newest commit.
        token: for a private repository; None is what ``hf auth login`` or ``HF_TOKEN`` gave.
        device: where to put it.

    Raises:
        InputError: as :func:`load_network`, and for a repository that is not there or may not be read, without a
            network in safetensors, or without a connection and a copy in the cache.
    """
    address = repository if is_hub_address(repository) else f"hf://{repository}"
    return load_network(hub_file(address + (f"@{revision}" if revision else ""), token=token), device)


def network_file(name: str | os.PathLike[str]) -> Path:
    """Return the file that a name, a path or an address of the hub stands for, which is there.

    Raises:
        InputError: for a path without a file, an unknown name, or what :func:`hub_file` refuses.
    """
    path = Path(name)
    if path.is_file():
        return path
    if is_hub_address(name):
        return hub_file(name)
    if len(path.parts) != 1 or path.suffix in (".safetensors", ".onnx", *SUFFIXES) or not path.stem:
        raise InputError("a saved network", f"no file at {path}", "Check the path.")
    short = shipped_restorers() | shipped_styles()
    files = {file.stem: file for file in (*_upscalers().values(), *short.values())} | short
    return files[check_choice("network", str(path), files, "Or name the file of one.")]


def shipped() -> dict[tuple[int, str], Path]:
    """Return the files of the upscalers that ``upscale`` takes, by scale and kind, such as ``(4, "mse")``."""
    return {(scale, kind): file for (family, scale, kind), file in _upscalers().items() if family == _USUAL}


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


def shipped_styles() -> dict[str, Path]:
    """Return the files of the style networks by the name of their style."""
    return _named(_STYLE)


def shipped_restorers() -> dict[str, Path]:
    """Return the files of the networks that restore pictures, by their names without ``restore-``."""
    return _named(_RESTORER)


def _named(prefix: str) -> dict[str, Path]:
    return {file.stem.removeprefix(prefix): file for file in sorted(FOLDER.glob(f"{prefix}*.safetensors"))}


def shipped_style(name: str) -> TransformationNetwork:
    """Load the network of a style that comes with the package, such as "wave" or "style-wave".

    Raises:
        InputError: no style of this name ships.
    """
    styles = shipped_styles()
    train = f"Train one with perceptualloss train style --style {name}.jpg and name its file."
    return load_network(styles[check_choice("style", name.removeprefix(_STYLE), styles, train)])


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


def _is_of_another_package(file: Path) -> bool:
    """Whether a file is torch's, or a safetensors file that names no network, as save_network's do."""
    if file.suffix.lower() in SUFFIXES:
        return True
    return file.suffix == ".safetensors" and "network" not in read_header(file)[0]


def _upscalers() -> dict[tuple[str, int, str], Path]:
    """Return the files of all upscalers that ship by family, scale and kind, such as ``("subpixel", 4, "mse")``."""
    names = ((_UPSCALER.fullmatch(file.stem), file) for file in sorted(FOLDER.glob("*.safetensors")))
    return {(name[1], int(name[2]), name[3]): file for name, file in names if name and name[3] in KINDS}


def _file(scale: int, kind: str) -> Path:
    files = shipped()
    if (scale, kind) not in files:
        known = ", ".join(f"{kind} x{scale}" for scale, kind in sorted(files)) or "none"
        raise InputError(
            f"a trained network for {kind} x{scale} in this installation",
            known,
            "Train one with perceptualloss train and give its file as network.",
        )
    return files[scale, kind]


def _card(file: Path, scale: int, kind: str) -> NetworkCard:
    metadata, shapes = read_header(file)
    weights = sum(math.prod(shape) for shape in shapes.values())
    licence = _licence(file.with_suffix(".md"))
    return NetworkCard(file.stem, metadata["network"], scale, kind, weights, file.stat().st_size, licence, file)


def _licence(card: Path) -> str:
    """Return what a card says under "Licence", in one line."""
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    entry = re.search(r"^- \*\*Licence:\*\* (.*?)(?=^- \*\*|^$)", text, re.DOTALL | re.MULTILINE)
    return " ".join(entry[1].split()) if entry else ""
