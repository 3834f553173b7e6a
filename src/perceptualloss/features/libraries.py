"""Networks of torchvision and timm by name: how they are built, how they want pictures, and where weights are."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlparse

import torchvision
from torch import Tensor, nn

from perceptualloss.errors import InputError, check_choice
from perceptualloss.features.backbone import Backbone
from perceptualloss.features.weight_files import read_weights
from perceptualloss.features.weights import FOLDER_VARIABLE, check_cached, hub_cache

LIBRARIES = ("torchvision", "timm")
_SUFFIXES = (".safetensors", ".pth", ".bin")


class Entry(Protocol):
    """What a library says of one of its networks with one set of weights.

    Attributes:
        mean: of the three channels of pictures in [0, 1], which its weights were trained with.
        std: the same.
        side: height and width of the pictures that they were trained with.
        file: the name of the weights' file, as it may be called in the folder for weights.
        source: where they come from.
        place: where the library keeps them.
        fetch: a line of Python that has the library fetch them.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    side: int
    file: str
    source: str
    place: str
    fetch: str

    def build(self) -> nn.Module:
        """Return the network with random weights."""

    def cached(self) -> Path | None:
        """Return the weights' file where the library keeps it, or None."""

    def renamed(self, state: dict[str, Tensor], model: nn.Module) -> Mapping[str, Tensor]:
        """Return weights from a file under the names that the network has for them."""


class TorchvisionEntry:
    """A classification network of torchvision, ``NAME`` or ``NAME.WEIGHTS``, as in ``resnet50.IMAGENET1K_V1``."""

    def __init__(self, name: str) -> None:
        self.name, _, tag = name.partition(".")
        check_choice("network of torchvision", self.name, torchvision.models.list_models(module=torchvision.models))
        sets = torchvision.models.get_model_weights(self.name).__members__
        weights = sets[check_choice(f"weights of {self.name}", tag or "DEFAULT", sets)]
        preset = weights.transforms()
        self.mean, self.std, self.side = tuple(preset.mean), tuple(preset.std), preset.crop_size[0]
        self.source, self.file = weights.url, Path(weights.url).name
        self.place = str(hub_cache())
        self.fetch = f"torchvision.models.get_model({self.name!r}, weights={weights.name!r})"

    def build(self) -> nn.Module:
        """Return the network as it is for its weights, with random ones."""
        options: dict[str, Any] = {}
        if self.name in ("googlenet", "inception_v3"):  # trained with another normalisation, which they do themselves
            options = {"transform_input": True, "init_weights": False}
        if self.name.startswith("vit_"):
            options = {"image_size": self.side}
        model: nn.Module = torchvision.models.get_model(self.name, weights=None, **options)
        return model

    def cached(self) -> Path | None:
        """Return the file in torch.hub's cache, its hash checked, or None."""
        return check_cached(hub_cache() / self.file)

    def renamed(self, state: dict[str, Tensor], model: nn.Module) -> Mapping[str, Tensor]:
        """Return the weights as they are, but for the names that DenseNets of 2017 have."""
        return {_densenet_name(name): value for name, value in state.items()}


class TimmEntry:
    """A network of timm, ``NAME`` or ``NAME.TAG``, as in ``vit_small_patch14_dinov2.lvd142m``."""

    def __init__(self, name: str) -> None:
        timm = _timm()
        self.name, _, tag = name.partition(".")
        if not timm.is_model(self.name):
            near = difflib.get_close_matches(self.name[:60], timm.list_models(), 6)
            raise InputError("a network of timm", repr(name[:60]), f"Near: {', '.join(near) or 'none'}.")
        tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{self.name}.*")]
        if tag:
            check_choice(f"weights of {self.name}", tag, tags)
        self.config = timm.models.get_pretrained_cfg(name)
        self.mean, self.std, self.side = self.config.mean, self.config.std, self.config.input_size[-1]
        whole = f"{self.name}.{self.config.tag}" if self.config.tag else self.name
        self.file = f"{whole}.safetensors"
        self.source = self._hub() or self.config.url or "nowhere: timm has no weights of it"
        self.place = "the cache of huggingface_hub" if self._hub() else str(hub_cache())
        self.fetch = f"timm.create_model({whole!r}, pretrained=True)"

    def build(self) -> nn.Module:
        """Return the network with random weights, made for pictures of any size where it can be."""
        timm = _timm()
        for option in ({"dynamic_img_size": True}, {"strict_img_size": False}, {}):
            if self.config.fixed_input_size or not option:
                try:
                    model: nn.Module = timm.create_model(self.name, pretrained_cfg=self.config, num_classes=0, **option)
                except TypeError:  # no such option of this network
                    continue
                return model
        raise InputError(f"{self.name} of timm to be built", "an error")

    def cached(self) -> Path | None:
        """Return the file in the cache of huggingface_hub, or in torch.hub's, or None."""
        from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415  comes with timm

        hub, _, revision = self._hub().partition("@")
        usual = ("model.safetensors", "pytorch_model.bin")
        for name in (self.config.hf_hub_filename or usual[0], usual[1]) if hub else ():
            path = try_to_load_from_cache(hub, name, revision=revision or None)
            if isinstance(path, str):
                return Path(path)
        url = self.config.url
        return check_cached(hub_cache() / Path(urlparse(url).path).name) if isinstance(url, str) and url else None

    def renamed(self, state: dict[str, Tensor], model: nn.Module) -> Mapping[str, Tensor]:
        """Return the weights under timm's names, by its own table for files of the networks' authors."""
        rename = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
        renamed: Mapping[str, Tensor] = state if rename is None else rename(state, model)
        return renamed

    def _hub(self) -> str:
        return str(self.config.hf_hub_id or "")


def library_entry(network: str) -> Entry:
    """Return what a library says of ``torchvision/NAME`` or ``timm/NAME``.

    Raises:
        InputError: for an unknown library, network or set of weights, or where timm is not installed.
    """
    library, _, name = network.partition("/")
    check_choice("library of the network", library, LIBRARIES)
    return TorchvisionEntry(name) if library == "torchvision" else TimmEntry(name)


def find_weights(network: str, entry: Entry) -> Path:
    """Return the file with a network's weights: in the folder for weights, or where its library keeps it.

    Raises:
        InputError: if there is none, with its source and its place; nothing is downloaded.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    names = [entry.file, *(Path(entry.file).with_suffix("").name + suffix for suffix in _SUFFIXES)]
    for file in (Path(folder) / name for name in names) if folder else ():
        if file.is_file():
            return file
    cached = entry.cached()
    if cached is not None:
        return cached
    remedy = (
        f"Their source: {entry.source}. {entry.fetch} fetches them into {entry.place}; or put the file as {entry.file} "
        f"into the folder that the environment variable {FOLDER_VARIABLE} names, or give its path as weights. "
        "weights=None takes random ones."
    )
    raise InputError(f"weights of {network} ({entry.file})", "no such file here", remedy)


def load_weights(body: Backbone, entry: Entry, file: Path) -> None:
    """Put weights from a file into a backbone, without running code of the file.

    Raises:
        InputError: if it is not a file of weights, or lacks some that the layers need, or has others.
    """
    (model,) = body.modules
    idle = tuple(f"{path}." for path in body.idle())
    needed = {name: value for name, value in model.state_dict().items() if not name.startswith(idle)}
    try:
        state = entry.renamed(read_weights(file), model)
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:  # of renaming others
        raise InputError(f"weights of {body.name} in {file}", f"others ({error})") from error
    for name, value in needed.items():
        if name not in state:
            remedy = f"Are these the weights of {body.name}?"
            raise InputError(f"weights named {name!r} in {file}", "none of that name", remedy)
        if state[name].shape != value.shape:
            expected = f"{name} of shape {tuple(value.shape)} in {file}"
            raise InputError(expected, str(tuple(state[name].shape)), "Are these the weights of another network?")
    model.load_state_dict({name: state[name] for name in needed}, strict=False)


def _densenet_name(name: str) -> str:
    """Return ``norm1`` for ``norm.1`` and so on within a dense layer: torchvision's files are older than its names."""
    return re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.(?=[12]\.)", r"\1", name)


def _timm() -> Any:
    try:
        import timm  # noqa: PLC0415  an extra
    except ImportError as error:
        remedy = "Install it with: pip install 'perceptualloss[backbones]'"
        raise InputError("the package timm, for networks named timm/...", "none installed", remedy) from error
    return timm
