"""Restore pictures of every kind with the networks that ship for it: what is named is taken away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from PIL import Image

from perceptualloss.apply.backend import on_backend
from perceptualloss.apply.device import find_device
from perceptualloss.apply.transformer import OneNetwork, Transformer
from perceptualloss.errors import InputError, check_choice
from perceptualloss.networks.cascade import Cascade
from perceptualloss.networks.named import load_network, shipped_restorers
from perceptualloss.pictures.arrays import unpack
from perceptualloss.pictures.picture import ImageType, PathLike, Progress
from perceptualloss.vocabulary import Backend, Precision

FAULTS = {"noise": "denoise", "jpeg": "dejpeg", "blur": "deblur"}
"""What ails a picture, and the network that takes it away; the word that is used in the command and in Python."""
_COLOURS = "colorize"  # a network that is for grey pictures to become coloured


def restorer(
    of: str | Sequence[str],
    strength: float = 1.0,
    tile: int | None = None,
    device: str | None = None,
    precision: Precision = "auto",
    backend: Backend = "torch",
) -> Transformer:
    """Load networks once, to restore many pictures, files or clips with them.

    It takes the arguments of :func:`restore`. The tool that it returns has ``picture`` for tensors, ``file`` for files
    of any size, and ``video`` for clips (see :class:`Tool`).

    Raises:
        InputError: for something else to take away, a network that does not ship, or a strength beyond [0, 1].
    """
    names = [_network_name(word) for word in ([of] if isinstance(of, str) else of)]
    if not names:
        raise InputError("what to take away: noise, jpeg or blur", "nothing")
    networks = [load_network(shipped_restorers()[name]) for name in names]
    model = networks[0] if len(networks) == 1 else Cascade(networks)
    place = find_device(device or "auto")
    return Transformer(
        on_backend(OneNetwork(model), backend, place, precision),
        place,
        strength=strength,
        colours_grey=_COLOURS in names,
        tile=tile,
        precision=precision,
    )


def _network_name(word: str) -> str:
    """Return the name of the network for a fault, or of that name, which ships.

    Raises:
        InputError: an unknown word, or a network that does not ship.
    """
    ships, name = shipped_restorers(), word.removeprefix("restore-")
    known = dict.fromkeys([*FAULTS, *FAULTS.values(), *ships])
    name = check_choice("what to restore from", name, known, "Other networks: perceptualloss transform --network.")
    name = FAULTS.get(name, name)
    if name not in ships:
        raise InputError(
            f"a network restore-{name} in this installation",
            f"{', '.join(f'restore-{one}' for one in ships) or 'none that restores'}",
            f"Train one with perceptualloss train {name} and name its file: perceptualloss transform --network FILE.",
        )
    return name


@overload
def restore(
    image: ImageType,
    of: str | Sequence[str],
    *,
    strength: float = ...,
    tile: int | None = ...,
    device: str | None = ...,
    precision: Precision = ...,
    backend: Backend = ...,
    progress: Progress | None = ...,
) -> ImageType: ...
@overload
def restore(
    image: PathLike,
    of: str | Sequence[str],
    *,
    strength: float = ...,
    tile: int | None = ...,
    device: str | None = ...,
    precision: Precision = ...,
    backend: Backend = ...,
    progress: Progress | None = ...,
) -> Image.Image: ...
def restore(
    image: object,
    of: str | Sequence[str],
    *,
    strength: float = 1.0,
    tile: int | None = None,
    device: str | None = None,
    precision: Precision = "auto",
    backend: Backend = "torch",
    progress: Progress | None = None,
) -> object:
    """Take noise, JPEG's blocks or blur out of a picture, with networks that ship.

    The result has the size of the picture and is the kind of thing that it was. Transparency, grey and 16 bits are
    kept. Files and Pillow pictures are turned upright by their EXIF orientation, and converted to sRGB. Large pictures
    are done in tiles without seams.

    Args:
        image: what to restore. A path; a Pillow picture; a tensor (C, H, W) or (N, C, H, W); or an array (H, W) or (H,
            W, C). Tensors and arrays have 1 to 4 channels, in floating point in [0, 1] or in 8 or 16 bits.
        of: what to take away: "noise", "jpeg" (blocks and ringing of JPEG) or "blur"; or the name of a network that
            restores (:func:`list_networks`), such as "denoise"; or several of them, which are run in turn.
        strength: from 0, the picture as it was, to 1, the network's.
        tile: longest side of a tile in input pixels; None chooses, with smaller ones where memory is short.
        device: "auto" (a GPU if there is one), "cpu", "cuda", "mps" or "cuda:1"; None is "auto".
        precision: "fp32", "fp16" or "bf16"; "auto" is fp16 on CUDA, else fp32.
        backend: "torch", or "onnx" for onnxruntime on the CPU (extra ``onnx``), with the same result to 1e-3.
        progress: is called with the input pixels that are done, and with all input pixels.

    Returns:
        A picture of the type of ``image``, with values in [0, 1] if they are in floating point. For a path it is a
        Pillow picture, which has 8 bits unless it is grey.

    Raises:
        InputError: for a picture that cannot be used, something else to take away, a network that does not ship, or a
            strength beyond [0, 1].
    """
    picture, pack = unpack(image)
    return pack(restorer(of, strength, tile, device, precision, backend).picture(picture, progress))
