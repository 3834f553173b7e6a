"""What is measured: folders of finished pictures, and networks that make them from shrunk targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from perceptualloss.data.masks import Masks
from perceptualloss.errors import InputError
from perceptualloss.networks.named import load_network
from perceptualloss.pictures.images import read_image
from perceptualloss.pictures.pairing import pair_files, picture_names, target_files
from perceptualloss.pictures.resize import resize
from perceptualloss.pictures.samples import as_8_bits_show

INTERPOLATIONS = ("bicubic", "bilinear")
_ONE_CHANNEL = ("1", "L", "LA", "I", "I;16", "F")


@dataclass(frozen=True)
class Candidate:
    """A name in the tables; where it is no folder of pictures, with the network that makes them from small ones."""

    name: str
    network: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True)
class Task:
    """A target by its picture's name, and the finished outputs by their candidates' names."""

    name: str
    target: Path
    outputs: Mapping[str, Path]


@dataclass(frozen=True)
class Loaded:
    """A target and its finished outputs, (1, 3, H, W) in [0, 1], and the small picture that networks begin with.

    ``mask`` says how much each pixel counts, (1, 1, H, W) in [0, 1].
    """

    task: Task
    target: Tensor
    outputs: Mapping[str, Tensor]
    low: Tensor | None
    grey: bool
    mask: Tensor | None = None


@dataclass(frozen=True)
class Line:
    """The candidates, what there is to do, and the files that have no partner everywhere."""

    candidates: list[Candidate]
    tasks: list[Task]
    unmatched: list[Path]


def line_up(outputs: Sequence[Path], targets: Path, networks: Sequence[str], scale: int | None, device: str) -> Line:
    """Pair every candidate's files with the targets; what not all candidates have is left out, so that means compare.

    Raises:
        InputError: Nothing to measure, files that do not pair, or a network that does not fit ``scale``.
    """
    if not outputs and not networks:
        raise InputError("outputs or a network to measure", "neither", "perceptualloss evaluate OUTPUTS TARGETS")
    pairings = {name: pair_files(path, targets) for name, path in zip(_names(outputs), outputs, strict=True)}
    files = {name: {target: output for output, target in p.pairs.values()} for name, p in pairings.items()}
    chosen = list(dict.fromkeys(target for outputs in files.values() for target in outputs))
    if not files:
        chosen = target_files(targets) if targets.is_dir() else [targets]
    names = picture_names(chosen, targets) if targets.is_dir() else {targets: targets.stem}
    common = [target for target in chosen if all(target in outputs for outputs in files.values())]
    if not common:
        raise InputError("pictures that all candidates have", "none", "Measure the candidates one by one.")
    left = [file for pairing in pairings.values() for file in pairing.unmatched]
    left += [output for outputs in files.values() for target, output in outputs.items() if target not in common]
    candidates = [Candidate(name) for name in files]
    for name, path in zip(_names([Path(n).with_suffix("") for n in networks]), networks, strict=True):
        if name in files:
            raise InputError("different names of folders and networks", f"{name} twice", "Rename the folder.")
        candidates.append(Candidate(name, _network(path, scale, device)))
    tasks = [Task(names[t], t, {name: outputs[t] for name, outputs in files.items()}) for t in common]
    return Line(candidates, tasks, list(dict.fromkeys(left)))


def scale_of(networks: Sequence[str], scale: int | None) -> int | None:
    """Return the scale that was given, or else that of the networks.

    Raises:
        InputError: Networks of different scales, or interpolation without a scale.
    """
    known = {load_network(name).scale for name in networks if name not in INTERPOLATIONS}
    if scale is not None:
        known.add(scale)
    if len(known) > 1:
        raise InputError("one scale for all networks", " and ".join(str(s) for s in sorted(known)))
    if networks and not known:
        raise InputError("a scale for interpolation", "none", "Say --scale 4.")
    if networks and min(known) < 2:
        remedy = "Let it transform a folder, and measure the folder against the targets."
        raise InputError("networks that enlarge pictures", "one that keeps their size", remedy)
    return known.pop() if known else None


def load(task: Task, scale: int | None, shrink: bool, masks: Masks | None = None) -> Loaded:
    """Read a target, its mask if there is one, and its outputs; for networks, shrink the target (bicubic, to 8 bits).

    The target loses what is beyond a multiple of ``scale``, as in all evaluations of super-resolution, if
    networks need it or the outputs have that size.

    Raises:
        InputError: A picture that does not decode, outputs of another size, or an unusable mask.
    """
    target = read_image(task.target)
    mask = None if masks is None else masks.of(task.target, (target.shape[-2], target.shape[-1]))
    outputs = {name: read_image(file) for name, file in task.outputs.items()}
    height, width = target.shape[-2:]
    if scale is not None and (shrink or any(output.shape != target.shape for output in outputs.values())):
        height, width = (side // scale * scale for side in (height, width))
        if min(height, width) == 0:
            raise InputError(f"a target of at least {scale} pixels a side", f"{task.target}")
    full = target.shape
    target = target[..., :height, :width]
    for name, output in outputs.items():
        if output.shape == full:
            outputs[name] = output[..., :height, :width]
        elif output.shape != target.shape:
            sizes = [f"{picture.shape[-1]} x {picture.shape[-2]}" for picture in (output, target)]
            remedy = (
                "Outputs of super-resolution may miss the last pixels of a target: say --scale."
                if scale is None
                else ""
            )
            raise InputError(f"{task.outputs[name]} to have its target's {sizes[1]} pixels", sizes[0], remedy)
    low = as_8_bits_show(resize(target, 1 / scale)) if shrink and scale else None
    with Image.open(task.target) as picture:
        grey = picture.mode in _ONE_CHANNEL
    return Loaded(task, target, outputs, low, grey, None if mask is None else mask[..., :height, :width])


def complete(loaded: Loaded, candidates: Sequence[Candidate]) -> Loaded:
    """Add what the networks make of the small picture, on the CPU."""
    pictures = dict(loaded.outputs)
    with torch.inference_mode():
        for candidate in candidates:
            if candidate.network is not None and loaded.low is not None:
                pictures[candidate.name] = candidate.network(loaded.low)
    return replace(loaded, outputs=pictures)


def _network(name: str, scale: int | None, device: str) -> Callable[[Tensor], Tensor]:
    if name in INTERPOLATIONS:
        return partial(resize, scale=scale, method="bicubic" if name == "bicubic" else "bilinear")
    network = load_network(name, device).to(memory_format=torch.channels_last)
    return lambda low: network(low.to(device)).float().cpu()


def _names(paths: Sequence[Path]) -> list[str]:
    """Return the last parts of the paths, as many as it takes to tell them apart."""
    parts = [path.resolve().parts for path in paths]
    for count in range(1, 1 + max(map(len, parts), default=0)):
        names = ["/".join(part[-count:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    if parts:
        raise InputError("different candidates", f"{paths[0]} twice")
    return []
