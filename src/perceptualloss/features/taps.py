"""What the modules of any network give while it runs: hooks that keep what is asked for, and stop when all is there."""

from __future__ import annotations

import copy
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class _Reached(Exception):
    """All that was asked for is there: the rest of the network need not run."""


@dataclass
class _Run:
    """What one run is to keep, and has kept: of every layer the last output."""

    uses: dict[str, int]
    overwritten: Collection[str]
    features: dict[str, Tensor] = field(default_factory=dict)

    def take(self, path: str, output: object) -> None:
        if path not in self.uses:
            return
        self.uses[path] -= 1
        if self.uses[path] == 0 and isinstance(output, Tensor):
            last = len(self.features) + 1 == len(self.uses)
            self.features[path] = output.clone() if path in self.overwritten and not last else output
            if last:
                raise _Reached


@dataclass
class Listing:
    """What every module gives in a whole run.

    Attributes:
        done: the paths of the modules in the order in which they were done, once for every use.
        outputs: the last output of each that gives a tensor.
    """

    done: list[str] = field(default_factory=list)
    outputs: dict[str, Tensor] = field(default_factory=dict)
    _versions: dict[str, int] = field(default_factory=dict)

    def take(self, path: str, output: object) -> None:
        """Note that a module is done."""
        self.done.append(path)
        self.outputs.pop(path, None)  # the last to be done comes last
        if isinstance(output, Tensor):
            self.outputs[path], self._versions[path] = output, output._version

    def overwritten(self) -> frozenset[str]:
        """Return the paths of the modules whose output a later one wrote into."""
        return frozenset(path for path, output in self.outputs.items() if output._version != self._versions[path])


class _LaidOut(torch.autograd.Function):
    """A copy whose gradient is handed on row by row in memory.

    On CPUs (seen with torch 2.15) the derivative of a batch norm is wrong for a single picture whose gradient has its
    channels last and came by way of tokens: the step to the next picture, of which there is none, is then not a whole
    picture's, and misread. Of a gradient in rows it is right.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(output: Tensor) -> Tensor:
        return output.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        """Keep nothing."""

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient.contiguous()


def _lay_out_gradient(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
    """Be the forward hook of batch norms (see :class:`_LaidOut`)."""
    if output.ndim == 4 and len(output) == 1 and output.requires_grad:
        laid_out: Tensor = _LaidOut.apply(output)
        return laid_out
    return output


class _Tap:
    """A forward hook that shows a module's output to the run that its thread is in."""

    def __init__(self, path: str, runs: dict[int, _Run | Listing]) -> None:
        self.path, self.runs = path, runs

    def __call__(self, module: nn.Module, inputs: object, output: object) -> None:
        run = self.runs.get(_thread())
        if run is not None:
            run.take(self.path, output)


class Taps:
    """Hooks on all modules of a network; they keep nothing unless a run of theirs is under way.

    Args:
        model: takes images (N, 3, H, W).
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._runs: dict[int, _Run | Listing] = {}  # by thread
        for path, module in model.named_modules():
            if isinstance(module, _BatchNorm):
                module.register_forward_hook(_lay_out_gradient)
            if path:
                module.register_forward_hook(_Tap(path, self._runs))

    def features(
        self, images: Tensor | tuple[int, int], uses: Mapping[str, int], overwritten: Collection[str]
    ) -> dict[str, Tensor]:
        """Return the last output of every module asked for; run no further than to the last of them.

        Args:
            images: (N, 3, H, W), or height and width alone: then the outputs have shapes but no values.
            uses: the paths of the modules, and how often each runs.
            overwritten: modules whose output a later one writes into: they are copied before.
        """
        run = _Run(dict(uses), overwritten)
        self._go(images, run)
        return run.features

    def listing(self, images: Tensor | tuple[int, int]) -> Listing:
        """Return what every module gives for images, or for a size alone (see :meth:`features`)."""
        listing = Listing()
        self._go(images, listing)
        return listing

    def _without_values(self) -> nn.Module:
        """Return a copy of the network without values, with these hooks: other threads may run the network."""
        known: dict[int, Any] = {id(self._runs): self._runs}
        for parameter in self.model.parameters():
            known[id(parameter)] = nn.Parameter(parameter.detach().to("meta"), requires_grad=False)
        known |= {id(buffer): buffer.to("meta") for buffer in self.model.buffers()}
        return copy.deepcopy(self.model, known)

    def _go(self, images: Tensor | tuple[int, int], run: _Run | Listing) -> None:
        self._runs[_thread()] = run
        try:
            if isinstance(images, Tensor):
                self.model(images)
            else:
                _run_without_values(self._without_values(), *images)
        except _Reached:
            return
        finally:
            del self._runs[_thread()]


@torch.no_grad()
def _run_without_values(model: nn.Module, height: int, width: int) -> None:
    """Run a network on a picture that has a size alone, on torch's "meta" device: no memory, no arithmetic."""
    state = chain(model.named_parameters(), model.named_buffers())
    dtype = next((x.dtype for _, x in state if x.is_floating_point()), torch.float32)
    model(torch.empty(1, 3, height, width, dtype=dtype, device="meta"))


def _thread() -> int:
    """Return the number of the thread; torch.compile, which sees one alone, cannot ask for it."""
    return 0 if torch.compiler.is_compiling() else threading.get_ident()
