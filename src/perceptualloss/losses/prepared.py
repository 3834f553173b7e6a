"""What losses need of targets that stay the same, computed once: in memory, and as a file that says what made it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from perceptualloss.arguments import shown
from perceptualloss.errors import InputError
from perceptualloss.files import write_whole

KIND = "perceptualloss prepared target 1"
_PICTURE, _LARGEST = "picture", 1000  # passes in a file
Maps = dict[str, dict[str, Tensor]]


@dataclass(frozen=True)
class Prepared:
    """Targets as a loss needs them: ``prepared = loss.prepare(target)``, then ``loss(output, prepared)``.

    - **A part of a batch** is ``prepared[2:5]``, or ``prepared[3]``, which is a batch of one.
    - **One batch of several** is ``Prepared.join([...])``, as a DataLoader needs it: ``collate_fn=Prepared.join``.
    - **Files**: ``prepared.save(path)`` and ``Prepared.load(path)``.
    - **Autocast**: what was prepared inside of autocast is rounded as autocast rounds. Call the loss inside of the
      same.

    Attributes:
        shape: that of the targets, such as (N, 3, H, W).
        maps: features of layers, or styles, by the pass through a network that made them.
        picture: the targets themselves, where parts of the loss look at the pixels.
    """

    shape: tuple[int, ...]
    maps: Maps = field(repr=False)
    picture: Tensor | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, which: int | slice) -> Prepared:
        """Return some of the targets, always as a batch.

        Raises:
            InputError: for a place where there is none.
        """
        if isinstance(which, int):
            place = range(len(self))[which : which + 1 or None] if -len(self) <= which < len(self) else range(0)
            which = slice(place.start, place.stop)
        count = len(range(len(self))[which])
        if count == 0:
            raise InputError(f"targets among the {len(self)} that were prepared", "none there")
        part = self._each(lambda tensor: tensor[which])
        return replace(part, shape=(count, *self.shape[1:]))

    def check_beside(self, output: Tensor, same_size: bool) -> None:
        """Raise InputError unless this can be the target of an output; reads no values."""
        if self.shape != tuple(output.shape) if same_size else len(self) not in (1, len(output)):
            expected = (
                "output and prepared target of the same shape" if same_size else "one prepared target, or as many"
            )
            raise InputError(expected, f"{tuple(output.shape)} and {self.shape}")
        for tensor in [x for found in self.maps.values() for x in found.values()]:
            if tensor.device != output.device:
                raise InputError(f"a prepared target on {output.device}", str(tensor.device), "prepared.to(device).")

    def of_pass(self, made: str, names: Sequence[str]) -> dict[str, Tensor]:
        """Return what was computed of the targets in a pass, under these names.

        Raises:
            InputError: if it was prepared by another network, for another view, or for other layers.
        """
        remedy = "Prepare it by this very loss: loss.prepare(target)."
        if made not in self.maps:
            raise InputError(f"a target prepared with {made}", "; ".join(self.maps) or "pictures alone", remedy)
        for name in names:
            if name not in self.maps[made]:
                raise InputError(f"a target prepared for {name}", ", ".join(self.maps[made]), remedy)
        return {name: self.maps[made][name] for name in names}

    def to(self, device: str | torch.device) -> Prepared:
        """Return the same on another device."""
        return self._each(lambda tensor: tensor.to(device))

    def pin_memory(self) -> Prepared:
        """Return the same in pinned memory, as a DataLoader asks for."""
        return self._each(lambda tensor: tensor.pin_memory())

    def _each(self, change: Any) -> Prepared:
        maps = {made: {name: change(tensor) for name, tensor in found.items()} for made, found in self.maps.items()}
        return replace(self, maps=maps, picture=None if self.picture is None else change(self.picture))

    @staticmethod
    def join(several: Sequence[Prepared]) -> Prepared:
        """Return one batch of several prepared targets.

        Raises:
            InputError: for none, or those of other sizes, of different losses or networks.
        """
        if not several:
            raise InputError("at least one prepared target to join", "none")
        first = several[0]
        for other in several:
            if other.shape[1:] != first.shape[1:] or _names(other) != _names(first):
                got = f"{first.shape} and {other.shape}"
                raise InputError("prepared targets of one size and of the same loss", got, "Prepare them by one loss.")
        maps = {
            made: {name: torch.cat([one.maps[made][name] for one in several]) for name in found}
            for made, found in first.maps.items()
        }
        pictures = [one.picture for one in several if one.picture is not None]
        count = sum(len(one) for one in several)
        return Prepared((count, *first.shape[1:]), maps, torch.cat(pictures) if pictures else None)

    def save(self, path: str | Path) -> Path:
        """Write it as safetensors, whole or not at all, and return the path.

        Raises:
            InputError: for another suffix, or a file that cannot be written.
        """
        path = Path(path)
        if path.suffix != ".safetensors":
            raise InputError("a file name that ends in .safetensors", str(path))
        tensors = {f"{i}/{name}": x for i, found in enumerate(self.maps.values()) for name, x in found.items()}
        tensors |= {} if self.picture is None else {_PICTURE: self.picture}
        metadata = {"kind": KIND, "shape": json.dumps(self.shape), "made_by": json.dumps(list(self.maps))}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(save({name: x.detach().cpu().contiguous() for name, x in tensors.items()}, metadata), path)
        except (OSError, SafetensorError) as error:
            raise InputError(f"{path} to be writable", str(error), "Is the disk full?") from error
        return path

    @staticmethod
    def load(path: str | Path) -> Prepared:
        """Read what :meth:`save` wrote; a loss that it does not belong to refuses it.

        Raises:
            InputError: if the file is missing, damaged, of another kind, or holds numbers that are not finite.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError("a prepared target", f"no file at {path}", "Check the path.")
        try:
            with safe_open(path, framework="pt") as file:
                metadata, names = dict(file.metadata() or {}), list(file.keys())
                if metadata.get("kind") != KIND:
                    remedy = "loss.prepare(target).save(path) writes one."
                    raise InputError(f"{path} to hold a prepared target", shown(metadata.get("kind")), remedy)
                tensors = {name: file.get_tensor(name) for name in names}
        except (OSError, SafetensorError) as error:
            remedy = "Perhaps it was cut off: write it again."
            raise InputError("a safetensors file", f"{path}, which does not load: {error}", remedy) from error
        return _checked(path, metadata, tensors)


def _names(prepared: Prepared) -> dict[str, list[str]]:
    """Return the names of all that is there, by what made it."""
    own = {} if prepared.picture is None else {_PICTURE: [_PICTURE]}
    return {made: sorted(found) for made, found in prepared.maps.items()} | own


def _checked(path: Path, metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> Prepared:
    """Return what a file holds, which may say anything, if it fits together."""
    try:
        shape, made_by = tuple(json.loads(metadata["shape"])), json.loads(metadata["made_by"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"shape and origin of the prepared target in {path}", shown(dict(metadata))) from error
    right = len(shape) >= 4 and all(type(side) is int and 0 < side < 2**31 for side in shape)
    named = isinstance(made_by, list) and len(made_by) < _LARGEST and all(isinstance(made, str) for made in made_by)
    if not (right and named and len(set(made_by)) == len(made_by)):
        raise InputError(f"shape and origin of the prepared target in {path}", shown(dict(metadata)))
    maps: Maps = {made: {} for made in made_by}
    for name, tensor in tensors.items():
        place, _, inner = name.partition("/")
        known = name == _PICTURE or (place.isdecimal() and int(place) < len(made_by))
        if not known or tensor.ndim == 0 or len(tensor) != shape[0] or not tensor.is_floating_point():
            raise InputError(f"what was prepared for {shape[0]} pictures in {path}", f"{shown(name)}, {tensor.dtype}")
        if not tensor.isfinite().all():
            raise InputError(f"finite numbers in {path}", f"NaN or infinity in {shown(name)}")
        if name != _PICTURE:
            maps[made_by[int(place)]][inner] = tensor
    picture = tensors.get(_PICTURE)
    if picture is not None and tuple(picture.shape) != shape:
        raise InputError(f"pictures of shape {shape} in {path}", str(tuple(picture.shape)))
    return Prepared(shape, maps, picture)
