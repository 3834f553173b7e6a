"""Any network as a loss network: its layers are its modules by their path, and what they give is laid out as maps."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NoReturn

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perceptualloss.errors import InputError, warn_once
from perceptualloss.features.chain import REMEDY
from perceptualloss.features.layout import Layout, find_layout
from perceptualloss.features.taps import Taps
from perceptualloss.pictures.ranges import values_can_be_read

_STEPS = (1, 2, 4, 7, 8, 14, 16, 28, 32, 64, 128)  # of which a side may have to be a multiple
_PATCH = 128  # pixels: a network whose last stride is 32 has maps of 4 x 4 of it
_NEAR = 6  # names that an error proposes
_BAD_SIZE = (AssertionError, IndexError, RuntimeError, TypeError, ValueError, ZeroDivisionError)  # what libraries raise


class Backbone:
    """A network whose layers are named by the paths of its modules, such as ``layer2`` or ``blocks.3``.

    At the start it runs twice without values, for a square picture and one of twice the side, and so learns the order
    of the layers, which of them keep places and how they are laid out. A run stops where the deepest layer asked for
    is done. A module that runs several times is known by its last output; an output that a later module writes into
    is copied before.

    Attributes:
        modules: the network.
        names: the layers that keep places, in the order in which they are done, up to the deepest one wanted.
        multiple: sides must be multiples of it; pictures of other sizes are brought to the nearest one.
        only_size: the one side of the square pictures that it takes, or None.

    Args:
        model: takes images (N, 3, H, W); frozen where it is, for good: in evaluation mode, without gradients.
        layers: the layers that are wanted; None for all.
        side: height and width of a picture that it takes.
        name: what errors call it.

    Raises:
        InputError: for an unknown layer, one without places, or a network that does not take such pictures.
    """

    def __init__(
        self, model: nn.Module, layers: Iterable[str] | None = None, side: int = 224, name: str = "custom"
    ) -> None:
        self.name = name
        self.modules: list[nn.Module] = [model.requires_grad_(False).eval()]
        self._taps = Taps(model)
        self.names: tuple[str, ...] = ()
        self._sizes: set[tuple[int, int, tuple[str, ...]]] = set()  # that padding was looked for in
        self._padding_said = False
        self._learn(side)
        asked = self.names if layers is None else self.check(layers)
        self.names = self.names[: max(map(self.names.index, asked)) + 1]
        self.multiple = 1 if self.only_size else self._find_multiple(side)

    def _learn(self, side: int) -> None:
        """Learn the layers and their layouts from two runs without values."""
        try:
            listing = self._taps.listing((side, side))
        except _BAD_SIZE as error:
            got = f"an error: {_first_line(error)}"
            raise InputError(f"{self.name} to take images (1, 3, {side}, {side})", got) from error
        try:
            twice = self._taps.listing((2 * side, 2 * side)).outputs
        except _BAD_SIZE:
            twice = None
        self.only_size = side if twice is None else None
        self._done, self._uses, self._overwritten = listing.done, Counter(listing.done), listing.overwritten()
        self._layouts: dict[str, Layout] = {}
        for path, output in listing.outputs.items():
            larger = None if twice is None or path not in twice else twice[path].shape
            layout = find_layout(output.shape, larger, side) if twice is None or larger is not None else None
            if layout is not None:
                self._layouts[path] = layout
        self.names = tuple(self._layouts)
        if not self.names:
            raise InputError(f"{self.name} to have layers that keep places", "none")

    def _find_multiple(self, side: int) -> int:
        """Return the least number of which sides must be multiples, for the deepest layer."""
        larger = {step: (side // step + 1) * step for step in _STEPS}
        return next((step for step, n in larger.items() if self._works(n, n, self.names[-1:])), side)

    def check(self, layers: Iterable[str]) -> tuple[str, ...]:
        """Return the layers, or raise InputError for one that is not known or keeps no places."""
        layers = tuple(layers)
        for layer in layers:
            if layer not in self.names:
                self._refuse(str(layer)[:60])
        return layers

    def _refuse(self, layer: str) -> NoReturn:
        why = " (it keeps no places)" if layer in self._uses else ""
        why = " (deeper than those that the network was built with)" if layer in self._layouts else why
        near = difflib.get_close_matches(layer, self.names, _NEAR, 0.4) or sorted(self.names, key=_depth)[:_NEAR]
        remedy = f"Near: {', '.join(near)}."
        if "/" in self.name:
            remedy += f" perceptualloss.layer_names_of({self.name!r}) lists all."
        raise InputError(f"a layer of {self.name}", f"{layer!r}{why}", remedy)

    def channels(self) -> dict[str, int]:
        """Return the number of channels of every layer."""
        return {name: self._layouts[name].channels for name in self.names}

    def fit(self, images: Tensor, layers: Sequence[str]) -> Tensor:
        """Return the images at a size that the network takes: sides of the nearest multiple of its patches.

        Raises:
            InputError: for images of another size than the only one that it takes.
        """
        height, width = images.shape[-2:]
        if self.only_size is not None and (height, width) != (self.only_size, self.only_size):
            size = f"{self.only_size} x {self.only_size}"
            remedy = f"It takes no other size: say resize=({self.only_size}, {self.only_size}) in the loss."
            raise InputError(f"images of {size} pixels for {self.name}", f"{height} x {width}", remedy)
        rows, columns = (max(1, round(n / self.multiple)) * self.multiple for n in (height, width))
        if self.only_size is not None or (rows, columns) == (height, width):
            return images
        if not torch.compiler.is_compiling():
            warn_once(
                f"{self.name} takes sides that are multiples of {self.multiple}: it is shown pictures of "
                f"{height} x {width} at {rows} x {columns}"
            )
        return F.interpolate(images, size=(rows, columns), mode="bilinear", align_corners=False)

    def run(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Return the features (N, C, h, w) of normalised images (N, 3, H, W) by layer.

        Raises:
            InputError: for images of a size that is too small for the layers.
        """
        self._stay_frozen()
        height, width = images.shape[-2:]
        try:
            outputs = self._taps.features(images, self._uses_of(layers), self._overwritten)
        except _BAD_SIZE as error:
            if isinstance(error, torch.OutOfMemoryError) or torch.compiler.is_compiling():
                raise
            if self._works(height, width, layers):
                raise
            raise self._too_small(height, width, layers, _first_line(error)) from error
        maps = {layer: self._layouts[layer].maps(outputs[layer], height, width) for layer in layers}
        if any(features.numel() == 0 for features in maps.values()):
            raise self._too_small(height, width, layers, "no place is left")
        if min(height, width) < _PATCH and not self._padding_said and values_can_be_read():
            self._say_padded(height, width, tuple(layers))
        return maps

    def touched(self, marks: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Raise InputError: attention, pooling or norms over the picture may let a position see all of it."""
        raise self._unknown_reach()

    def reach(self, layer: str) -> int:
        """Raise InputError (see :meth:`touched`)."""
        raise self._unknown_reach()

    def _say_padded(self, height: int, width: int, layers: tuple[str, ...]) -> None:
        """Warn once of a size that leaves a convolution less than its kernel sees: more padding than picture."""
        if (height, width, layers) in self._sizes:
            return
        self._sizes.add((height, width, layers))
        kernels = _padded_kernels(self.modules[0])
        last = max(self._end(layer) for layer in layers)
        uses = {path: self._uses[path] for path in kernels if 0 < self._end(path) <= last}
        outputs = self._taps.features((height, width), uses, ()) if uses else {}
        for path, output in outputs.items():
            kernel, stride = kernels[path]
            if min(output.shape[-2:]) * stride < kernel:
                warn_once(
                    f"pictures of {height} x {width} pixels: {path} of {self.name} gives a map of {output.shape[-2]} x "
                    f"{output.shape[-1]}, and its kernel of {kernel} x {kernel} sees mostly padding. {REMEDY}"
                )
                self._padding_said = True
                return

    def _end(self, path: str) -> int:
        """Return how many modules are done when a layer is done for the last time, or 0 for one that does not run."""
        return len(self._done) - self._done[::-1].index(path) if path in self._uses else 0

    def _stay_frozen(self) -> None:
        """Go back to evaluation mode if somebody who holds the modules, too, called ``train()``."""
        if any(module.training for module in self.modules[0].modules()):
            self.modules[0].eval()

    def idle(self) -> list[str]:
        """Return the paths of the modules that run after the deepest layer alone."""
        (model,) = self.modules
        last = self.names[-1]
        end = self._end(last)
        used, later = _with_parents(self._done[:end]), _with_parents(self._done[end:])
        idle: list[str] = []
        for path, _ in model.named_modules():
            parent = model.get_submodule(path.rpartition(".")[0])
            in_turn = parent is model or isinstance(parent, nn.Sequential | nn.ModuleList | nn.ModuleDict)
            inside = any(path.startswith(f"{outer}.") for outer in (last, *idle))
            if path in later - used and in_turn and not inside:  # what is not in turn may be used by its parent
                idle.append(path)
        return idle

    def prune(self) -> None:
        """Let go of the modules that are idle; should one of them run after all, it is an error."""
        (model,) = self.modules
        for path in self.idle():
            parent, _, child = path.rpartition(".")
            setattr(model.get_submodule(parent), child, _Gone())

    def _uses_of(self, layers: Iterable[str]) -> dict[str, int]:
        return {layer: self._uses[layer] for layer in layers}

    def _works(self, height: int, width: int, layers: Sequence[str]) -> bool:
        """Return whether the network takes pictures of that size as far as to the layers."""
        try:
            outputs = self._taps.features((height, width), self._uses_of(layers), ())
        except _BAD_SIZE:
            return False
        return all(output.numel() > 0 for output in outputs.values())

    def _unknown_reach(self) -> InputError:
        expected = "a network of which it is known what each position sees, a chain such as vgg16, alexnet or compact"
        return InputError(expected, self.name, "masking='area' weighs the positions of any network.")

    def _too_small(self, height: int, width: int, layers: Sequence[str], why: str) -> InputError:
        expected = f"images that are large enough for {', '.join(layers)} of {self.name}"
        return InputError(expected, f"{height} x {width} ({why})", REMEDY)


class _Gone(nn.Module):
    """Stands for a module that does not run."""

    def forward(self, *inputs: object) -> NoReturn:
        """Say that a module was let go of that is needed after all."""
        raise TypeError("a module ran that was let go of, as it lies behind the deepest layer")


def _padded_kernels(model: nn.Module) -> dict[str, tuple[int, int]]:
    """Return kernel and stride of the convolutions that pad their maps, by path."""
    kernels = {}
    for path, module in model.named_modules():
        if isinstance(module, nn.Conv2d) and module.padding not in ("valid", (0, 0)):
            kernels[path] = max(module.kernel_size), max(module.stride)
    return kernels


def _with_parents(paths: Iterable[str]) -> set[str]:
    return {".".join(path.split(".")[:n]) for path in paths for n in range(1, path.count(".") + 2)}


def _depth(path: str) -> int:
    return path.count(".")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
