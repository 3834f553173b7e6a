"""Share a network, the run that made it, or a recipe on the Hugging Face hub, with a card and without private paths."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import yaml

from perceptualloss.errors import InputError
from perceptualloss.files import write_whole
from perceptualloss.networks.base import TransformationNetwork
from perceptualloss.networks.checkpoint import read_header, save_network
from perceptualloss.networks.hub import NETWORK, RECIPE, Unreachable, hub_errors, hub_library, parse_address
from perceptualloss.networks.named import load_network, network_file
from perceptualloss.training.checkpoints import newest_checkpoint
from perceptualloss.training.model_card import Facts, model_card, read_evaluation
from perceptualloss.training.recipe import PLACES
from perceptualloss.training.recipe_file import read_recipe
from perceptualloss.training.run_folder import CONFIGURATION, read_record

CARD = "README.md"
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}")
_LONGEST_TEXT = 2**20
_DATA = ("files", "pictures", "names_and_sizes")  # what may be said of photos: not where they are
_ABSOLUTE = re.compile(r"(?<![\w.:/])(?:[A-Za-z]:)?[/\\](?:[^\s'\",:;]+[/\\])+(?=[^\s'\",:;/\\])")
_ON_THE_CARD = (
    "loss", "degradation", "adversarial", "critic", "balance", "style", "start_from", "steps", "batch_size", "crop",
    "learning_rate", "schedule", "ema", "seed",
)  # fmt: skip


@dataclass(frozen=True)
class Shared:
    """What was put on the hub.

    Attributes:
        address: of this commit, for ever: ``hf://user/name@commit``.
        url: of its page.
        private: whether only its owners may read it.
        files: names of its files.
    """

    address: str
    url: str
    private: bool
    files: tuple[str, ...]


def push_to_hub(
    what: TransformationNetwork | str | os.PathLike[str],
    repository: str,
    *,
    private: bool = True,
    token: str | None = None,
    licence: str = "",
    text: str = "",
    datasets: Sequence[str] = (),
    evaluation: str | os.PathLike[str] | None = None,
) -> Shared:
    """Upload a network, a run or a recipe to the Hugging Face hub, in one commit with its card (extra ``hub``).

    Of a run's folder these are ``network.safetensors``, ``recipe.yaml`` and ``README.md``. Paths of this machine are
    cut to their last part. The card is made from what the run recorded; what nobody said is called unknown.

    Args:
        what: a network; the folder of a finished run; a saved network (``.safetensors``); or a recipe (``.yaml``).
        repository: such as "anna/my-network"; it is made if it is not there.
        private: whether only its owners may read it. A repository that is public already is refused unless this is
            False; one that is private stays so.
        token: None is what ``hf auth login`` or ``HF_TOKEN`` gave.
        licence: its identifier on the hub, such as "apache-2.0" or "cc-by-4.0".
        text: what the card says first, in Markdown.
        datasets: names on the hub of those it was trained with.
        evaluation: what ``perceptualloss evaluate --network ... --json FILE`` wrote of this network.

    Raises:
        InputError: for what is no network, finished run or recipe; an unusable name or licence; no connection; or
            what the hub refuses.
    """
    hub = hub_library()
    with tempfile.TemporaryDirectory() as folder:
        files = write_share(what, repository, Path(folder), licence, text, datasets, evaluation)
        try:
            with hub_errors(repository):
                return _upload(hub, files, repository, private, token)
        except Unreachable as error:
            remedy = "Nothing was shared; connect and try again."
            raise InputError("a connection to the hub", f"none ({error.reason})", remedy) from error


def write_share(
    what: TransformationNetwork | str | os.PathLike[str],
    repository: str,
    folder: Path,
    licence: str = "",
    text: str = "",
    datasets: Sequence[str] = (),
    evaluation: str | os.PathLike[str] | None = None,
) -> list[Path]:
    """Write what :func:`push_to_hub` would upload into a folder, and return the files; nothing leaves the machine."""
    if parse_address(f"hf://{repository}") != (repository, None, None):
        raise InputError("a repository such as anna/my-network", repr(repository))
    if licence and not _LICENCE.fullmatch(licence):
        raise InputError("a licence such as apache-2.0 or cc-by-4.0", repr(licence))
    if len(text) > _LONGEST_TEXT:
        raise InputError(f"a text of at most {_LONGEST_TEXT:,} letters", f"{len(text):,}")
    folder.mkdir(parents=True, exist_ok=True)
    facts, files = Facts(repository), [folder / CARD]
    network, recipe, run = _parts(what)
    if network is not None:
        facts = _with_network(facts, network, folder / NETWORK, run)
        files.append(folder / NETWORK)
    if recipe is not None:
        kept, left_out = _without_places(read_recipe(recipe))
        write_whole(yaml.safe_dump(kept, sort_keys=False, allow_unicode=True).encode(), folder / RECIPE)
        facts = replace(facts, recipe=True, left_out=left_out)
        files.append(folder / RECIPE)
    measured = None if evaluation is None else read_evaluation(Path(evaluation))
    facts = replace(facts, licence=licence, text=text, datasets=tuple(datasets), evaluation=measured)
    write_whole(model_card(facts).encode(), folder / CARD)
    return files


def _parts(
    what: TransformationNetwork | str | os.PathLike[str],
) -> tuple[TransformationNetwork | Path | None, Path | None, Path | None]:
    """Return the network, the recipe and the run's folder that are meant."""
    if isinstance(what, TransformationNetwork):
        return what, None, None
    path = Path(what)
    if path.is_dir():
        if not (path / NETWORK).is_file() or not (path / CONFIGURATION).is_file():
            got = f"{path} without {NETWORK if (path / CONFIGURATION).is_file() else CONFIGURATION}"
            remedy = "An autoencoder of diffusers is shared by diffusers' own push_to_hub."
            if not (path / "autoencoder").is_dir():
                remedy = f"Finish it: perceptualloss train --resume {path}"
            raise InputError("the folder of a finished training of a network", got, remedy)
        return path / NETWORK, path / CONFIGURATION, path
    if path.suffix in (".yaml", ".yml"):
        return None, path, None
    if path.suffix not in (".safetensors", ""):
        raise InputError("the folder of a run, a network in safetensors, or a recipe in YAML", str(path))
    return network_file(path), None, None


def _with_network(facts: Facts, network: TransformationNetwork | Path, target: Path, run: Path | None) -> Facts:
    """Write the network, with what its file says of its training, and return the facts with what is known of it."""
    notes = read_header(network)[0] if isinstance(network, Path) else {}
    model = load_network(network) if isinstance(network, Path) else network
    notes = {name: _without_folders(value) for name, value in notes.items() if name not in ("network", "arguments")}
    record = (read_record(run) if run is not None else None) or {}
    data = {name: value for name, value in (record.get("data") or _json(notes.get("data"))).items() if name in _DATA}
    if "data" in notes:
        notes["data"] = json.dumps(data)
    save_network(model, target, **notes)
    metadata, shapes = read_header(target)
    settings = record.get("settings") or {name: notes[name] for name in _ON_THE_CARD if name in notes}
    return replace(
        facts,
        network=metadata["network"],
        arguments=json.loads(metadata["arguments"]),
        scale=model.scale,
        weights=sum(math.prod(shape) for shape in shapes.values()),
        sha256=hashlib.sha256(target.read_bytes()).hexdigest(),
        settings={name: _without_folders(str(settings[name])) for name in _ON_THE_CARD if name in settings},
        data=data,
        versions=record.get("versions") or _json(notes.get("versions")),
        validation=_validation(run),
    )


def _validation(run: Path | None) -> dict[str, float]:
    """Return the last value of each curve in the newest checkpoint of a run."""
    checkpoint = newest_checkpoint(run) if run is not None else None
    if checkpoint is None:
        return {}
    history = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True).get("history", {})
    return {name: float(curve[-1][1]) for name, curve in history.items() if curve}


def _json(text: str | None) -> dict[str, Any]:
    try:
        data = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _without_folders(text: str) -> str:
    r"""Return a text with the last part of each absolute path alone.

    >>> _without_folders("{weights: /home/anna/vgg16.pth, folders: [C:\\anna\\photos]}, 1/2")
    '{weights: vgg16.pth, folders: [photos]}, 1/2'
    """
    return _ABSOLUTE.sub("", text)


def _without_places(settings: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return a recipe's settings without those that are paths; names of networks that ship or are on the hub stay."""
    left_out, kept = [], {}
    for name, value in settings.items():
        named = isinstance(value, str) and not (Path(value).is_absolute() or "/" in value or "\\" in value)
        if name in PLACES and not (name == "start_from" and (named or str(value).startswith("hf:"))):
            left_out.append(name)
        elif name != "out":
            kept[name] = _plain(value)
    return kept, tuple(left_out)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return _without_folders(value) if isinstance(value, str) else value


def _upload(hub: Any, files: Sequence[Path], repository: str, private: bool, token: str | None) -> Shared:
    api = hub.HfApi(token=token)
    url = api.create_repo(repository, private=private, exist_ok=True)
    is_private = bool(api.model_info(repository).private)
    if private and not is_private:
        remedy = "To share with everybody, say --public (private=False in Python). Nothing was uploaded."
        raise InputError(f"a private repository {repository}", "a public one that is there", remedy)
    adding = [hub.CommitOperationAdd(path_in_repo=file.name, path_or_fileobj=file) for file in files]
    commit = api.create_commit(repository, adding, commit_message="Shared by perceptualloss")
    return Shared(f"hf://{repository}@{commit.oid}", str(url), is_private, tuple(file.name for file in files))
