"""Losses that look through a frozen network, and the one pass that serves them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self, cast

import torch
from torch import Tensor

from perceptualloss.errors import InputError, check_choice, check_idle
from perceptualloss.features.base import LossNetwork
from perceptualloss.features.frozen import keeping_values
from perceptualloss.features.network import loss_network
from perceptualloss.features.passes import Passes
from perceptualloss.features.view import AUGMENTS, Augment, View
from perceptualloss.losses.base import NOT_SHOWN, Loss, Reduction, takes_another
from perceptualloss.losses.mask import Mask, Weights
from perceptualloss.losses.passes import made_by, one_pass, union
from perceptualloss.losses.places import Places
from perceptualloss.losses.prepared import Maps
from perceptualloss.pictures.ranges import InputRange, check_input_range

Features = Mapping[str, Tensor]


class NetworkLoss(Loss):
    """A loss between what a frozen network sees of output and target: the base of those that you write.

    A subclass says which layers it wants and implements :meth:`from_features`. If that takes no ``weights``, the loss
    refuses masks.

    Losses in a sum share one pass of the output, with a graph, and one of the target, without, if they look through the
    same network at the same size and under the same augmentation. The target's pass stops at the deepest layer that is
    asked of it.

    Args:
        network: the loss network.
        output_layers: the layers wanted of the output.
        target_layers: the layers wanted of the target, where they differ.
        resize: (height, width) in pixels to which both pictures are resized first; None keeps their size.
        augment: a random change at every call, the same for output and target, drawn by torch's generator. "geometric"
            is flip, shift, rotation, zoom and cutout: it keeps a network from being fooled by what only it sees.
            "shift" moves pictures by 0 to 7 whole pixels, which leaves every pixel's value and keeps patterns of the
            network's own grid away. None changes nothing.
        halvings: how often the pictures are blurred and halved before they are compared: 1 for half their size.
        reduction: "mean" or "sum" over the pictures of a batch, or "none" for one value each (see :class:`Loss`).

    Raises:
        InputError: for an unusable size, augmentation or number of halvings.

    Source of the augmentation: Kang et al., "Distilling Diffusion Models into Conditional GANs" (E-LatentLPIPS), ECCV
    2024.
    """

    def __init__(
        self,
        network: LossNetwork,
        output_layers: Iterable[str],
        target_layers: Iterable[str] | None = None,
        resize: tuple[int, int] | None = None,
        augment: Augment | None = None,
        halvings: int = 0,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(network.input_range, reduction)
        self.network = network
        self.output_layers = tuple(output_layers)
        self.target_layers = self.output_layers if target_layers is None else tuple(target_layers)
        if resize is not None and not (len(resize) == 2 and all(isinstance(n, int) and n > 0 for n in resize)):
            raise InputError("resize to be (height, width) in pixels, or None", repr(resize))
        if not (isinstance(halvings, int) and halvings >= 0):
            raise InputError("halvings, a whole number from 0", repr(halvings))
        if augment is not None:
            check_choice("augment", augment, AUGMENTS)
        self.view = View(None if resize is None else (resize[0], resize[1]), halvings, augment)

    def _option(self, name: str) -> Any:
        if name == "network":
            return self.network.name
        if name == "weights":
            source = self.network.source
            random = source is None and self.network.name != "custom"
            return str(source[1]) if isinstance(source, tuple) else None if random else NOT_SHOWN
        if name in ("checkpoint", "chunk", "tile"):
            return getattr(self.network.passes, name)
        return getattr(self.view, name) if name in ("resize", "augment", "halvings") else super()._option(name)

    def extra_repr(self) -> str:
        """Return the options, and the layers where they are none of them."""
        options = super().extra_repr()
        layers = f"layers={self.output_layers}"
        return options if "layers=" in options else ", ".join(filter(None, (options, layers)))

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = cls.__dict__  # what is defined anew no longer is the sum that the class above says it is
        cls._adds_up = "at_places" in own or (cls._adds_up and not {"from_features", "summary"} & own.keys())
        cls._takes_mask = cls._takes_mask and takes_another(cls.from_features, 3)

    @property
    def draws(self) -> bool:
        """Whether :meth:`from_features` draws from torch's generators."""
        return False

    def of_target(self, features: Features, weights: Places | None = None) -> dict[str, Tensor]:
        """Return what :meth:`from_features` needs of the target's features: what is kept where memory is short."""
        return {layer: features[layer] for layer in self.target_layers}

    _adds_up = False

    def why_whole(self) -> str:
        """Return why it must see whole maps, in a few words; nothing where it says what a part of them adds."""
        return "" if self._adds_up else "one that does not say what part of the positions adds (at_places)"

    @property
    def summarises(self) -> bool:
        """Whether it needs sums of the target, what :meth:`at_places` gives for it, and not its features."""
        return False

    def at_places(self, layer: str, output: Tensor, target: Tensor | None, weights: Weights) -> Tensor:
        """Return what a part of a layer's positions adds, (N, ...), from features (N, C, h, w) of that part."""
        raise TypeError(f"{type(self).__name__} must define at_places(layer, output, target, weights)")

    def from_places(self, sums: Features, target: Features) -> dict[str, Tensor]:
        """Return the weighted terms by name, each (N,), from the sums over all positions by layer."""
        raise TypeError(f"{type(self).__name__} must define from_places(sums, target)")

    def named(self, summaries: Features) -> dict[str, Tensor]:
        """Return the target's sums by layer under the names that :meth:`from_places` finds them by."""
        return dict(summaries)

    def kept_names(self) -> Iterable[str]:
        """Return the names of what :meth:`of_target` gives."""
        return self.target_layers

    def from_features(self, output: Features, target: Features, weights: Places | None = None) -> dict[str, Tensor]:
        """Return the weighted terms by name, each (N,), from the features of the layers asked for.

        Args:
            output: the output's features by layer, (N, C, h, w).
            target: the target's, or in their place what :meth:`of_target` made of them.
            weights: how much each position of a layer counts, by layer; None without a mask.
        """
        raise TypeError(f"{type(self).__name__} must define from_features(output, target)")

    def _per_image(self, output: Tensor, target: Tensor, weight: Mask | None = None) -> dict[str, Tensor]:
        """Return the weighted terms by name, each (N,)."""
        return one_pass([self], output, target, weight)[0]

    @property
    def _takes_prepared(self) -> bool:
        return type(self)._per_image is NetworkLoss._per_image

    def _keep(self, target: Tensor) -> tuple[bool, Maps]:
        return self._keep_together({"": self}, target)

    @staticmethod
    def _keep_together(losses: Mapping[str, Loss], target: Tensor) -> tuple[bool, Maps]:
        """Return what losses keep of a target, those alike in one pass; the picture for an own ``_per_image``."""
        looking = cast(Mapping[str, NetworkLoss], losses)
        alike = {name: loss for name, loss in looking.items() if loss._takes_prepared}
        maps: Maps = {}
        for group in _alike(alike):
            members = [alike[name] for name in group]
            made = made_by(members[0])
            features = members[0].network(members[0].view.show(target, None), union(m.target_layers for m in members))
            found = {name: kept for loss in members for name, kept in loss.of_target(features).items()}
            maps[made] = maps.get(made, {}) | found
        return len(alike) < len(looking), maps

    @torch.inference_mode(False)
    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        super()._apply(keeping_values(fn), recurse)  # type: ignore[no-untyped-call]
        return self

    @staticmethod
    def _share(losses: Iterable[Loss]) -> None:
        share_networks(losses)

    @staticmethod
    def _together(
        losses: Mapping[str, Loss], output: Tensor, target: Tensor, mask: Mask | None = None
    ) -> dict[str, dict[str, Tensor]]:
        """Return every loss's terms; those alike share a pass, and one with a ``_per_image`` of its own has its own."""
        looking = cast(Mapping[str, NetworkLoss], losses)
        alike = {name: loss for name, loss in looking.items() if loss._takes_prepared}
        others = {name: loss for name, loss in looking.items() if name not in alike}
        terms = {name: loss._values(output, loss._target_of(output, target), mask) for name, loss in others.items()}
        for group in _alike(alike):
            terms |= zip(group, one_pass([alike[name] for name in group], output, target, mask), strict=True)
        return terms


def _alike(losses: Mapping[str, NetworkLoss]) -> list[list[str]]:
    """Group the names of losses that can share a pass."""
    groups: list[list[str]] = []
    for name, loss in losses.items():
        for group in groups:
            first = losses[group[0]]
            if first.network is loss.network and first.view == loss.view:
                group.append(name)
                break
        else:
            groups.append([name])
    return groups


def share_networks(losses: Iterable[Loss]) -> None:
    """Give losses that look through the same network one network object: the one that goes deepest.

    Those whose networks look in other passes (see :class:`Passes`) keep their own, and their own pass.
    """
    networks: list[LossNetwork] = []
    parts = [loss for loss in losses if isinstance(loss, NetworkLoss)]
    for part in sorted(parts, key=lambda part: -len(part.network.names)):
        for network in networks:
            if network.passes == part.network.passes and network.sees_like(part.network):
                part.network = network
                break
        else:
            networks.append(part.network)


def open_network(
    network: str | LossNetwork,
    layers: Iterable[str],
    weights: str | Path | None,
    input_range: InputRange,
    passes: Passes | None = None,
) -> LossNetwork:
    """Return the loss network of that name, or the given one if it has the layers.

    Raises:
        InputError: for an unknown network or layer, or weights that cannot be had.
    """
    settings = {} if passes is None else asdict(passes)
    if isinstance(network, str):
        return loss_network(network, layers, weights, input_range, **settings)
    network.check_layers(layers)
    given = {"weights": weights if weights != "imagenet" else "default", "input_range": check_input_range(input_range)}
    if given["input_range"] == network.input_range:
        del given["input_range"]
    usual = {"weights": "default", "input_range": (0.0, 1.0), **asdict(Passes())}
    check_idle(given | settings, usual, "with a network that you built: it has its own")
    return network


def layer_weights(layers: Mapping[str, float] | Iterable[str]) -> dict[str, float]:
    """Return the weight of every layer: 1 where only names are given.

    Raises:
        InputError: for no layer, or a weight that is no number.
    """
    pairs = layers.items() if isinstance(layers, Mapping) else [(layer, 1.0) for layer in layers]
    try:
        weighted = {str(layer): float(weight) for layer, weight in pairs}
    except (TypeError, ValueError) as error:
        raise InputError('the weight of every layer, such as {"relu2_2": 1.0}', repr(layers)) from error
    if not weighted or isinstance(layers, str):
        raise InputError('layers with their weights, such as {"relu2_2": 1.0}', repr(layers))
    return weighted
