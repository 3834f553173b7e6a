"""What is measured: folders of finished pictures, and networks that make them from shrunk targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from torch import Tensor

from perceptualloss.apply.upscale import upscaler
from perceptualloss.data.masks import Masks
from perceptualloss.errors import InputError
from perceptualloss.networks.named import load_network
from perceptualloss.pictures.images import open_picture, read_image
from perceptualloss.pictures.pairing import Pairing, pair_files, picture_names, target_files
from perceptualloss.pictures.picture import Picture, fill_hidden
from perceptualloss.pictures.resize import Method, resize
from perceptualloss.pictures.samples import rounded
from perceptualloss.vocabulary import Backend, Precision

INTERPOLATIONS: dict[str, Method] = {"bicubic": "bicubic", "bilinear": "bilinear"}


class Enlarger(Protocol):
    """Makes a large picture of a small one: a :class:`perceptualloss.apply.transformer.Transformer` does."""

    def picture(self, picture: Picture) -> Picture:
        """Enlarge a picture."""


@dataclass(frozen=True)
class Interpolation:
    """Bicubic or bilinear interpolation, of colours and opacity alike."""

    method: Method
    scale: int

    def picture(self, picture: Picture) -> Picture:
        """Enlarge a picture."""
        return _resized(picture, self.scale, self.method)


@dataclass(frozen=True)
class Candidate:
    """A name in the tables; where it is no folder of pictures, with what makes them from small ones."""

    name: str
    network: Enlarger | None = None


@dataclass(frozen=True)
class Task:
    """A target by its picture's name, and the finished outputs by their candidates' names."""

    name: str
    target: Path
    outputs: Mapping[str, Path]


@dataclass(frozen=True)
class Loaded:
    """A target and its finished outputs, (1, 3, H, W) in [0, 1], and the small picture that networks begin with.

    ``grey`` says whether the target's three channels are one, ``mask`` how much each pixel counts, (1, 1, H, W) in
    [0, 1].
    """

    task: Task
    target: Tensor
    outputs: Mapping[str, Tensor]
    low: Picture | None
    grey: bool
    mask: Tensor | None = None


@dataclass(frozen=True)
class Line:
    """The candidates, what there is to do, and the files that have no partner everywhere."""

    candidates: list[Candidate]
    tasks: list[Task]
    unmatched: list[Path]


def line_up(
    outputs: Sequence[Path], targets: Path, networks: Mapping[str, Enlarger], suffixes: Sequence[str] = ()
) -> Line:
    """Pair every candidate's files with the targets; what not all candidates have is left out, so that means compare.

    Args:
        outputs: pictures or folders of them.
        targets: the picture or folder that they are measured against.
        networks: by name, what makes outputs (:func:`open_networks`).
        suffixes: what else may stand behind an output's name (see :func:`perceptualloss.pictures.pairing.match_names`).

    Raises:
        InputError: Nothing to measure, or files that do not pair.
    """
    if not outputs and not networks:
        raise InputError("outputs or a network to measure", "neither", "perceptualloss evaluate OUTPUTS TARGETS")
    pairings = {name: pair_files(path, targets, suffixes) for name, path in zip(_names(outputs), outputs, strict=True)}
    files = {name: {target: output for output, target in p.pairs.values()} for name, p in pairings.items()}
    chosen = list(dict.fromkeys(target for outputs in files.values() for target in outputs))
    if not files:
        chosen = target_files(targets) if targets.is_dir() else [targets]
    names = picture_names(chosen, targets) if targets.is_dir() else {targets: targets.stem}
    common = [target for target in chosen if all(target in outputs for outputs in files.values())]
    if not common:
        raise InputError("pictures that all candidates have", "none", "Measure the candidates one by one.")
    for name in networks:
        if name in files:
            raise InputError("different names of folders and networks", f"{name} twice", "Rename the folder.")
    candidates = [*map(Candidate, files), *(Candidate(name, network) for name, network in networks.items())]
    tasks = [Task(names[t], t, {name: outputs[t] for name, outputs in files.items()}) for t in common]
    return Line(candidates, tasks, _left_out(pairings, common))


def _left_out(pairings: Mapping[str, Pairing], common: Sequence[Path]) -> list[Path]:
    left = [file for pairing in pairings.values() for file in pairing.unmatched]
    kept = set(common)
    left += [output for p in pairings.values() for output, target in p.pairs.values() if target not in kept]
    return list(dict.fromkeys(left))


def open_networks(
    networks: Sequence[str],
    scale: int | None,
    device: str = "auto",
    precision: Precision = "auto",
    tile: int | None = None,
    backend: Backend = "torch",
) -> tuple[dict[str, Enlarger], int | None]:
    """Open each network once, as ``upscale`` does; return them by name, and the scale: the given one or theirs.

    Args:
        networks: files or names of networks, "bicubic" or "bilinear".
        scale: of the interpolation; where networks are given, too, theirs.
        device: as of :func:`perceptualloss.upscale`.
        precision: likewise.
        tile: likewise.
        backend: likewise.

    Raises:
        InputError: Networks of different scales, interpolation without a scale, networks that do not enlarge, or
            that cannot be opened.
    """
    names = dict(zip(_names([Path(n).with_suffix("") for n in networks]), networks, strict=True))
    loaded = {name: load_network(network) for name, network in names.items() if network not in INTERPOLATIONS}
    known = {network.scale for network in loaded.values()}
    if scale is not None:
        known.add(scale)
    if len(known) > 1:
        raise InputError("one scale for all networks", " and ".join(str(s) for s in sorted(known)))
    if networks and not known:
        raise InputError("a scale for interpolation", "none", "Say --scale 4.")
    if networks and min(known) < 2:
        remedy = "Let it transform a folder, and measure the folder against the targets."
        raise InputError("networks that enlarge pictures", "one that keeps their size", remedy)
    if not known:
        return {}, None
    scale, opened = known.pop(), dict[str, Enlarger]()
    for name, model in loaded.items():
        opened[name] = upscaler(network=model, device=device, precision=precision, tile=tile, backend=backend)
    return {
        name: opened.get(name) or Interpolation(INTERPOLATIONS[network], scale) for name, network in names.items()
    }, scale


def load(task: Task, scale: int | None, shrink: bool, masks: Masks | None = None) -> Loaded:
    """Read a target, its mask if there is one, and its outputs; for networks, shrink the target, as a file of it.

    The target loses what is beyond a multiple of ``scale``, as in all evaluations of super-resolution, if
    networks need it or the outputs have that size. The small picture is shrunk bicubically and rounded to the target's
    bits; it has the target's transparency and is grey where that is.

    Raises:
        InputError: A picture that does not decode, outputs of another size, or an unusable mask.
    """
    whole = open_picture(task.target)
    target = whole.over_white()
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
    low = None
    if shrink and scale:
        alpha = None if whole.alpha is None else whole.alpha[..., :height, :width]
        cut = replace(whole, colours=whole.colours[..., :height, :width], alpha=alpha)
        low = _as_file(_resized(cut, 1 / scale, "bicubic"))
    return Loaded(task, target, outputs, low, whole.grey, None if mask is None else mask[..., :height, :width])


def complete(loaded: Loaded, candidates: Sequence[Candidate]) -> Loaded:
    """Add what the networks make of the small picture, on the CPU: what a PNG of it holds, with the picture's bits.

    Raises:
        InputError: Values that are not finite, or too little memory.
    """
    pictures = dict(loaded.outputs)
    for candidate in candidates:
        if candidate.network is not None and loaded.low is not None:
            pictures[candidate.name] = _as_file(candidate.network.picture(loaded.low)).over_white()
    return replace(loaded, outputs=pictures)


def _as_file(picture: Picture) -> Picture:
    """Return a picture as it is after it was saved as PNG and read again."""
    alpha = None if picture.alpha is None else rounded(picture.alpha, picture.bits)
    return replace(picture, colours=rounded(picture.colours, picture.bits), alpha=alpha)


def _resized(picture: Picture, scale: float, method: Method) -> Picture:
    """Return a picture of another size; what is fully transparent has no colour of its own."""
    colours, alpha = picture.colours, picture.alpha
    if alpha is not None:
        colours = fill_hidden(colours, alpha)
        alpha = resize(alpha, scale, method=method).clamp(0, 1)
    return replace(picture, colours=resize(colours, scale, method=method), alpha=alpha)


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
